// From questions to samples: streams, prompts, what is done already, what cannot be.
#include "eval/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

using testing::TinyReasoner;

class RolloutCollector : public RolloutObserver {
 public:
  Status on_rollout(const Rollout& rollout) override {
    texts[{rollout.question.index, rollout.sample}] = rollout.branch.text();
    prompts[rollout.question.index] = rollout.prompt;
    return {};
  }

  std::map<SampleKey, std::string> texts;
  std::map<int32_t, std::string> prompts;
};

class RolloutTest : public ::testing::Test {
 protected:
  RolloutTest() {
    questions = {{0, "a", "How many?", "3", AnswerKind::number},
                 {1, "b", "Which?", "A", AnswerKind::choice},
                 {4, "c", "Is it so?", "Yes", AnswerKind::yes_no}};
    options.samples = 3;
    options.style.budget_tokens = 12;
    options.sampling.temperature = 1;
    options.parallel = 4;
  }

  RolloutModel model() const {
    const std::shared_ptr<const Model> shared(std::shared_ptr<const Model>(),
                                              &tiny.engine.engine->model());
    return {shared, tiny.engine.pool.get(), &tiny.tokenizer, ChatTemplate::chatml, nullptr};
  }
  RolloutCollector draw(const std::set<SampleKey>& done = {}) {
    RolloutCollector collector;
    testing::must(draw_rollouts(model(), questions, options, done, collector));
    return collector;
  }
  Error error() {
    RolloutCollector collector;
    const Status status = draw_rollouts(model(), questions, options, {}, collector);
    return status ? Error{ErrorCode::io, "no error"} : status.error();
  }

  TinyReasoner tiny;
  std::vector<Question> questions;
  RolloutOptions options;
};

TEST_F(RolloutTest, DrawsAllSamplesAndTheGreedyOne) {
  options.greedy = true;
  const RolloutCollector collector = draw();
  EXPECT_EQ(collector.texts.size(), static_cast<size_t>(count_samples(questions, options)));
  EXPECT_EQ(collector.texts.size(), 12u);
  EXPECT_TRUE(collector.texts.contains({4, kGreedySample}));
  EXPECT_TRUE(collector.texts.contains({4, 2}));
}

TEST_F(RolloutTest, SampleDependsOnItsQuestionAndNumberAlone) {
  const RolloutCollector all = draw();
  options.samples = 2;
  options.greedy = true;
  options.parallel = 1;
  questions.erase(questions.begin());
  for (const auto& [key, text] : draw().texts) {
    if (key.second == kGreedySample) continue;
    EXPECT_EQ(text, all.texts.at(key));
  }
}

TEST_F(RolloutTest, LeavesOutWhatIsDone) {
  const RolloutCollector all = draw();
  const std::set<SampleKey> done = {{0, 0}, {0, 1}, {0, 2}, {4, 1}};
  const RolloutCollector rest = draw(done);
  EXPECT_EQ(rest.texts.size(), 5u);
  for (const auto& [key, text] : rest.texts) {
    EXPECT_FALSE(done.contains(key));
    EXPECT_EQ(text, all.texts.at(key));
  }
}

TEST_F(RolloutTest, SeedChangesTheSamples) {
  const RolloutCollector first = draw();
  options.sampling.seed = 1;
  EXPECT_NE(draw().texts, first.texts);
}

TEST_F(RolloutTest, SystemPromptSaysWhatIsWanted) {
  const RolloutCollector collector = draw();
  EXPECT_NE(collector.prompts.at(1).find("the letter of your final answer"), std::string::npos);
  EXPECT_NE(collector.prompts.at(4).find("Yes or No"), std::string::npos);
  options.style.system = "Be brief.";
  EXPECT_NE(draw().prompts.at(4).find("Be brief."), std::string::npos);
  options.style.system = "";
  EXPECT_EQ(draw().prompts.at(4).find("system"), std::string::npos);
}

// Groups of training differ in their budgets and are drawn together.
TEST_F(RolloutTest, TasksMayDifferInTheirStyles) {
  class Tokens : public RolloutObserver {
   public:
    Status on_rollout(const Rollout& rollout) override {
      tokens[rollout.sample] = rollout.branch.sampled_tokens();
      texts[rollout.sample] = rollout.branch.text();
      prompts[rollout.sample] = rollout.prompt;
      return {};
    }
    std::map<int32_t, int32_t> tokens;
    std::map<int32_t, std::string> texts, prompts;
  } seen;
  options.force_answer = false;
  QuestionStyle brief = options.style;
  brief.system = "Be brief.";
  brief.budget_tokens = 2;
  const RolloutTask tasks[] = {{&questions[0], options.style, {0, 1}}, {&questions[0], brief, {2}}};
  testing::must(draw_rollouts(model(), tasks, options, seen));
  const RolloutCollector alone = draw();
  EXPECT_EQ(seen.texts.at(1), alone.texts.at({0, 1}));
  EXPECT_EQ(seen.tokens.at(2), 2);
  EXPECT_NE(seen.prompts.at(2).find("Be brief."), std::string::npos);
  EXPECT_EQ(seen.prompts.at(1).find("Be brief."), std::string::npos);
}

TEST_F(RolloutTest, OptionsOutOfRange) {
  options.sampling.temperature = 0;
  EXPECT_EQ(error().code, ErrorCode::usage);
  EXPECT_NE(error().message.find("temperature 0"), std::string::npos);
  options.samples = 0;
  EXPECT_EQ(error().code, ErrorCode::usage);
  options.samples = 1;
  options.style.budget_tokens = 0;
  EXPECT_EQ(error().code, ErrorCode::usage);
}

TEST_F(RolloutTest, QuestionThatIsTooLong) {
  questions[1].text = std::string(2000, 'x');
  EXPECT_EQ(error().code, ErrorCode::exhausted);
  EXPECT_NE(error().message.find("question b is too long"), std::string::npos);
}

// Where the context leaves less than the budget, samples end at the context.
TEST_F(RolloutTest, ContextCutsTheBudget) {
  class Reasons : public RolloutObserver {
   public:
    Status on_rollout(const Rollout& rollout) override {
      prompt_tokens = static_cast<int32_t>(rollout.prompt_ids.size());
      most_tokens = std::max(most_tokens, rollout.branch.sampled_tokens());
      if (rollout.branch.finish_reason() == FinishReason::context) ++ended_by_context;
      return {};
    }
    int32_t prompt_tokens = 0;
    int32_t most_tokens = 0;
    int ended_by_context = 0;
  } reasons;
  questions.resize(1);
  options.force_answer = false;
  testing::must(draw_rollouts(model(), questions, options, {}, reasons));
  EXPECT_EQ(reasons.ended_by_context, 0);
  options.context_tokens = reasons.prompt_tokens + 5;
  reasons.most_tokens = 0;
  testing::must(draw_rollouts(model(), questions, options, {}, reasons));
  EXPECT_EQ(reasons.most_tokens, 5);
  EXPECT_GT(reasons.ended_by_context, 0);
}

}  // namespace
}  // namespace pith
