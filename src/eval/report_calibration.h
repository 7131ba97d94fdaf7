// The calibration of a report of `pith eval`, for votes that are yet to come.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "reason/calibration.h"
#include "reason/vote.h"

namespace pith {

inline constexpr uint64_t kMostReportBytes = uint64_t{1} << 30;

// The table for votes by `rule` in the report's text. `writer` has who is asked now, under
// the keys of a report's settings: model_sha256, and adapter and pack_sha256 where there is
// one. `path` is for messages. Errors: corrupt (no report), unsupported (another writer; no
// table for the rule).
Result<Calibration> report_calibration(std::string_view report, const std::string& path,
                                       VoteRule rule, const nlohmann::json& writer);

}  // namespace pith
