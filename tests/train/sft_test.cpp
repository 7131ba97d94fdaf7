// A whole run on a tiny model: it learns, it goes on to the bit, and what it leaves is
// what the engine runs.
#include "train/sft.h"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/temporary_folder.h"
#include "train/thread_ranks.h"
#include "train/train_fixture.h"

namespace pith::train {
namespace {

using testing::make_engine;
using testing::some_tokens;

// Stops after some steps.
class Observer : public TrainObserver {
 public:
  explicit Observer(int64_t steps = INT64_MAX) : left_(steps) {}
  void on_step(const TrainStep& step, int64_t /*steps*/) override {
    losses.push_back(step.loss);
    --left_;
  }
  bool cancelled() override { return left_ <= 0; }

  std::vector<double> losses;

 private:
  int64_t left_;
};

class SftTest : public ::testing::Test {
 protected:
  SftTest() {
    options_.rank = 4;
    options_.alpha = 8;
    options_.dropout = 0.1;
    options_.learning_rate = 1e-2;
    options_.epochs = 10;
    options_.batch = 4;
    options_.most_rows = 40;
    options_.precision = TrainPrecision::f32;
    options_.threads = 1;
    options_.checkpoint_steps = 2;
    for (uint64_t i = 0; i < 6; ++i) {
      Example example;
      example.prompt = some_tokens(5, i / 2);
      example.boundary = example.prompt.size();
      example.prompt.insert(example.prompt.end(), kHeader.begin(), kHeader.end());
      example.completion = {40, 41, static_cast<TokenId>(50 + i / 2), 318};
      if (i % 2 == 1) example.completion.insert(example.completion.begin(), 39);
      data_.examples.push_back(example);
    }
    data_.questions = 3;
  }

  Status train(const std::string& name, TrainObserver& observer) {
    return train_sft(testing::parse_tiny(bytes_), kHeader, data_, options_, folder_ / name, alone_,
                     observer);
  }

  std::string read(const std::string& name) { return read_file(folder_ / name, 1 << 24).value(); }

  const std::vector<TokenId> kHeader = {317, 97, 10};
  std::vector<uint8_t> bytes_ = tiny_model(tiny_spec("qwen2")).bytes();
  SftData data_;
  SftOptions options_;
  pith::testing::TemporaryFolder folder_;
  OneRank alone_;
};

TEST_F(SftTest, LearnsAndTheEngineRunsWhatItLearnt) {
  Observer observer;
  const Status status = train("run", observer);
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(observer.losses.size(), 20);  // 10 epochs of 4 and 2 examples
  EXPECT_GT(observer.losses.front(), 4);  // ln 320 is 5.8
  EXPECT_LT(observer.losses.back(), 0.5 * observer.losses.front());

  const auto engine = make_engine(tiny_spec("qwen2"), 1, {.kv_type = KvType::f32});
  const ModelConfig& config = engine->model().config();
  const auto source = open_adapter(folder_ / "run/adapter", config).value();
  EXPECT_EQ(source->invocation_tokens(), kHeader);
  const AdapterId id = engine->add_adapter(
      Adapter::load(*source, config, AdapterPrecision::f32, *engine.pool).value());
  ThreadPool pool(1);
  const Twin twin = Twin::load(testing::parse_tiny(bytes_), at::kFloat, pool).value();
  const Lora lora = Lora::from(*source, config).value();
  const Example& example = data_.examples[0];
  const auto boundary = example.prompt.begin() + static_cast<std::ptrdiff_t>(example.boundary);
  testing::Text text{{example.prompt.begin(), boundary}, {boundary, example.prompt.end()}};
  text.rest.insert(text.rest.end(), example.completion.begin(), example.completion.end() - 1);
  const at::Tensor logits = testing::engine_logits(*engine, text, id);
  EXPECT_LT(testing::relative_error(testing::twin_logits(twin, text, {&lora}), logits), 1e-5);

  // The engine's loss of the answer is far below the base model's.
  const auto loss = [&](const at::Tensor& all) {
    const at::Tensor log_p = at::log_softmax(all.slice(0, 2), -1);
    double sum = 0;
    for (int64_t i = 0; i < 4; ++i) {
      sum -= log_p[i][example.completion[static_cast<size_t>(i)]].item<double>();
    }
    return sum / 4;
  };
  EXPECT_LT(loss(logits), 0.5 * loss(testing::engine_logits(*engine, text, kNoAdapter)));
}

TEST_F(SftTest, StoppedAndGoneOnItHasTheSameLosses) {
  Observer whole;
  ASSERT_TRUE(train("whole", whole));
  std::vector<double> losses;
  for (const int64_t steps : {1, 4, 100}) {  // a stop keeps what is done
    Observer part(steps);
    const Status status = train("parts", part);
    if (steps < 100) {
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, ErrorCode::cancelled);
    }
    losses.insert(losses.end(), part.losses.begin(), part.losses.end());
  }
  EXPECT_EQ(losses, whole.losses);
  EXPECT_EQ(read("parts/adapter/adapter_model.safetensors"),
            read("whole/adapter/adapter_model.safetensors"));
  Observer again(1);
  ASSERT_TRUE(train("parts", again));  // all is done
  EXPECT_TRUE(again.losses.empty());
}

// Three ranks: some steps have fewer parts than that.
TEST_F(SftTest, RanksMakeTheRunOfOneProcess) {
  options_.most_rows = 20;
  Observer alone;
  ASSERT_TRUE(train("alone", alone));
  std::array<Observer, 3> observers;
  std::array<Status, 3> ends;
  testing::run_ranks(3, [&](Ranks& ranks) {
    // The first stops once, and the others know where it goes on.
    Observer first(7);
    if (ranks.is_first()) {
      OneRank one;
      ASSERT_FALSE(train_sft(testing::parse_tiny(bytes_), kHeader, data_, options_,
                             folder_ / "ranks", one, first));
      observers[0].losses = first.losses;
    }
    ends[ranks.rank()] = train_sft(testing::parse_tiny(bytes_), kHeader, data_, options_,
                                   folder_ / "ranks", ranks, observers[ranks.rank()]);
  });
  for (const Status& end : ends) ASSERT_TRUE(end) << end.error().message;
  ASSERT_EQ(observers[0].losses.size(), 20);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(observers[0].losses[i], alone.losses[i], 1e-4 * alone.losses[0]) << i;
  }
  const std::vector<double> together(observers[0].losses.begin() + 7, observers[0].losses.end());
  EXPECT_EQ(observers[1].losses, together);
  EXPECT_EQ(observers[2].losses, together);
}

TEST_F(SftTest, RanksThatAreToldDifferentThingsAreRefused) {
  std::array<Status, 2> ends;
  testing::run_ranks(2, [&](Ranks& ranks) {
    SftOptions own = options_;
    own.learning_rate = ranks.is_first() ? 1e-3 : 1e-4;
    Observer observer;
    ends[ranks.rank()] = train_sft(testing::parse_tiny(bytes_), kHeader, data_, own,
                                   folder_ / "run", ranks, observer);
  });
  for (const Status& end : ends) {
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::usage);
    EXPECT_NE(end.error().message.find("rank 1"), std::string::npos) << end.error().message;
  }
}

TEST_F(SftTest, AnotherRunsFolderIsRefused) {
  Observer observer;
  options_.steps = 2;
  ASSERT_TRUE(train("run", observer));
  options_.rank = 8;
  const Status other = train("run", observer);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::usage);
  EXPECT_NE(other.error().message.find("rank"), std::string::npos) << other.error().message;
}

TEST_F(SftTest, ADamagedCheckpointIsRefused) {
  Observer observer;
  options_.steps = 2;
  ASSERT_TRUE(train("run", observer));
  const std::string state = read("run/checkpoint.json");
  ASSERT_TRUE(write_file(folder_ / "run/checkpoint.json", "{}"));
  EXPECT_EQ(train("run", observer).error().code, ErrorCode::corrupt);
  ASSERT_TRUE(write_file(folder_ / "run/checkpoint.json", state));
  const std::string tensors = folder_ / "run/checkpoint-2.safetensors";
  std::filesystem::resize_file(tensors, std::filesystem::file_size(tensors) - 4);
  EXPECT_EQ(train("run", observer).error().code, ErrorCode::corrupt);
}

TEST_F(SftTest, OnlyTheTargetsAreTrained) {
  Observer observer;
  options_.steps = 1;
  options_.targets = {LayerMatrix::value, LayerMatrix::down};
  ASSERT_TRUE(train("run", observer));
  const auto engine = make_engine(tiny_spec("qwen2"));
  const auto source = open_adapter(folder_ / "run/adapter", engine->model().config()).value();
  EXPECT_EQ(source->rank(0, LayerMatrix::value), 4);
  EXPECT_EQ(source->rank(0, LayerMatrix::query), 0);
}

}  // namespace
}  // namespace pith::train
