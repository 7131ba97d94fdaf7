// The service on a tiny model: each client gets what it would get alone.
#include "serve/engine_service.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "base/rng.h"
#include "reason/question.h"
#include "reason/tiny_reasoner.h"
#include "serve/collecting_sink.h"
#include "serve/served.h"
#include "support/tiny_pack.h"
#include "text/prompt.h"

namespace pith {
namespace {

using testing::CollectedText;
using testing::CollectingSink;
using testing::Served;

GenerationRequest chat(const std::string& text, int32_t most_tokens = 20) {
  GenerationRequest request;
  request.messages = {{Role::user, text}};
  request.sampling.temperature = 1;
  request.most_tokens = most_tokens;
  return request;
}

// Goes on for as long as it may: the likeliest token is never the end of the turn.
GenerationRequest endless_chat(const std::string& text, int32_t most_tokens) {
  GenerationRequest request = chat(text, most_tokens);
  request.sampling.temperature = 0;
  return request;
}

GenerationRequest vote(const std::string& text, int32_t branches, int32_t budget_tokens) {
  GenerationRequest request;
  request.messages = {{Role::user, text}};
  request.sampling.temperature = 1;
  request.vote.emplace();
  request.vote->branches = branches;
  request.vote->budget_tokens = budget_tokens;
  request.vote->stop_when_decided = false;
  return request;
}

GenerationRequest random_request(uint64_t number) {
  const std::string common = "Once upon a time there was a very long beginning of many questions. ";
  const std::string text = (number % 2 == 0 ? common + common : common) + std::to_string(number);
  GenerationRequest request = number % 4 == 3 ? vote(text, 1 + static_cast<int32_t>(number % 5), 9)
                                              : chat(text, 1 + static_cast<int32_t>(number % 23));
  if (!request.vote) {
    request.choices = 1 + static_cast<int32_t>(number % 3);
    if (number % 5 == 0) request.top_log_probabilities = 2;
  }
  if (number % 6 == 1) {
    request.text = text;
    request.messages.clear();
    if (request.vote) return random_request(number + 100);
  }
  request.client = std::string(1, "xyz"[number % 3]);
  request.sampling.seed = number;
  return request;
}

void expect_same(const CollectingSink& a, const CollectingSink& b) {
  ASSERT_TRUE(a.end && b.end);
  ASSERT_EQ(a.texts.size(), b.texts.size());
  for (size_t i = 0; i < a.texts.size(); ++i) {
    const CollectedText& one = a.texts[i];
    const CollectedText& other = b.texts[i];
    EXPECT_EQ(one.thought, other.thought);
    EXPECT_EQ(one.answer, other.answer);
    EXPECT_EQ(one.end->reason, other.end->reason);
    EXPECT_EQ(one.end->tokens, other.end->tokens);
    EXPECT_EQ(one.end->answer, other.end->answer);
    EXPECT_EQ(one.end->mean_log_probability, other.end->mean_log_probability);
    EXPECT_EQ(one.end->verifier_score, other.end->verifier_score);
    ASSERT_EQ(one.tokens.size(), other.tokens.size());
    for (size_t t = 0; t < one.tokens.size(); ++t) {
      EXPECT_EQ(one.tokens[t].token, other.tokens[t].token);
      EXPECT_EQ(one.tokens[t].log_probability, other.tokens[t].log_probability);
    }
  }
  EXPECT_EQ(a.end->prompt_tokens, b.end->prompt_tokens);
  EXPECT_EQ(a.end->completion_tokens, b.end->completion_tokens);
  ASSERT_EQ(a.end->vote.has_value(), b.end->vote.has_value());
  if (!a.end->vote) return;
  EXPECT_EQ(a.end->vote->answer(), b.end->vote->answer());
  EXPECT_EQ(a.end->vote->best_branch, b.end->vote->best_branch);
  EXPECT_EQ(a.end->vote->confidence, b.end->vote->confidence);
}

void expect_nothing_left(const EngineService& service) {
  const ServiceMetrics metrics = service.metrics();
  EXPECT_EQ(metrics.requests_queued + metrics.requests_running + metrics.texts_running, 0);
  // Prompts that were read at the same time may hold their common beginning twice.
  EXPECT_GE(metrics.kv_tokens_used, metrics.kv_tokens_cached);
  EXPECT_TRUE(metrics.kv_tokens_cached > 0 || metrics.kv_tokens_used == 0);
}

// Once so many requests are over: their sinks hear of it a little before.
ServiceMetrics metrics_after(const EngineService& service, int64_t requests) {
  for (;;) {
    const ServiceMetrics metrics = service.metrics();
    if (metrics.requests_finished == requests) return metrics;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(EngineService, AnAnswerIsTheSameAloneAndAmongOthers) {
  Served many;
  many.options.engine.kv_tokens = 64 * 16;
  many.options.cache_tokens = 64 * 6;
  many.begin();
  Served alone;
  alone.options.cache_tokens = 0;
  alone.begin();
  constexpr uint64_t kRequests = 24;
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  int cancelled = 0;
  for (uint64_t i = 0; i < kRequests; ++i) {
    sinks.push_back(many.submit(random_request(i), i % 7 == 5 ? 2 : 1 << 30));
  }
  for (uint64_t i = 0; i < kRequests; ++i) {
    sinks[i]->wait();
    if (sinks[i]->is_gone()) {
      ++cancelled;
      continue;
    }
    ASSERT_FALSE(sinks[i]->error) << sinks[i]->error->message;
    expect_same(*sinks[i], *alone.ask(random_request(i)));
  }
  many.service->drain(60);  // until all is counted
  alone.service->drain(60);
  EXPECT_GT(cancelled, 0);
  expect_nothing_left(*many.service);
  const ServiceMetrics metrics = many.service->metrics();
  EXPECT_EQ(metrics.requests_finished + metrics.requests_cancelled, int64_t{kRequests});
  EXPECT_GE(metrics.requests_cancelled, cancelled);
  EXPECT_GT(metrics.cached_tokens, 0);
  EXPECT_EQ(metrics.step_s.count, metrics.steps);
  EXPECT_EQ(alone.service->metrics().kv_tokens_used, 0);
}

TEST(EngineService, VotesAreThoseOfSelfConsistency) {
  Served served;
  served.begin();
  const auto sink = served.ask(vote("How many?", 5, 30));
  ASSERT_TRUE(sink->end && sink->end->vote);

  const std::vector<ChatMessage> messages = {
      {Role::system, std::string(reasoning_prompt(AnswerKind::number))}, {Role::user, "How many?"}};
  const auto prompt =
      encode_prompt(*served.tokenizer, render_chat(ChatTemplate::chatml, messages).value());
  const testing::TinyReasoner reasoner;
  SelfConsistencyOptions options;
  options.branches = 5;
  options.budget_tokens = 30;
  options.sampling.temperature = 1;
  options.stop_when_decided = false;
  DecodeObserver silent;
  const auto result =
      self_consistency(*reasoner.engine, reasoner.tokenizer, prompt.ids, options, silent).value();
  ASSERT_EQ(result.branches.size(), sink->texts.size());
  for (size_t i = 0; i < result.branches.size(); ++i) {
    EXPECT_EQ(sink->texts[i].answer, result.branches[i].text);
    EXPECT_EQ(sink->texts[i].end->answer, result.branches[i].answer);
  }
  EXPECT_EQ(sink->end->vote->best_branch, static_cast<int32_t>(result.best_branch));
  EXPECT_EQ(sink->end->vote->confidence, result.confidence);
  EXPECT_EQ(sink->end->completion_tokens, result.completion_tokens);
}

TEST(EngineService, PacksDecideAndScore) {
  Served served;
  const auto width = static_cast<size_t>(served.model.model->config().width);
  Pack pack = testing::random_pack("", width);
  pack.budgets = {20, 5};
  pack.think_threshold = 0;
  served.model.pack = &pack;
  served.model.adapter =
      Adapter::load(*random_adapter(served.model.model->config(), 4), served.model.model->config(),
                    AdapterPrecision::f32, served.pool)
          .value();
  served.model.verifier = Verifier{*pack.verifier, testing::some_tokens(4, 5), 2};
  served.begin();
  EXPECT_EQ(served.service->info().budget_tokens, 20);
  GenerationRequest request = vote("How many?", 3, 20);
  const auto thinking = served.ask(request);
  ASSERT_TRUE(thinking->end && thinking->end->vote);
  EXPECT_EQ(thinking->end->vote->rule, VoteRule::verifier);
  EXPECT_TRUE(thinking->start->route.probability);
  EXPECT_TRUE(thinking->start->route.thinking);
  for (const CollectedText& text : thinking->texts) EXPECT_TRUE(text.end->verifier_score);
  // The adapter writes only what is reasoned.
  request.think = ThinkMode::off;
  const auto direct = served.ask(request);
  EXPECT_FALSE(direct->start->route.thinking);
  EXPECT_NE(direct->texts[0].answer, thinking->texts[0].answer);
  pack.vote = VoteRule::confidence;
  EXPECT_EQ(served.ask(request)->end->vote->rule, VoteRule::confidence);
}

TEST(EngineService, TextEndsBeforeAStopString) {
  Served served;
  served.begin();
  GenerationRequest request = chat("hello", 60);
  std::string whole;
  while (whole.size() < 12) {  // until it does not end too soon
    ++request.sampling.seed;
    whole = served.ask(request)->texts[0].answer;
  }
  for (size_t at = 1; at + 3 < whole.size(); at += 4) {
    request.stop = {whole.substr(at, 3), "never to be seen"};
    const auto sink = served.ask(request);
    EXPECT_EQ(sink->texts[0].answer, whole.substr(0, whole.find(request.stop[0])));
    EXPECT_EQ(sink->texts[0].end->reason, FinishReason::stop);
  }
}

TEST(EngineService, LogProbabilitiesComeWithEachToken) {
  Served served;
  served.begin();
  GenerationRequest request = chat("hello", 30);
  request.sampling.temperature = 0;
  request.top_log_probabilities = 3;
  const auto sink = served.ask(request);
  const CollectedText& text = sink->texts[0];
  ASSERT_FALSE(text.tokens.empty());
  EXPECT_LE(static_cast<int32_t>(text.tokens.size()), text.end->tokens);
  EXPECT_GE(static_cast<int32_t>(text.tokens.size()), text.end->tokens - 1);  // the end of the turn
  for (const TokenLogProbability& token : text.tokens) {
    ASSERT_EQ(token.alternatives.size(), 3u);
    EXPECT_EQ(token.alternatives[0].token, token.token);
    EXPECT_NEAR(token.alternatives[0].log_probability, token.log_probability, 1e-5);
    EXPECT_GE(token.alternatives[0].log_probability, token.alternatives[1].log_probability);
    EXPECT_EQ(token.bytes, served.tokenizer->bytes(token.token));
  }
}

TEST(EngineService, ASecondTurnIsFoundInTheCache) {
  Served served;
  served.begin();
  // What the model answers to this are line breaks, whose tokens are the same when they are read
  // again.
  GenerationRequest request = endless_chat("2+2?", 70);
  request.messages.insert(request.messages.begin(),
                          {Role::system, std::string(reasoning_prompt(AnswerKind::number))});
  const auto first = served.ask(request);
  EXPECT_EQ(first->start->cached_tokens, 0);
  request.messages.push_back({Role::assistant, first->texts[0].answer});
  request.messages.push_back({Role::user, "And then?"});
  const int64_t rows_before = metrics_after(*served.service, 1).rows;
  const auto second = served.ask(request);
  // All that was read, to the token; the last one that was written was not read.
  const int32_t known = first->end->prompt_tokens + first->end->completion_tokens - 1;
  EXPECT_EQ(second->start->cached_tokens, known);
  const int32_t unknown = second->end->prompt_tokens - known;
  EXPECT_LT(unknown, 40);
  EXPECT_EQ(metrics_after(*served.service, 2).rows - rows_before,
            unknown + second->end->completion_tokens - 1);
  Served fresh;
  fresh.begin();
  expect_same(*second, *fresh.ask(request));
}

TEST(EngineService, RefusesWhatCannotBe) {
  Served served;
  served.options.limits.most_tokens = 100;
  served.options.limits.choices = 2;
  served.options.limits.branches = 4;
  served.begin();
  const auto refused = [&](const std::string& parameter, auto&& change) {
    GenerationRequest request = chat("hello");
    change(request);
    const Submission taken = served.service->submit(request, std::make_shared<CollectingSink>());
    ASSERT_FALSE(taken) << parameter;
    EXPECT_EQ(taken.error().kind, Refusal::Kind::invalid);
    EXPECT_EQ(taken.error().parameter, parameter) << taken.error().message;
  };
  using Request = GenerationRequest;
  refused("messages", [](Request& r) { r.messages.clear(); });
  refused("messages", [](Request& r) { r.messages.push_back({Role::system, "late"}); });
  refused("most_tokens", [](Request& r) { r.most_tokens = 101; });
  refused("most_tokens", [](Request& r) { r.most_tokens = 0; });
  refused("choices", [](Request& r) { r.choices = 3; });
  refused("choices", [](Request& r) { r.choices = -1; });
  refused("temperature", [](Request& r) { r.sampling.temperature = std::nanf(""); });
  refused("top_p", [](Request& r) { r.sampling.top_p = 1.5f; });
  refused("top_k", [](Request& r) { r.sampling.top_k = -1; });
  refused("stop", [](Request& r) { r.stop = {""}; });
  refused("stop", [](Request& r) { r.stop.assign(5, "x"); });
  refused("top_log_probabilities", [](Request& r) { r.top_log_probabilities = 21; });
  refused("deadline_s", [](Request& r) { r.deadline_s = -1; });
  refused("branches", [](Request& r) { r = vote("?", 5, 10); });
  refused("budget_tokens", [](Request& r) { r = vote("?", 2, 101); });
  refused("stop_at", [](Request& r) {
    r = vote("?", 2, 10);
    r.vote->stop_at = 0.5;
  });
  refused("rule", [](Request& r) {
    r = vote("?", 2, 10);
    r.vote->rule = VoteRule::verifier;
  });
  for (const bool votes : {false, true}) {
    GenerationRequest request =
        votes ? vote(std::string(5000, 'x'), 2, 10) : chat(std::string(5000, 'x'));
    const Submission taken = served.service->submit(request, std::make_shared<CollectingSink>());
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind, Refusal::Kind::too_long) << taken.error().message;
  }
}

TEST(EngineService, AFullQueueSaysWhenToComeBack) {
  Served served;
  served.options.places = 1;
  served.options.limits.queue = 2;
  served.begin();
  const auto running = served.submit(endless_chat("hello", 300));
  running->wait_for_start();
  std::vector<std::shared_ptr<CollectingSink>> waiting;
  Submission taken;
  for (int i = 0; i < 20 && taken; ++i) {
    waiting.push_back(std::make_shared<CollectingSink>());
    taken = served.service->submit(endless_chat("hello", 300), waiting.back());
  }
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, Refusal::Kind::busy);
  EXPECT_GE(taken.error().retry_after_s, 1);
  EXPECT_EQ(served.service->metrics().requests_refused, 1);
}

TEST(EngineService, ADeadlineEndsTextAsItStands) {
  Served served;
  served.begin();
  GenerationRequest request = endless_chat("hello", 200);
  request.deadline_s = 0;
  const auto cut = served.ask(request);
  ASSERT_TRUE(cut->end);
  EXPECT_EQ(cut->texts[0].end->reason, FinishReason::deadline);
  EXPECT_LE(cut->texts[0].end->tokens, 2);
  GenerationRequest question = vote("How many?", 4, 200);
  question.deadline_s = 0;
  const auto voted = served.ask(question);
  ASSERT_TRUE(voted->end && voted->end->vote);
  EXPECT_TRUE(voted->end->vote->plan);
  EXPECT_FALSE(voted->end->vote->answer().empty());
}

// Holds up every step until its texts start.
class SlowSink : public CollectingSink {
 public:
  bool wants_more() override {
    if (!start) {
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      ++asked;
    }
    return CollectingSink::wants_more();
  }
  int asked = 0;
};

// Steps that are measured for a plan are neither waiting nor reading.
TEST(EngineService, MeasuringForADeadlineIsNoTimeInTheQueue) {
  Served served;
  served.begin();
  GenerationRequest request = vote("How many?", 4, 100);
  request.deadline_s = 60;
  const auto sink = std::make_shared<SlowSink>();
  ASSERT_TRUE(served.service->submit(request, sink));
  sink->wait();
  ASSERT_TRUE(sink->end);
  EXPECT_GE(sink->asked, 4);  // before the prompt is read, then before each measured step
  EXPECT_LT(sink->end->queued_s, 0.06 * (sink->asked - 1));
}

TEST(EngineService, DrainingFinishesWhatItCan) {
  Served served;
  served.begin();
  const auto sink = served.submit(chat("hello", 10));
  served.service->drain(60);
  EXPECT_TRUE(sink->end);
  const Submission taken = served.service->submit(chat("more"), std::make_shared<CollectingSink>());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, Refusal::Kind::draining);
  expect_nothing_left(*served.service);
}

TEST(EngineService, StoppingEndsWhatIsAtWork) {
  Served served;
  served.begin();
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 20; ++i) sinks.push_back(served.submit(endless_chat("hello", 300)));
  served.service.reset();
  int ended = 0;
  for (const auto& sink : sinks) {
    sink->wait();
    ASSERT_TRUE(sink->end || sink->error);
    if (!sink->error) continue;
    ++ended;
    EXPECT_EQ(sink->error->code, ErrorCode::cancelled);
  }
  EXPECT_GT(ended, 0);
}

TEST(EngineService, TextAndTokensAreTheSame) {
  Served served;
  served.begin();
  const std::string text = "a plain text, and \xc3\xa4 character";
  EXPECT_EQ(served.service->detokenize(served.service->tokenize(text)), text);
  EXPECT_EQ(served.service->detokenize(served.service->tokenize("half \xc3")), "half \ufffd");
}

TEST(DurationHistogram, CountsUpToItsBounds) {
  DurationHistogram histogram;
  for (const double seconds : {0.001, 0.005, 0.006, 100.0}) histogram.add(seconds);
  EXPECT_EQ(histogram.counts.front(), 2);
  EXPECT_EQ(histogram.counts[1], 1);
  EXPECT_EQ(histogram.counts.back(), 1);
  EXPECT_EQ(histogram.count, 4);
  EXPECT_NEAR(histogram.sum_s, 100.012, 1e-9);
}

}  // namespace
}  // namespace pith
