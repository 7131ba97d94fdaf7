// Requests of the API: what they ask for, and which field is wrong.
#include <gtest/gtest.h>

#include "fake_service.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/responses_request.h"

namespace pith {
namespace {

constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"Hi"}])";

ApiResult<GenerationFields> chat_fields(std::string_view more) {
  return parse_chat_request(fmt::format("{{{}{}{}}}", kHi, more.empty() ? "" : ",", more),
                            tiny_info());
}

// "PARAM CODE STATUS", or nothing without a fault.
std::string fault_of(const ApiError& error) {
  EXPECT_FALSE(error.message.empty());
  return fmt::format("{} {} {}", error.param, error.code, error.status);
}
std::string chat_fault(std::string_view more) {
  const auto fields = chat_fields(more);
  return fields ? "" : fault_of(fields.error());
}
std::string body_fault(std::string_view body) {
  const auto fields = parse_chat_request(body, tiny_info());
  return fields ? "" : fault_of(fields.error());
}

TEST(ChatRequest, TakesTheServersDefaults) {
  const auto fields = chat_fields("");
  ASSERT_TRUE(fields);
  const GenerationRequest& request = fields->generation;
  ASSERT_EQ(request.messages.size(), 1u);
  EXPECT_EQ(request.messages[0].role, Role::user);
  EXPECT_EQ(request.messages[0].content, "Hi");
  EXPECT_EQ(request.choices, 1);
  EXPECT_EQ(request.sampling.temperature, 0.5f);
  EXPECT_FALSE(request.most_tokens);
  EXPECT_FALSE(request.vote);
  EXPECT_FALSE(request.top_log_probabilities);
  EXPECT_EQ(request.think, ThinkMode::automatic);
  EXPECT_FALSE(fields->stream);
  EXPECT_FALSE(fields->has_seed);
}

TEST(ChatRequest, ReadsEveryField) {
  const auto fields = chat_fields(
      R"("model":"tiny","temperature":0,"top_p":0.25,"top_k":3,"min_p":0.5,"repetition_penalty":2,
      "seed":-1,"n":2,"max_tokens":9,"max_completion_tokens":8,"stop":["a","b"],"logprobs":true,
      "top_logprobs":5,"stream":true,"stream_options":{"include_usage":true},"think":"off",
      "deadline":1.5,"frequency_penalty":0,"logit_bias":{},"tools":[],"user":"u","unknown":[{}],
      "response_format":{"type":"text"},"presence_penalty":null)");
  ASSERT_TRUE(fields) << fields.error().message;
  const GenerationRequest& request = fields->generation;
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(request.sampling.top_p, 0.25f);
  EXPECT_EQ(request.sampling.top_k, 3);
  EXPECT_EQ(request.sampling.min_p, 0.5f);
  EXPECT_EQ(request.sampling.repetition_penalty, 2);
  EXPECT_EQ(request.sampling.seed, UINT64_MAX);
  EXPECT_EQ(request.choices, 2);
  EXPECT_EQ(request.most_tokens, 8);
  EXPECT_EQ(request.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request.top_log_probabilities, 5);
  EXPECT_EQ(request.think, ThinkMode::off);
  EXPECT_EQ(request.deadline_s, 1.5);
  EXPECT_TRUE(fields->stream && fields->include_usage && fields->has_seed);
}

TEST(ChatRequest, ReadsConversations) {
  const auto fields = parse_chat_request(
      R"({"messages":[{"role":"developer","content":"S"},{"role":"user","content":[
      {"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":"c",
      "reasoning_content":"x"},{"role":"user","name":"n","content":""}]})",
      tiny_info());
  ASSERT_TRUE(fields) << fields.error().message;
  const auto& messages = fields->generation.messages;
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].role, Role::system);
  EXPECT_EQ(messages[1].content, "ab");
  EXPECT_EQ(messages[2].role, Role::assistant);
  EXPECT_EQ(messages[3].content, "");
}

TEST(ChatRequest, ReadsVotes) {
  auto fields = chat_fields(R"("branches":3,"budget":50,"vote":"confidence","answer":"yes-no",
      "stop_at":0.9,"include_branches":true,"think":true)");
  ASSERT_TRUE(fields) << fields.error().message;
  ASSERT_TRUE(fields->generation.vote);
  EXPECT_EQ(fields->generation.vote->branches, 3);
  EXPECT_EQ(fields->generation.vote->budget_tokens, 50);
  EXPECT_EQ(fields->generation.vote->rule, VoteRule::confidence);
  EXPECT_EQ(fields->generation.vote->kind, AnswerKind::yes_no);
  EXPECT_EQ(fields->generation.vote->stop_at, 0.9);
  EXPECT_EQ(fields->generation.think, ThinkMode::on);
  EXPECT_TRUE(fields->include_branches);

  // A vote's budget: its own, else the most tokens of a text, else a share by effort.
  fields = chat_fields(R"("branches":2,"max_tokens":60,"reasoning_effort":"low")");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->generation.vote->budget_tokens, 60);
  EXPECT_FALSE(fields->generation.most_tokens);
  fields = chat_fields(R"("vote":"majority","reasoning_effort":"low")");
  ASSERT_TRUE(fields);
  EXPECT_FALSE(fields->generation.vote->branches);
  EXPECT_EQ(fields->generation.vote->budget_tokens, 25);
  EXPECT_EQ(fields->generation.think, ThinkMode::on);
  fields = chat_fields(R"("reasoning_effort":"none")");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->generation.think, ThinkMode::off);
  fields = chat_fields(R"("reasoning_effort":"none","think":"auto")");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->generation.think, ThinkMode::automatic);
}

TEST(ChatRequest, CeilingsMayOnlyBeLowered) {
  EXPECT_EQ(chat_fault(R"("max_tokens":256)"), "");
  EXPECT_EQ(chat_fault(R"("max_tokens":257)"), "max_tokens invalid_value 400");
  EXPECT_EQ(chat_fault(R"("max_completion_tokens":257)"),
            "max_completion_tokens invalid_value 400");
  EXPECT_EQ(chat_fault(R"("n":5)"), "n invalid_value 400");
  EXPECT_EQ(chat_fault(R"("branches":8)"), "");
  EXPECT_EQ(chat_fault(R"("branches":9)"), "branches invalid_value 400");
  EXPECT_EQ(chat_fault(R"("branches":1,"budget":257)"), "budget invalid_value 400");
  ServiceInfo info = tiny_info();
  info.limits.deadline_s = 5;
  const std::string body = fmt::format(R"({{{},"deadline":6}})", kHi);
  const auto fields = parse_chat_request(body, info);
  ASSERT_FALSE(fields);
  EXPECT_EQ(fields.error().param, "deadline");
}

TEST(ChatRequest, NamesTheFieldOfAWrongType) {
  for (const std::string_view name : {"temperature",
                                      "top_p",
                                      "top_k",
                                      "min_p",
                                      "repetition_penalty",
                                      "seed",
                                      "n",
                                      "max_tokens",
                                      "max_completion_tokens",
                                      "stop",
                                      "logprobs",
                                      "top_logprobs",
                                      "stream",
                                      "stream_options",
                                      "reasoning_effort",
                                      "think",
                                      "branches",
                                      "vote",
                                      "deadline",
                                      "include_branches",
                                      "response_format",
                                      "tools",
                                      "model",
                                      "messages",
                                      "logit_bias",
                                      "frequency_penalty"}) {
    const std::string wrong = name == "messages" ? body_fault(R"({"messages":{}})")
                                                 : chat_fault(fmt::format(R"("{}":[[]])", name));
    EXPECT_EQ(wrong.substr(0, wrong.find(' ')), name) << wrong;
  }
}

TEST(ChatRequest, RefusesNumbersOutOfRange) {
  EXPECT_EQ(chat_fault(R"("temperature":-0.1)"), "temperature invalid_value 400");
  EXPECT_EQ(chat_fault(R"("temperature":1e999)"), " invalid_json 400");
  EXPECT_EQ(chat_fault(R"("top_k":-1)"), "top_k invalid_value 400");
  EXPECT_EQ(chat_fault(R"("top_k":4294967296)"), "top_k invalid_value 400");
  EXPECT_EQ(chat_fault(R"("n":0)"), "n invalid_value 400");
  EXPECT_EQ(chat_fault(R"("n":18446744073709551615)"), "n invalid_value 400");
  EXPECT_EQ(chat_fault(R"("n":1.5)"), "n invalid_type 400");
  EXPECT_EQ(chat_fault(R"("n":true)"), "n invalid_type 400");
  EXPECT_EQ(chat_fault(R"("deadline":0)"), "deadline invalid_value 400");
  EXPECT_EQ(chat_fault(R"("logprobs":true,"top_logprobs":21)"), "top_logprobs invalid_value 400");
  EXPECT_EQ(chat_fault(R"("top_logprobs":1)"), "top_logprobs invalid_value 400");
  EXPECT_EQ(chat_fault(R"("stop":["a","b","c","d","e"])"), "stop invalid_value 400");
  EXPECT_EQ(chat_fault(R"("stop":"")"), "stop invalid_value 400");
}

TEST(ChatRequest, RefusesWhatItCannotDo) {
  EXPECT_EQ(chat_fault(R"("model":"other")"), "model model_not_found 404");
  EXPECT_EQ(chat_fault(R"("tools":[{}])"), "tools unsupported_parameter 400");
  EXPECT_EQ(chat_fault(R"("response_format":{"type":"json_object"})"),
            "response_format.type unsupported_value 400");
  EXPECT_EQ(chat_fault(R"("frequency_penalty":1)"), "frequency_penalty unsupported_value 400");
  EXPECT_EQ(chat_fault(R"("logit_bias":{"1":1})"), "logit_bias unsupported_parameter 400");
  EXPECT_EQ(chat_fault(R"("vote":"verifier")"), "vote unsupported_value 400");
  EXPECT_EQ(chat_fault(R"("branches":2,"n":2)"), "n invalid_value 400");
  EXPECT_EQ(chat_fault(R"("branches":2,"stop":"a")"), "stop invalid_value 400");
  EXPECT_EQ(chat_fault(R"("branches":2,"logprobs":true)"), "logprobs invalid_value 400");
  EXPECT_EQ(chat_fault(R"("budget":2)"), "budget invalid_value 400");
  EXPECT_EQ(chat_fault(R"("include_branches":true)"), "include_branches invalid_value 400");
  EXPECT_EQ(chat_fault(R"("include_branches":false)"), "");
  EXPECT_EQ(chat_fault(R"("stream_options":{})"), "stream_options invalid_value 400");
}

TEST(ChatRequest, RefusesWhatIsNoConversation) {
  EXPECT_EQ(body_fault(""), " invalid_json 400");
  EXPECT_EQ(body_fault("[]"), " invalid_json 400");
  EXPECT_EQ(body_fault("{}"), "messages missing_required_parameter 400");
  EXPECT_EQ(body_fault(R"({"messages":[]})"), "messages missing_required_parameter 400");
  EXPECT_EQ(body_fault(R"({"messages":[1]})"), "messages[0] invalid_type 400");
  EXPECT_EQ(body_fault(R"({"messages":[{"content":"a"}]})"),
            "messages[0].role missing_required_parameter 400");
  EXPECT_EQ(body_fault(R"({"messages":[{"role":"tool","content":"a"}]})"),
            "messages[0].role invalid_value 400");
  EXPECT_EQ(body_fault(R"({"messages":[{"role":"user"}]})"),
            "messages[0].content missing_required_parameter 400");
  EXPECT_EQ(body_fault(R"({"messages":[{"role":"user","content":3}]})"),
            "messages[0].content invalid_type 400");
  EXPECT_EQ(
      body_fault(
          R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})"),
      "messages[0].content[0].type unsupported_value 400");
  EXPECT_EQ(
      body_fault(R"({"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]})"),
      "messages[1].role invalid_value 400");
  EXPECT_EQ(body_fault("{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}"),
            " invalid_json 400");
  EXPECT_EQ(body_fault(R"({"n":1,"n":2})"), " invalid_json 400");
  EXPECT_EQ(body_fault(std::string(100000, '[')), " invalid_json 400");
}

TEST(ChatRequest, RefusesMoreValuesThanItWouldKeep) {
  const auto with_unknown = [](size_t values) {
    std::string array = "[0";
    for (size_t i = 1; i < values; ++i) array += ",0";
    return chat_fault(fmt::format("\"unknown\":{}],\"text\":\"[[,,{{\"", array));
  };
  EXPECT_EQ(with_unknown(90'000), "");
  EXPECT_EQ(with_unknown(110'000), " invalid_json 400");
}

TEST(CompletionRequest, ReadsAPrompt) {
  auto fields = parse_completion_request(
      R"({"prompt":"Once","max_tokens":5,"logprobs":2,"stop":"\n","echo":false,"best_of":1})",
      tiny_info());
  ASSERT_TRUE(fields) << fields.error().message;
  EXPECT_EQ(fields->generation.text, "Once");
  EXPECT_TRUE(fields->generation.messages.empty());
  EXPECT_EQ(fields->generation.most_tokens, 5);
  EXPECT_EQ(fields->generation.top_log_probabilities, 2);
  EXPECT_TRUE(parse_completion_request(R"({"prompt":["one"]})", tiny_info()));
  for (const std::string_view body :
       {R"({})", R"({"prompt":""})", R"({"prompt":["a","b"]})", R"({"prompt":[1,2]})",
        R"({"prompt":1})", R"({"prompt":"a","echo":true})", R"({"prompt":"a","suffix":"b"})",
        R"({"prompt":"a","best_of":2})", R"({"prompt":"a","logprobs":6})",
        R"({"prompt":"a","branches":2})", R"({"prompt":"a","vote":"majority"})"}) {
    fields = parse_completion_request(body, tiny_info());
    ASSERT_FALSE(fields) << body;
    EXPECT_FALSE(fields.error().param.empty()) << body;
  }
}

TEST(ResponsesRequest, ReadsInputAndInstructions) {
  auto request = parse_responses_request(
      R"({"input":"Hi","instructions":"Be short","max_output_tokens":9,"store":false,
      "metadata":{"a":"b"},"reasoning":{"effort":"high","summary":"auto"},"stream":true,
      "text":{"format":{"type":"text"}},"include":["message.output_text.logprobs"]})",
      tiny_info());
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->instructions, "Be short");
  EXPECT_EQ(request->fields.generation.most_tokens, 9);
  EXPECT_EQ(request->fields.generation.top_log_probabilities, 0);
  EXPECT_EQ(request->fields.generation.think, ThinkMode::on);
  EXPECT_EQ(request->effort, "high");
  EXPECT_EQ(request->metadata["a"], "b");
  EXPECT_FALSE(request->store);
  const auto turns = conversation_of(*request, {{Role::system, "Old"}, {Role::user, "Before"}});
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_EQ(turns[0].content, "Be short");
  EXPECT_EQ(turns[1].content, "Before");
  EXPECT_EQ(turns[2].content, "Hi");

  request = parse_responses_request(
      R"({"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"reasoning"},
      {"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}]},
      {"role":"user","content":"c"}]})",
      tiny_info());
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->fields.generation.messages.size(), 3u);
  EXPECT_TRUE(request->store);
}

TEST(ResponsesRequest, NamesTheFieldThatIsWrong) {
  const auto param = [](std::string_view body) {
    const auto request = parse_responses_request(body, tiny_info());
    return request ? "" : request.error().param;
  };
  EXPECT_EQ(param(R"({"input":"a"})"), "");
  EXPECT_EQ(param(R"({})"), "input");
  EXPECT_EQ(param(R"({"input":[]})"), "input");
  EXPECT_EQ(param(R"({"input":[{"type":"function_call_output"}]})"), "input[0].type");
  EXPECT_EQ(param(R"({"input":"a","previous_response_id":5})"), "previous_response_id");
  EXPECT_EQ(param(R"({"input":"a","metadata":{"k":1}})"), "metadata");
  EXPECT_EQ(param(R"({"input":"a","background":true})"), "background");
  EXPECT_EQ(param(R"({"input":"a","reasoning":{"effort":"huge"}})"), "reasoning.effort");
  EXPECT_EQ(param(R"({"input":"a","text":{"format":{"type":"json_schema"}}})"), "text.format.type");
  EXPECT_EQ(param(R"({"input":"a","tools":[{"type":"web_search"}]})"), "tools");
  EXPECT_EQ(param(R"({"input":[{"role":"system","content":"s"}],"instructions":"t"})"),
            "input[0].role");
}

}  // namespace
}  // namespace pith
