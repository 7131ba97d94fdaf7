#include "eval/report_calibration.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "io/json.h"
#include "io/json_fields.h"

namespace pith {
namespace {

using Json = nlohmann::json;

constexpr std::pair<const char*, const char*> kWriterKeys[] = {
    {"model_sha256", "model"}, {"adapter", "adapter"}, {"pack_sha256", "pack"}};

}  // namespace

Result<Calibration> report_calibration(std::string_view report, const std::string& path,
                                       VoteRule rule, const Json& writer) {
  PITH_TRY(const Json json, parse_json<Json>(report, path));
  PITH_TRY(const JsonFields root, JsonFields::of(json, path));
  PITH_TRY(const auto settings, root.object("settings"));
  PITH_TRY(const auto tables, root.object("calibration"));
  if (!settings || !tables) {
    return fail(ErrorCode::corrupt, "{} is no report of pith eval: it has no {}",
                printable(path, 400), settings ? "calibration" : "settings");
  }
  for (const auto& [key, what] : kWriterKeys) {
    const Json* measured = settings->find(key);
    if ((measured == nullptr ? Json() : *measured) == writer.value(key, Json())) continue;
    return fail(
        ErrorCode::unsupported,
        "{}: the report is of another {} ({} differs), so its calibration does not hold here",
        printable(path, 400), what, key);
  }
  const std::string name(vote_rule_name(rule));
  const Json* table = tables->find(name.c_str());
  if (table == nullptr) {
    return fail(ErrorCode::unsupported,
                "{}: no calibration of votes by {}: it takes several samples of at least five "
                "questions with an answer",
                printable(path, 400), name);
  }
  auto calibration = Calibration::from_json(*table);
  if (!calibration) return tables->bad(name, "is wrong: " + calibration.error().message);
  return calibration;
}

}  // namespace pith
