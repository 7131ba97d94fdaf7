// Which reports calibrate which votes.
#include "eval/report_calibration.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pith {
namespace {

using Json = nlohmann::json;

Json small_report() {
  return Json::parse(R"({
    "settings": {"model_sha256": "m", "adapter": null, "seed": 1},
    "calibration": {"majority": [[0.2, 0.1], [0.6, 0.5]], "confidence": [[0.5, 0.25]]}})");
}

Error refusal(const std::string& text, VoteRule rule = VoteRule::majority,
              const Json& writer = {{"model_sha256", "m"}, {"adapter", nullptr}}) {
  const auto calibration = report_calibration(text, "r.json", rule, writer);
  return calibration ? Error{ErrorCode::io, "none"} : calibration.error();
}

TEST(ReportCalibration, IsTheTableOfTheRule) {
  const Json writer = {{"model_sha256", "m"}, {"adapter", nullptr}};
  const auto by = [&](VoteRule rule) {
    return report_calibration(small_report().dump(), "r.json", rule, writer).value().points();
  };
  ASSERT_EQ(by(VoteRule::majority).size(), 2u);
  EXPECT_EQ(by(VoteRule::majority)[1].accuracy, 0.5);
  EXPECT_EQ(by(VoteRule::confidence)[0].accuracy, 0.25);
}

TEST(ReportCalibration, OfAnotherWriterIsRefused) {
  const std::string text = small_report().dump();
  const std::vector<std::pair<Json, const char*>> writers = {
      {{{"model_sha256", "n"}, {"adapter", nullptr}}, "of another model (model_sha256 differs)"},
      {{{"model_sha256", "m"}, {"adapter", {{"sha256", {"a"}}}}}, "of another adapter"},
      {{{"model_sha256", "m"}, {"pack_sha256", {"p"}}}, "of another pack"},
  };
  for (const auto& [writer, what] : writers) {
    const Error error = refusal(text, VoteRule::majority, writer);
    EXPECT_EQ(error.code, ErrorCode::unsupported);
    EXPECT_TRUE(error.message.starts_with("r.json: the report is ")) << error.message;
    EXPECT_NE(error.message.find(what), std::string::npos) << error.message;
  }
}

TEST(ReportCalibration, FlawsAreNamed) {
  EXPECT_EQ(refusal("[]").message, "r.json: it is not a JSON object");
  EXPECT_EQ(refusal("{}").message, "r.json is no report of pith eval: it has no settings");
  Json without = small_report();
  without.erase("calibration");
  EXPECT_EQ(refusal(without.dump()).message,
            "r.json is no report of pith eval: it has no calibration");
  Json wrong = small_report();
  wrong["calibration"]["majority"][1][0] = 0.1;
  EXPECT_EQ(refusal(wrong.dump()).message,
            "r.json: 'calibration.majority' is wrong: point 2 of the calibration is not above the "
            "one before it");
  EXPECT_NE(refusal(small_report().dump(), VoteRule::verifier)
                .message.find("no calibration of votes by verifier"),
            std::string::npos);
}

}  // namespace
}  // namespace pith
