// The table of a run and its page.
#include "train/train_log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "store/temporary_folder.h"

namespace pith::train {
namespace {

class TrainLogTest : public ::testing::Test {
 protected:
  TrainLog open(int64_t last_step) { return TrainLog::open(path_, last_step).value(); }
  std::string content() { return read_file(path_, 1 << 20).value(); }

  pith::testing::TemporaryFolder folder_;
  std::string path_ = folder_ / "loss.csv";
};

TEST_F(TrainLogTest, StepsAfterTheCheckpointAreForgotten) {
  {
    TrainLog log = open(0);
    for (const int64_t step : {1, 2, 3}) {
      ASSERT_TRUE(log.append({step, 0.1 + 0.2, 1e-4, 1.5, 7, 0.25}));
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
  EXPECT_EQ(TrainLog::open(path_, 9).error().code, ErrorCode::corrupt);
}

TEST(TrainPage, HasCurvesOfFewPointsAndTheSettings) {
  std::vector<TrainStep> steps;
  for (int64_t i = 1; i <= 1000; ++i)
    steps.push_back({i, 1 / static_cast<double>(i), 1e-4, 1, 10, 0.5});
  const std::string page = train_page(steps, 2000, {{"model", "<tiny>"}, {"rank", 8}});
  EXPECT_NE(page.find("&lt;tiny&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<tiny>"), std::string::npos);
  EXPECT_NE(page.find("of 2000"), std::string::npos);
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_LT(page.size(), 300000);
}

}  // namespace
}  // namespace pith::train
