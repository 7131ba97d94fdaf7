// Reinforcement on a tiny model: it learns what is rewarded, it goes on to the bit, and it
// stops when it goes wrong.
#include "train/grpo.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "model/vocabulary.h"
#include "support/temporary_folder.h"
#include "train/grpo_batch.h"
#include "train/thread_ranks.h"
#include "train/train_fixture.h"

namespace pith::train {
namespace {

// Stops after some steps.
class StepObserver : public TrainObserver {
 public:
  explicit StepObserver(int64_t most_steps = INT64_MAX) : left_(most_steps) {}
  void on_step(const TrainStep& step, int64_t /*steps*/) override {
    steps.push_back(step);
    --left_;
  }
  bool cancelled() override { return left_ <= 0; }

  std::vector<double> column(size_t place) const {
    std::vector<double> values;
    for (const TrainStep& step : steps) values.push_back(step.more[place]);
    return values;
  }
  std::vector<double> losses() const {
    std::vector<double> values;
    for (const TrainStep& step : steps) values.push_back(step.loss);
    return values;
  }

  std::vector<TrainStep> steps;

 private:
  int64_t left_;
};

double mean(const std::vector<double>& values, size_t begin, size_t end) {
  return std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(begin),
                         values.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
         static_cast<double>(end - begin);
}

class GrpoTest : public ::testing::Test {
 protected:
  GrpoTest() : tokenizer_(read_tokenizer(*file_).value()) {
    options_.rank = 4;
    options_.alpha = 8;
    options_.learning_rate = 1e-2;
    options_.warmup = 0;
    options_.steps = 6;
    options_.groups = 4;
    options_.draws = 1;
    options_.group.budgets = {3, 4};
    options_.group.margin = 0;
    options_.most_rows = 100;
    options_.precision = TrainPrecision::f32;
    options_.checkpoint_steps = 2;
    options_.collapse = {.window = 2, .least_entropy = 0, .most_entropy = 100, .most_kl = 100};
    for (int32_t i = 0; i < 3; ++i) {
      questions_.push_back(
          {i, std::to_string(i), "What is " + std::to_string(i) + "?", "1", AnswerKind::number});
    }
    model_.file = file_;
    model_.rollout = {
        std::shared_ptr<const Model>(std::shared_ptr<const Model>(), &engine_.engine->model()),
        engine_.pool.get(), &tokenizer_, ChatTemplate::chatml, nullptr};
    const EncodedPrompt prompt =
        question_prompts({}, AnswerKind::number, "?", ChatTemplate::chatml, tokenizer_)
            .value()
            .thinking.encoded;
    model_.header.assign(prompt.ids.begin() + static_cast<std::ptrdiff_t>(prompt.boundary),
                         prompt.ids.end());
  }

  Result<RunEnd> train(const std::string& name, TrainObserver& observer) {
    return train_grpo(model_, questions_, options_, judge_, folder_ / name, alone_, observer);
  }
  void must_train(const std::string& name, TrainObserver& observer) {
    const Result<RunEnd> end = train(name, observer);
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_EQ(end->stopped, "");
  }
  void expect_error(ErrorCode code, const std::string& part) {
    StepObserver observer;
    const Result<RunEnd> end = train("refused", observer);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, code);
    EXPECT_NE(end.error().message.find(part), std::string::npos) << end.error().message;
  }

  std::string read(const std::string& name) { return read_file(folder_ / name, 1 << 24).value(); }

  std::vector<uint8_t> bytes_ = tiny_model(tiny_spec("qwen2")).bytes();
  std::shared_ptr<const GgufFile> file_ = testing::parse_tiny(bytes_);
  testing::TinyEngine engine_ = testing::make_engine(tiny_spec("qwen2"), 1);
  Tokenizer tokenizer_;
  std::vector<Question> questions_;
  GrpoModel model_;
  GrpoOptions options_;
  // A random model answers nothing: what is right is to begin with one half of the vocabulary.
  Judge judge_ = [](const Question&, const Branch& branch) { return branch.history()[0] < 160; };
  pith::testing::TemporaryFolder folder_;
  OneRank alone_;
};

TEST_F(GrpoTest, LearnsWhatIsRewarded) {
  options_.steps = 30;
  options_.groups = 6;
  options_.learning_rate = 3e-2;
  StepObserver observer;
  must_train("run", observer);
  ASSERT_EQ(observer.steps.size(), 30);
  const std::vector<double> accuracy = observer.column(kAccuracy);
  EXPECT_LT(mean(accuracy, 0, 2), 0.75);
  EXPECT_GT(mean(accuracy, 28, 30), 0.85);
  EXPECT_EQ(observer.column(kReward), accuracy);  // lengths are within all budgets
  const std::vector<double> kl = observer.column(kKl);
  EXPECT_NEAR(kl.front(), 0, 1e-6);  // the adapter does nothing yet
  EXPECT_GT(kl.back(), 0.01);

  // What is left is an adapter for the engine, and a page.
  const auto source = open_adapter(folder_ / "run/adapter", engine_->model().config()).value();
  EXPECT_EQ(source->invocation_tokens(), model_.header);
  EXPECT_TRUE(open_adapter(folder_ / "run/best", engine_->model().config()));
  const std::string page = read("run/report.html");
  for (const char* text : {"reward", "accuracy", "step 30: question"}) {
    EXPECT_NE(page.find(text), std::string::npos) << text;
  }
}

TEST_F(GrpoTest, ShorterAnswersAreLearntFromTheBarrier) {
  // All answers are right that end; the tiny model's end is the token that ends a turn.
  options_.group.budgets = {8};
  options_.group.margin = 1;
  options_.groups = 8;
  options_.steps = 25;
  options_.learning_rate = 2e-2;
  judge_ = [](const Question&, const Branch&) { return true; };
  StepObserver observer;
  must_train("run", observer);
  const std::vector<double> length = observer.column(kLength);
  EXPECT_LT(mean(length, 23, 25), 0.7 * mean(length, 0, 2));
}

TEST_F(GrpoTest, StoppedAndGoneOnItHasTheSameSteps) {
  options_.updates = 2;
  StepObserver whole;
  must_train("whole", whole);
  std::vector<double> losses;
  std::vector<double> rewards;
  for (const int64_t steps : {1, 3, 100}) {
    StepObserver part(steps);
    const Result<RunEnd> end = train("parts", part);
    if (steps < 100) {
      ASSERT_FALSE(end);
      EXPECT_EQ(end.error().code, ErrorCode::cancelled);
    }
    for (const double loss : part.losses()) losses.push_back(loss);
    for (const double reward : part.column(kReward)) rewards.push_back(reward);
  }
  EXPECT_EQ(losses, whole.losses());
  EXPECT_EQ(rewards, whole.column(kReward));
  for (const char* file :
       {"adapter/adapter_model.safetensors", "completions.jsonl", "checkpoint-6.safetensors"}) {
    EXPECT_EQ(read(std::string("parts/") + file), read(std::string("whole/") + file)) << file;
  }
}

// Later steps may draw other tokens: what rounds differently is sampled from.
TEST_F(GrpoTest, RanksMakeTheFirstStepOfOneProcess) {
  options_.most_rows = 30;
  options_.updates = 2;
  options_.old = OldPolicy::twin;
  options_.draws = 2;
  StepObserver alone;
  must_train("alone", alone);
  std::array<StepObserver, 2> observers;
  std::array<Result<RunEnd>, 2> ends;
  std::array<testing::TinyEngine, 2> engines = {testing::make_engine(tiny_spec("qwen2"), 1),
                                                testing::make_engine(tiny_spec("qwen2"), 1)};
  testing::run_ranks(2, [&](Ranks& ranks) {
    GrpoModel model = model_;
    model.rollout.model = {std::shared_ptr<const Model>(), &engines[ranks.rank()]->model()};
    model.rollout.pool = engines[ranks.rank()].pool.get();
    ends[ranks.rank()] = train_grpo(model, questions_, options_, judge_, folder_ / "ranks", ranks,
                                    observers[ranks.rank()]);
  });
  for (const Result<RunEnd>& end : ends) ASSERT_TRUE(end) << end.error().message;
  const TrainStep& one = alone.steps.front();
  const TrainStep& two = observers[0].steps.front();
  EXPECT_NEAR(two.loss, one.loss, 1e-5);
  EXPECT_NEAR(two.gradient_norm / one.gradient_norm, 1, 1e-4);
  EXPECT_EQ(two.tokens, one.tokens);
  for (const GrpoColumn place : {kReward, kAccuracy, kLength, kEntropy, kDropped, kClipped}) {
    EXPECT_EQ(two.more[place], one.more[place]) << place;
  }
  EXPECT_NEAR(two.more[kKl], one.more[kKl], 1e-6);
  // All ranks go the same way.
  ASSERT_EQ(observers[0].steps.size(), 6);
  EXPECT_EQ(observers[1].losses(), observers[0].losses());
  EXPECT_EQ(observers[1].column(kReward), observers[0].column(kReward));
  const std::string log = read("ranks/completions.jsonl");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 6);
}

// The engine's log-probabilities are those of the same tokens under the twin: were one of them
// another token's, ratios would be far from 1.
TEST_F(GrpoTest, EngineAndTwinAgreeOnTheOldPolicy) {
  options_.steps = 1;
  StepObserver engine;
  must_train("engine", engine);
  options_.old = OldPolicy::twin;
  StepObserver twin;
  must_train("twin", twin);
  EXPECT_EQ(engine.steps[0].more[kClipped], 0);
  EXPECT_EQ(engine.steps[0].tokens, twin.steps[0].tokens);
  EXPECT_NEAR(engine.steps[0].loss, twin.steps[0].loss, 1e-2);
  EXPECT_NEAR(engine.steps[0].gradient_norm / twin.steps[0].gradient_norm, 1, 1e-2);
  options_.group.temperature = 0.7f;  // which the twin can do
  StepObserver cold;
  must_train("cold", cold);
  EXPECT_LT(cold.steps[0].more[kEntropy], twin.steps[0].more[kEntropy]);
}

TEST_F(GrpoTest, GroupsThatTeachNothingAreDroppedAndReplaced) {
  options_.steps = 2;
  options_.draws = 3;
  judge_ = [](const Question& question, const Branch& branch) {
    return question.index == 0 && branch.history()[0] < 160;
  };
  StepObserver observer;
  must_train("some", observer);
  for (const TrainStep& step : observer.steps) {
    EXPECT_GT(step.more[kDropped], 0);
    EXPECT_GT(step.tokens, 0);
  }
  judge_ = [](const Question&, const Branch&) { return false; };
  StepObserver none;
  must_train("none", none);
  for (const TrainStep& step : none.steps) {
    EXPECT_EQ(step.more[kDropped], 4 * 3);
    EXPECT_EQ(step.tokens, 0);
    EXPECT_EQ(step.gradient_norm, 0);
  }
}

TEST_F(GrpoTest, TrainsOnThoseThatVaryMost) {
  options_.steps = 1;
  StepObserver all;
  must_train("all", all);
  options_.train_samples = options_.group.samples;
  StepObserver each;
  must_train("each", each);
  EXPECT_EQ(each.losses(), all.losses());
  options_.train_samples = 2;
  StepObserver two;
  must_train("two", two);
  EXPECT_LT(two.steps[0].tokens, all.steps[0].tokens / 2);
  for (const GrpoColumn place : {kReward, kAccuracy, kLength, kEntropy, kDropped}) {
    EXPECT_EQ(two.steps[0].more[place], all.steps[0].more[place]) << place;  // of all drawn
  }
  // One right and one wrong, of about the same length: advantages of 1 and -1.
  EXPECT_NEAR(two.steps[0].loss, 0, 1e-2);
  options_.train_samples = options_.group.samples + 1;
  expect_error(ErrorCode::usage, "out of its range");
}

TEST_F(GrpoTest, StopsWhenItHasCollapsed) {
  options_.steps = 20;
  StepObserver observer;
  judge_ = [&](const Question&, const Branch& branch) {
    return observer.steps.size() < 4 && branch.history()[0] < 160;
  };
  const Result<RunEnd> end = train("run", observer);
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_LT(end->steps, 8);
  EXPECT_NE(end->stopped.find("accuracy has fallen"), std::string::npos) << end->stopped;
  EXPECT_NE(end->stopped.find("the adapter of step"), std::string::npos) << end->stopped;
  EXPECT_TRUE(open_adapter(folder_ / "run/best", engine_->model().config()));
  StepObserver again;
  const Result<RunEnd> second = train("run", again);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->stopped, end->stopped);
  EXPECT_TRUE(again.steps.empty());
}

TEST_F(GrpoTest, BeginsWithAnAdapter) {
  options_.steps = 3;
  StepObserver first;
  must_train("first", first);
  const auto start = open_adapter(folder_ / "first/adapter", engine_->model().config()).value();
  model_.start = start.get();
  options_.reference = KlReference::start;
  StepObserver second;
  must_train("second", second);
  EXPECT_NEAR(second.steps.front().more[kKl], 0, 1e-6);
  options_.reference = KlReference::base;
  StepObserver third;
  must_train("third", third);
  EXPECT_GT(third.steps.front().more[kKl], 1e-4);

  model_.start = nullptr;
  StepObserver other;
  const Result<RunEnd> end = train("third", other);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::usage);
  EXPECT_NE(end.error().message.find("start"), std::string::npos) << end.error().message;
}

TEST_F(GrpoTest, OptionsOutOfRange) {
  options_.group.temperature = 0.5f;
  expect_error(ErrorCode::usage, "temperature 1");
  options_.group.temperature = 1;
  options_.group.budgets = {5, 5};
  expect_error(ErrorCode::usage, "budgets");
  options_.group.budgets = {5};
  options_.updates = 9;
  expect_error(ErrorCode::usage, "out of its range");
  options_.updates = 1;
  questions_[1].gold.clear();
  expect_error(ErrorCode::usage, "question 1 has no answer");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "refused"));
}

TEST(Groups, AreToldTheirBudget) {
  EXPECT_EQ(told_budget(AnswerKind::choice, 150),
            std::string(reasoning_prompt(AnswerKind::choice)) + " Use at most 150 tokens.");
}

TEST(GroupOrder, HasEveryQuestionAndEveryBudgetInTurns) {
  const std::vector<Question> questions(5);
  const std::vector<int32_t> budgets = {10, 20, 30};
  const GroupOrder order{questions, budgets, 7};
  for (int64_t begin = 0; begin < 15; begin += 5) {
    std::vector<int64_t> asked(5);
    for (int64_t i = begin; i < begin + 5; ++i) ++asked[order.at(i).question - questions.data()];
    EXPECT_EQ(asked, std::vector<int64_t>(5, 1));
  }
  for (int64_t begin = 0; begin < 15; begin += 3) {
    int32_t sum = 0;
    for (int64_t i = begin; i < begin + 3; ++i) sum += order.at(i).budget_tokens;
    EXPECT_EQ(sum, 60);
  }
}

TEST(GrpoBatch, PartsAreWholeGroupsAndWeightsMakeMeans) {
  GrpoBatch batch;
  for (const size_t first : {1, 3, 5}) {
    Group group;
    group.completions.resize(2);
    group.completions[0].example.completion.resize(first);
    group.completions[1].example.completion.resize(first + 1);
    batch.add(std::move(group), std::vector<double>{1, -1});
  }
  EXPECT_EQ(batch.part(0, 2), (std::vector<size_t>{0, 1}));
  EXPECT_EQ(batch.part(1, 2), (std::vector<size_t>{2, 3, 4, 5}));
  EXPECT_EQ(GrpoBatch().part(0, 2), std::vector<size_t>());
  const std::vector<size_t> chosen = {2, 3};  // of 3 and 4 tokens
  EXPECT_EQ(token_weights(batch, chosen, LossMean::completion, 9),
            (std::vector<double>{1.0 / 6, 1.0 / 8}));
  EXPECT_EQ(token_weights(batch, chosen, LossMean::token, 9),
            (std::vector<double>{1.0 / 7, 1.0 / 7}));
  EXPECT_EQ(token_weights(batch, chosen, LossMean::constant, 9),
            (std::vector<double>{1.0 / 18, 1.0 / 18}));
}

}  // namespace
}  // namespace pith::train
