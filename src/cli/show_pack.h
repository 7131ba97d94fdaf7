// What `pith show` says of a reasoning pack.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pith::cli {

// The folder of the pack that is meant: a folder by its path, or a name that is a pack's and
// no model's. None when something else is meant.
std::optional<std::string> meant_pack(std::string_view name_or_path);

// Prints it: facts and measured results, or, `as_json`, its pack.json with its `path`.
// Errors: those of open_pack.
Status show_pack(const std::string& folder, bool as_json);

}  // namespace pith::cli
