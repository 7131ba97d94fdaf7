#include "reason/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

namespace pith {
namespace {

TEST(SmoothedAgreement, FewVotesSayLess) {
  EXPECT_DOUBLE_EQ(smoothed_agreement(1, 0), 0.5);
  EXPECT_DOUBLE_EQ(smoothed_agreement(1, 2), 0.75);
  EXPECT_LT(smoothed_agreement(1, 2), smoothed_agreement(1, 16));
  EXPECT_GT(smoothed_agreement(0.25, 4), smoothed_agreement(0.25, 16));
}

TEST(Calibration, InterpolatesAndHoldsItsEnds) {
  const Calibration table = Calibration::from_points({{0.5, 0.2}, {0.75, 0.6}}).value();
  EXPECT_DOUBLE_EQ(table.probability(0, 8), 0.2);
  EXPECT_DOUBLE_EQ(table.probability(1, 8), 0.6);
  EXPECT_DOUBLE_EQ(table.probability(1, 0), 0.2);  // 0.5
  EXPECT_NEAR(table.probability(0.625, 1'000'000), 0.4, 1e-5);
}

TEST(Calibration, WrongTablesAreRefused) {
  const double nan = std::nan("");
  const std::vector<std::vector<CalibrationPoint>> wrong = {{},
                                                            {{-0.1, 0.5}},
                                                            {{0.5, 1.1}},
                                                            {{nan, 0.5}},
                                                            {{0.5, nan}},
                                                            {{0.5, 0.5}, {0.5, 0.6}},
                                                            {{0.5, 0.5}, {0.6, 0.4}}};
  for (const auto& points : wrong) {
    const auto table = Calibration::from_points(points);
    ASSERT_FALSE(table);
    EXPECT_EQ(table.error().code, ErrorCode::corrupt);
  }
}

TEST(Calibration, JsonAndBack) {
  const Calibration table = Calibration::from_points({{0.5, 1.0 / 3}, {0.75, 0.6}}).value();
  EXPECT_EQ(Calibration::from_points({{0.5, 0.25}})->to_json().dump(), "[[0.5,0.25]]");
  const auto back = Calibration::from_json(nlohmann::json::parse(table.to_json().dump()));
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->points().size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back->points()[i].agreement, table.points()[i].agreement);
    EXPECT_EQ(back->points()[i].accuracy, table.points()[i].accuracy);
  }
}

TEST(Calibration, JsonThatIsNone) {
  for (const char* text :
       {"null", "{}", "3", "[]", "[0.5, 0.5]", "[[0.5]]", "[[0.5, 0.5, 0.5]]", "[[0.5, \"1\"]]",
        "[[0.5, null]]", "[{\"agreement\": 0.5}]", "[[0.5, 2]]", "[[0.5, 0.5], [0.4, 0.6]]"}) {
    const auto table = Calibration::from_json(nlohmann::json::parse(text));
    ASSERT_FALSE(table) << text;
    EXPECT_EQ(table.error().code, ErrorCode::corrupt);
  }
}

TEST(CalibrationFit, PoolsWhatFalls) {
  constexpr size_t kMany = size_t{1} << 40;  // as good as not smoothed
  std::vector<JudgedVote> votes(9, {0.25, kMany, 0});
  votes.insert(votes.end(), 9, {1, kMany, 1});
  votes.push_back({0.75, kMany, 0});
  votes.push_back({0.5, kMany, 1});
  const auto points = Calibration::fit(votes).points();
  ASSERT_EQ(points.size(), 3u);
  EXPECT_DOUBLE_EQ(points[0].accuracy, 0.1);
  EXPECT_NEAR(points[1].agreement, 0.625, 1e-9);
  EXPECT_DOUBLE_EQ(points[1].accuracy, 0.5);
  EXPECT_DOUBLE_EQ(points[2].accuracy, 0.9);
}

// Laplace's rule.
TEST(CalibrationFit, FewVotesAreNoReasonToBeSure) {
  for (const int count : {1, 8, 100}) {
    const std::vector<JudgedVote> right(static_cast<size_t>(count), {1, 8, 1});
    EXPECT_DOUBLE_EQ(Calibration::fit(right).probability(1, 8), (count + 1.0) / (count + 2.0));
    const std::vector<JudgedVote> wrong(static_cast<size_t>(count), {1, 8, 0});
    EXPECT_DOUBLE_EQ(Calibration::fit(wrong).probability(1, 8), 1.0 / (count + 2.0));
  }
}

// What is fitted is a table that from_points() takes, is monotone, and never sure.
TEST(CalibrationFit, AnyVotesMakeAMonotoneTable) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<JudgedVote> votes(1 + random() % 40);
    for (JudgedVote& vote : votes) {
      vote.votes = random() % 17;
      vote.share = vote.votes == 0 ? 0 : 1.0 / static_cast<double>(1 + random() % vote.votes);
      vote.right = static_cast<double>(random() % 3) / 2;
    }
    const Calibration table = Calibration::fit(votes);
    EXPECT_TRUE(Calibration::from_points(table.points()));
    double before = 0;
    for (int i = 0; i <= 50; ++i) {
      const double probability = table.probability(i / 50.0, 16);
      EXPECT_GE(probability, before);
      EXPECT_GT(probability, 0);
      EXPECT_LT(probability, 1);
      before = probability;
    }
  }
}

}  // namespace
}  // namespace pith
