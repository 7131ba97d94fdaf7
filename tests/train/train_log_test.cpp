// The table of a run and its page.
#include "train/train_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "support/temporary_folder.h"

namespace pith::train {
namespace {

class TrainLogTest : public ::testing::Test {
 protected:
  TrainLog open(int64_t last_step, const TrainColumns& columns = {}) {
    return TrainLog::open(path_, columns, last_step).value();
  }
  std::string content() { return read_file(path_, 1 << 20).value(); }

  pith::testing::TemporaryFolder folder_;
  std::string path_ = folder_ / "steps.csv";
};

TEST_F(TrainLogTest, StepsAfterTheCheckpointAreForgotten) {
  {
    TrainLog log = open(0);
    for (const int64_t step : {1, 2, 3}) {
      ASSERT_TRUE(log.append({step, 0.1 + 0.2, 1e-4, 1.5, 7, 0.25, {}}));
    }
  }
  const TrainLog log = open(2);
  ASSERT_EQ(log.steps().size(), 2);
  EXPECT_EQ(log.steps()[1].step, 2);
  EXPECT_EQ(log.steps()[1].loss, 0.1 + 0.2);  // every bit
  EXPECT_EQ(log.steps()[1].tokens, 7);
  EXPECT_EQ(content(),
            "step,loss,learning_rate,gradient_norm,tokens,seconds\n"
            "1,0.30000000000000004,0.0001,1.5,7,0.250\n2,0.30000000000000004,0.0001,1.5,7,0.250\n");
}

TEST_F(TrainLogTest, ALastLineMayBeCutOff) {
  ASSERT_TRUE(write_file(path_,
                         "step,loss,learning_rate,gradient_norm,tokens,seconds\n"
                         "1,0.5,0.1,1,7,0.25\n2,0.4,0"));
  EXPECT_EQ(open(9).steps().size(), 1);
  ASSERT_TRUE(write_file(path_, "shopping list\n"));
  EXPECT_EQ(TrainLog::open(path_, {}, 9).error().code, ErrorCode::corrupt);
}

TEST_F(TrainLogTest, AKindOfTrainingHasColumnsOfItsOwn) {
  const TrainColumns columns = {"reward", "length@100"};
  ASSERT_TRUE(open(0, columns).append({1, 0, 1e-4, 1.5, 7, 0.25, {0.5, NAN}}));
  EXPECT_EQ(content(),
            "step,loss,learning_rate,gradient_norm,tokens,seconds,reward,length@100\n"
            "1,0,0.0001,1.5,7,0.250,0.5,nan\n");
  const TrainLog log = open(1, columns);
  ASSERT_EQ(log.steps().size(), 1);
  EXPECT_EQ(log.steps()[0].more[0], 0.5);
  EXPECT_TRUE(std::isnan(log.steps()[0].more[1]));
  EXPECT_EQ(TrainLog::open(path_, {}, 9).error().code, ErrorCode::corrupt);
}

TEST(TrainPage, HasCurvesOfFewPointsAndTheSettings) {
  std::vector<TrainStep> steps;
  for (int64_t i = 1; i <= 1000; ++i)
    steps.push_back({i, 1 / static_cast<double>(i), 1e-4, 1, 10, 0.5, {}});
  const std::string page = train_page(steps, {}, 2000, {{"model", "<tiny>"}, {"rank", 8}});
  EXPECT_NE(page.find("&lt;tiny&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<tiny>"), std::string::npos);
  EXPECT_NE(page.find("of 2000"), std::string::npos);
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_LT(page.size(), 300000);
}

TEST(TrainPage, ColumnsThatAreAlikeShareAPlot) {
  std::vector<TrainStep> steps;
  for (int64_t i = 1; i <= 3; ++i) {
    steps.push_back({i, 0, 1e-4, 1, 10, 0.5, {100, 0.5, i == 2 ? 200 : NAN, NAN}});
  }
  const TrainColumns columns = {"length@100", "reward", "length@200", "kl"};
  const std::string page = train_page(steps, columns, 3, {}, "<p>more</p>");
  const auto count = [&](const std::string& text) {
    size_t found = 0;
    for (size_t at = page.find(text); at != page.npos; at = page.find(text, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("<svg"), 3 + 2);  // length and reward; kl has nothing to show
  EXPECT_NE(page.find("<p>more</p>"), std::string::npos);
}

}  // namespace
}  // namespace pith::train
