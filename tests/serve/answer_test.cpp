// What the API answers, from events made by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "serve/api_error.h"
#include "serve/chat_answer.h"
#include "serve/completion_answer.h"
#include "serve/json_text.h"
#include "serve/metrics_text.h"
#include "serve/responses_answer.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

AnswerContext context() {
  AnswerContext context;
  context.id = "resp_1";
  context.created_s = 5;
  context.model = "tiny";
  context.seed = 9;
  return context;
}

TextEnd text_end(int32_t index, FinishReason reason = FinishReason::stop, std::string answer = "") {
  TextEnd end;
  end.index = index;
  end.reason = reason;
  end.tokens = 3;
  end.answer = std::move(answer);
  return end;
}

GenerationStart started(int32_t texts) {
  GenerationStart start;
  start.prompt_tokens = 10;
  start.texts = texts;
  start.route.probability = 0.75;
  return start;
}

GenerationEnd ended() {
  GenerationEnd end;
  end.prompt_tokens = 10;
  end.cached_tokens = 4;
  end.completion_tokens = 6;
  end.reasoning_tokens = 2;
  return end;
}

// Two texts; the first one thinks, the second is cut off.
std::vector<GenerationEvent> plain_events() {
  return {started(2),
          TextEvent{0, true, "hm", {}},
          TextEvent{0, false, "A", {{"A", -0.5f, {{"A", -0.5f}, {"\xff", -INFINITY}}}}},
          TextEvent{1, false, "B", {}},
          text_end(0),
          text_end(1, FinishReason::budget),
          ended()};
}

// Three branches; 1 and 2 say 4, which wins.
std::vector<GenerationEvent> vote_events() {
  GenerationEnd end = ended();
  VoteResult vote;
  vote.groups = {{"4", {1, 2}, 1, 2.0 / 3, 2, 2.0 / 3, -0.5},
                 {"5", {0}, 0, 1.0 / 3, 1, 1.0 / 3, -1}};
  vote.best_branch = 1;
  vote.confidence = 0.66;
  end.vote = vote;
  return {started(3),
          TextEvent{0, false, "is 5", {}},
          TextEvent{1, true, "2+2", {}},
          TextEvent{1, false, "is 4", {}},
          text_end(0, FinishReason::stop, "5"),
          TextEvent{2, false, "4!", {}},
          text_end(1, FinishReason::budget, "4"),
          text_end(2, FinishReason::stop, "4"),
          end};
}

Transcript all_of(const std::vector<GenerationEvent>& events) {
  Transcript transcript;
  for (const GenerationEvent& event : events) transcript.add(event);
  return transcript;
}

// The data of all events; "[DONE]" becomes a string.
std::vector<Json> stream_data(const std::string& text) {
  std::vector<Json> out;
  for (size_t at = 0; (at = text.find("data: ", at)) != text.npos;) {
    const size_t end = text.find("\n\n", at);
    const std::string data = text.substr(at + 6, end - at - 6);
    out.push_back(data == "[DONE]" ? Json(data) : Json::parse(data));
    at = end;
  }
  return out;
}

template <class Stream>
std::vector<Json> streamed(Stream stream, const std::vector<GenerationEvent>& events) {
  std::string text;
  for (const GenerationEvent& event : events) text += stream.on(event);
  return stream_data(text);
}

TEST(ChatAnswer, IsOpenAis) {
  AnswerContext with = context();
  with.log_probabilities = true;
  const Json json = chat_completion(with, all_of(plain_events()));
  EXPECT_EQ(json["object"], "chat.completion");
  ASSERT_EQ(json["choices"].size(), 2u);
  const Json& first = json["choices"][0];
  EXPECT_EQ(first["message"]["content"], "A");
  EXPECT_EQ(first["message"]["reasoning_content"], "hm");
  EXPECT_EQ(first["finish_reason"], "stop");
  EXPECT_EQ(first["logprobs"]["content"][0]["logprob"], -0.5);
  EXPECT_EQ(first["logprobs"]["content"][0]["bytes"], Json::array({65}));
  EXPECT_EQ(first["logprobs"]["content"][0]["top_logprobs"][1]["logprob"], -9999.0);
  EXPECT_FALSE(json["choices"][1]["message"].contains("reasoning_content"));
  EXPECT_EQ(json["choices"][1]["finish_reason"], "length");
  EXPECT_EQ(json["usage"]["total_tokens"], 16);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(json["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
  EXPECT_EQ(json["pith"]["finish_reasons"], Json::array({"stop", "budget"}));
  EXPECT_EQ(json["pith"]["think_probability"], 0.75);
  EXPECT_EQ(json["pith"]["seed"], 9);
  EXPECT_FALSE(json["pith"].contains("confidence"));
  EXPECT_NE(json_text(json).find("\xef\xbf\xbd"), std::string::npos);  // for the byte 0xff
}

TEST(ChatAnswer, TellsOfVotes) {
  AnswerContext with = context();
  with.vote = true;
  Json json = chat_completion(with, all_of(vote_events()));
  ASSERT_EQ(json["choices"].size(), 1u);
  EXPECT_EQ(json["choices"][0]["message"]["content"], "is 4");
  EXPECT_EQ(json["choices"][0]["message"]["reasoning_content"], "2+2");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["pith"]["answer"], "4");
  EXPECT_EQ(json["pith"]["confidence"], 0.66);
  EXPECT_EQ(json["pith"]["votes"][0]["branches"], Json::array({1, 2}));
  EXPECT_FALSE(json["pith"].contains("branches"));
  with.include_branches = true;
  json = chat_completion(with, all_of(vote_events()));
  ASSERT_EQ(json["pith"]["branches"].size(), 3u);
  EXPECT_EQ(json["pith"]["branches"][2]["text"], "4!");
  EXPECT_EQ(json["pith"]["branches"][1]["finish_reason"], "budget");

  std::vector<GenerationEvent> events = vote_events();
  std::get<GenerationEnd>(events.back()).vote->groups.clear();
  json = chat_completion(with, all_of(events));
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
  EXPECT_TRUE(json["pith"]["answer"].is_null());
}

TEST(ChatStream, HasAChoiceInEveryChunk) {
  const std::vector<Json> chunks = streamed(ChatStream(context()), plain_events());
  std::string texts[2];
  std::string reasons[2];
  for (size_t i = 0; i + 1 < chunks.size(); ++i) {
    ASSERT_EQ(chunks[i]["choices"].size(), 1u) << chunks[i];
    EXPECT_FALSE(chunks[i].contains("usage"));
    EXPECT_EQ(chunks[i].contains("pith"), i + 2 == chunks.size());
    const Json& choice = chunks[i]["choices"][0];
    const size_t index = choice["index"].get<size_t>();
    texts[index] +=
        choice["delta"].value("reasoning_content", "") + choice["delta"].value("content", "");
    if (!choice["finish_reason"].is_null()) reasons[index] = choice["finish_reason"];
  }
  EXPECT_EQ(texts[0], "hmA");
  EXPECT_EQ(texts[1], "B");
  EXPECT_EQ(reasons[0], "stop");
  EXPECT_EQ(reasons[1], "length");
  EXPECT_EQ(chunks[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(chunks.back(), "[DONE]");
}

TEST(ChatStream, EndsWithUsageIfAsked) {
  AnswerContext with = context();
  with.include_usage = true;
  with.log_probabilities = true;
  const std::vector<Json> chunks = streamed(ChatStream(with), plain_events());
  EXPECT_TRUE(chunks[0]["usage"].is_null());
  const Json& last = chunks[chunks.size() - 2];
  EXPECT_TRUE(last["choices"].empty());
  EXPECT_EQ(last["usage"]["completion_tokens"], 6);
  const auto has_tokens = [](const Json& chunk) {
    return chunk.is_object() && !chunk["choices"].empty() &&
           !chunk["choices"][0]["logprobs"].is_null();
  };
  EXPECT_EQ(std::count_if(chunks.begin(), chunks.end(), has_tokens), 1);
}

TEST(ChatStream, ShowsBranchesIfAsked) {
  AnswerContext with = context();
  with.vote = true;
  std::vector<Json> chunks = streamed(ChatStream(with), vote_events());
  ASSERT_EQ(chunks.size(), 5u);  // role, thought, answer, end, [DONE]
  EXPECT_EQ(chunks[1]["choices"][0]["delta"]["reasoning_content"], "2+2");
  EXPECT_EQ(chunks[2]["choices"][0]["delta"]["content"], "is 4");
  EXPECT_EQ(chunks[3]["pith"]["answer"], "4");

  with.include_branches = true;
  chunks = streamed(ChatStream(with), vote_events());
  std::string branches[3];
  int ends = 0;
  for (const Json& chunk : chunks) {
    if (!chunk.is_object() || !chunk["choices"].empty()) continue;
    const Json& pith = chunk["pith"];
    branches[pith["branch"].get<size_t>()] += pith.value("content", "");
    ends += pith.contains("finish_reason") ? 1 : 0;
  }
  EXPECT_EQ(branches[0], "is 5");
  EXPECT_EQ(branches[1], "is 4");
  EXPECT_EQ(branches[2], "4!");
  EXPECT_EQ(ends, 3);
}

TEST(CompletionAnswer, IsOpenAis) {
  AnswerContext with = context();
  with.log_probabilities = true;
  std::vector<GenerationEvent> events = {
      started(1), TextEvent{0, false, "ab", {{"a", -1, {{"a", -1}, {"c", -2}}}, {"b", -3, {}}}},
      text_end(0), ended()};
  const Json json = completion(with, all_of(events));
  EXPECT_EQ(json["object"], "text_completion");
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["text"], "ab");
  EXPECT_EQ(choice["logprobs"]["tokens"], Json::array({"a", "b"}));
  EXPECT_EQ(choice["logprobs"]["top_logprobs"][0]["c"], -2.0);
  EXPECT_EQ(choice["logprobs"]["text_offset"], Json::array({0, 1}));
  EXPECT_EQ(choice["finish_reason"], "stop");

  events.insert(events.begin() + 2, TextEvent{0, false, "c", {{"c", -1, {}}}});
  const std::vector<Json> chunks = streamed(CompletionStream(with), events);
  ASSERT_EQ(chunks.size(), 4u);
  EXPECT_EQ(chunks[1]["choices"][0]["logprobs"]["text_offset"], Json::array({2}));
  EXPECT_EQ(chunks[2]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(chunks[2].contains("pith"));
  EXPECT_EQ(chunks[3], "[DONE]");
}

std::vector<GenerationEvent> one_text(FinishReason reason) {
  return {started(1),
          TextEvent{0, true, "hm", {}},
          TextEvent{0, false, "A", {}},
          TextEvent{0, false, "B", {}},
          text_end(0, reason),
          ended()};
}

ResponsesContext responses_context(bool vote = false) {
  ResponsesRequest request;
  request.previous = "resp_0";
  request.metadata["k"] = "v";
  AnswerContext answer = context();
  answer.vote = vote;
  answer.include_branches = vote;
  return {std::move(answer), request};
}

TEST(ResponsesAnswer, IsOpenAis) {
  Json json = response_object(responses_context(), all_of(one_text(FinishReason::stop)));
  EXPECT_EQ(json["id"], "resp_1");
  EXPECT_EQ(json["status"], "completed");
  EXPECT_EQ(json["previous_response_id"], "resp_0");
  EXPECT_EQ(json["metadata"]["k"], "v");
  ASSERT_EQ(json["output"].size(), 2u);
  EXPECT_EQ(json["output"][0]["type"], "reasoning");
  EXPECT_EQ(json["output"][0]["content"][0]["text"], "hm");
  EXPECT_EQ(json["output"][1]["type"], "message");
  EXPECT_EQ(json["output"][1]["content"][0]["text"], "AB");
  EXPECT_EQ(json["usage"]["output_tokens_details"]["reasoning_tokens"], 2);
  json = response_object(responses_context(), all_of(one_text(FinishReason::context)));
  EXPECT_EQ(json["status"], "incomplete");
  EXPECT_EQ(json["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(ResponsesStream, TellsItInOrder) {
  ResponsesStream stream(responses_context());
  std::string text;
  for (const GenerationEvent& event : one_text(FinishReason::stop)) text += stream.on(event);
  const std::vector<Json> events = stream_data(text);
  std::vector<std::string> types;
  std::string said;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["sequence_number"], i);
    types.push_back(events[i]["type"]);
    EXPECT_NE(text.find("event: " + types.back() + "\ndata: "), std::string::npos);
    if (types.back() == "response.output_text.delta") said += events[i]["delta"];
  }
  EXPECT_EQ(
      types,
      (std::vector<std::string>{
          "response.created", "response.in_progress", "response.output_item.added",
          "response.content_part.added", "response.reasoning_text.delta",
          "response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
          "response.output_item.added", "response.content_part.added", "response.output_text.delta",
          "response.output_text.delta", "response.output_text.done", "response.content_part.done",
          "response.output_item.done", "response.completed"}));
  EXPECT_EQ(said, "AB");
  // The same response as without a stream.
  EXPECT_EQ(events.back()["response"],
            response_object(responses_context(), all_of(one_text(FinishReason::stop))));
  EXPECT_EQ(stream.response(), events.back()["response"]);
}

TEST(ResponsesStream, ShowsBranchesAndFailures) {
  const std::vector<Json> events =
      streamed(ResponsesStream(responses_context(true)), vote_events());
  const auto count = [&](std::string_view type) {
    return std::count_if(events.begin(), events.end(),
                         [&](const Json& event) { return event["type"] == type; });
  };
  EXPECT_EQ(count("pith.branch.delta"), 4);
  EXPECT_EQ(count("pith.branch.done"), 3);
  EXPECT_EQ(count("response.output_text.delta"), 1);
  EXPECT_EQ(events.back()["response"]["pith"]["answer"], "4");

  ResponsesStream stream(responses_context());
  const Json failed = stream_data(stream.on_error({ErrorCode::cancelled, "ends"})).at(0);
  EXPECT_EQ(failed["type"], "response.failed");
  EXPECT_EQ(failed["response"]["error"]["message"], "ends");
}

TEST(ApiErrors, HaveTheirStatus) {
  Refusal refusal;
  refusal.message = "no";
  refusal.parameter = "most_tokens";
  EXPECT_EQ(refusal_error(refusal, "input").status, 400);
  EXPECT_EQ(refusal_error(refusal, "input").param, "max_tokens");
  refusal.parameter = "messages";
  EXPECT_EQ(refusal_error(refusal, "input").param, "input");
  refusal.kind = Refusal::Kind::too_long;
  EXPECT_EQ(refusal_error(refusal, "input").code, "context_length_exceeded");
  refusal.kind = Refusal::Kind::busy;
  refusal.retry_after_s = 2.1;
  const HttpResponse busy = error_response(refusal_error(refusal, "input"));
  EXPECT_EQ(busy.status, 429);
  ASSERT_EQ(busy.headers.size(), 1u);
  EXPECT_EQ(busy.headers[0].name, "Retry-After");
  EXPECT_EQ(busy.headers[0].value, "3");
  refusal.kind = Refusal::Kind::draining;
  EXPECT_EQ(refusal_error(refusal, "input").status, 503);
  EXPECT_EQ(failure_error({ErrorCode::exhausted, "m"}).status, 503);
  EXPECT_EQ(failure_error({ErrorCode::io, "m"}).status, 500);
  const Json json = error_json(refusal_error(refusal, "input"));
  EXPECT_EQ(json["error"].size(), 4u);
  EXPECT_EQ(json["error"]["message"], "no");
}

TEST(MetricsText, CountsAsPrometheusDoes) {
  ServiceMetrics metrics;
  metrics.requests_finished = 3;
  metrics.step_s.add(0.015);
  metrics.step_s.add(100);
  const std::string text = metrics_text(metrics);
  for (const std::string_view line :
       {"# TYPE pith_requests_finished_total counter\npith_requests_finished_total 3\n",
        "# TYPE pith_step_seconds histogram\n", "pith_step_seconds_bucket{le=\"0.01\"} 0\n",
        "pith_step_seconds_bucket{le=\"0.02\"} 1\n", "pith_step_seconds_bucket{le=\"30\"} 1\n",
        "pith_step_seconds_bucket{le=\"+Inf\"} 2\n", "pith_step_seconds_sum 100.015\n",
        "pith_step_seconds_count 2\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace pith
