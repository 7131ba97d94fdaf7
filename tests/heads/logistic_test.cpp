// Logistic regression against optima from NumPy (tools/reference/logistic_golden.py).
#include "heads/logistic.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace pith {
namespace {

struct Golden {
  Golden() {
    const std::string path = std::string(PITH_TEST_DATA) + "/heads/logistic.json";
    json = nlohmann::json::parse(read_file(path, 1 << 20).value());
    for (const auto& row : json["x"]) {
      for (const auto& value : row) values.push_back(value.get<float>());
    }
    matrix = {values, json["x"][0].size()};
    for (size_t i = 0; i < json["x"].size(); ++i) {
      rows.push_back({i, json["positive"][i].get<bool>(), json["weights"][i].get<double>()});
    }
  }

  nlohmann::json json;
  std::vector<float> values;
  FeatureMatrix matrix;
  std::vector<LabelledRow> rows;
};

constexpr LogisticOptions kTight = {.gradient_tolerance = 1e-9, .most_iterations = 1000};

TEST(Logistic, FindsTheOptimumThatNewtonFinds) {
  const Golden golden;
  ThreadPool pool(1);
  LogisticFit fit(golden.matrix, golden.rows, pool);
  for (const auto& optimum : golden.json["optima"]) {
    const LogisticModel model = fit.solve(optimum["l2"].get<double>(), kTight);
    // Errors of the solution are those of the gradient over the penalty, at most 1e-6 here,
    // times the inverse of the deviations, up to 100.
    for (size_t i = 0; i < model.weight.size(); ++i) {
      const auto expected = optimum["weights"][i].get<double>();
      EXPECT_NEAR(model.weight[i], expected, 1e-6 * (1 + std::abs(expected))) << optimum["l2"];
    }
    EXPECT_NEAR(model.bias, optimum["bias"].get<double>(), 2e-4);
    EXPECT_NEAR(log_loss(model, golden.matrix, golden.rows), optimum["loss"].get<double>(), 1e-9);
  }
}

TEST(Logistic, TheSameFromAnywhereAndOnAnyThreads) {
  const Golden golden;
  ThreadPool one(1);
  ThreadPool three(3);
  LogisticFit fit(golden.matrix, golden.rows, one);
  LogisticFit threaded(golden.matrix, golden.rows, three);
  const LogisticModel cold = fit.solve(0.1, kTight);
  EXPECT_EQ(threaded.solve(0.1, kTight).weight, cold.weight);
  fit.solve(10, kTight);
  const LogisticModel warm = fit.solve(0.1, kTight);
  for (size_t i = 0; i < cold.weight.size(); ++i) {
    EXPECT_NEAR(warm.weight[i], cold.weight[i], 1e-6 * (1 + std::abs(cold.weight[i])));
  }
}

TEST(Logistic, AFeatureThatNeverChangesHasNoWeight) {
  Golden golden;
  for (size_t i = 0; i < golden.values.size(); i += golden.matrix.width) golden.values[i] = 7;
  ThreadPool pool(1);
  LogisticFit fit(golden.matrix, golden.rows, pool);
  const LogisticModel model = fit.solve(0.01);
  EXPECT_EQ(model.weight[0], 0);
  EXPECT_NE(model.weight[1], 0);
}

TEST(Logistic, ItsHeadSaysTheSame) {
  const Golden golden;
  ThreadPool pool(1);
  LogisticFit fit(golden.matrix, golden.rows, pool);
  const LogisticModel model = fit.solve(0.1);
  const LinearHead head = model.head();
  for (size_t i = 0; i < golden.rows.size(); ++i) {
    EXPECT_NEAR(head.apply(golden.matrix.row(i))[0], model.logit(golden.matrix.row(i)), 1e-4);
  }
}

}  // namespace
}  // namespace pith
