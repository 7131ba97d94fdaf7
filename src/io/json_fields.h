// The keys of one object of a JSON file that people write: what is there is of the kind and
// in the range that is asked for, or an error names the file and the way to the key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pith {

// Longer than any text of a file that we read this way.
inline constexpr size_t kMostJsonText = 1 << 16;

// Borrows the JSON and the file's name. A key whose value is null is absent. Errors:
// corrupt, where nothing else is said.
class JsonFields {
 public:
  using Json = nlohmann::json;

  // The outermost object of a file.
  static Result<JsonFields> of(const Json& json, const std::string& file);

  // "FILE: 'models[0].name' WHAT".
  tl::unexpected<Error> bad(std::string_view key, std::string_view what) const;

  // Errors: unsupported (a key that is not among these).
  Status refuse_others(std::initializer_list<std::string_view> known) const;

  // nullptr where it is absent.
  const Json* find(const char* key) const;
  // Nothing where it is absent.
  Result<std::optional<JsonFields>> object(const char* key) const;
  // A list, and one of objects; empty where it is absent.
  Result<const Json*> list(const char* key) const;
  Result<std::vector<JsonFields>> objects(const char* key) const;

  Result<std::optional<std::string>> optional_text(const char* key,
                                                   size_t most_bytes = kMostJsonText) const;
  // An empty one is missing.
  Result<std::string> text(const char* key, size_t most_bytes = kMostJsonText) const;
  // The index of the text among `names`.
  Result<size_t> choice(const char* key, std::initializer_list<std::string_view> names,
                        std::string_view fallback) const;
  // Without a fallback it must be there.
  Result<uint64_t> count(const char* key, uint64_t least, uint64_t most,
                         std::optional<uint64_t> fallback = std::nullopt) const;
  // From 0 to `most`.
  Result<std::optional<double>> optional_number(const char* key, double most) const;

 private:
  // `prefix` comes before the keys in messages: "base.".
  JsonFields(const Json& json, const std::string& file, std::string prefix)
      : json_(&json), file_(&file), prefix_(std::move(prefix)) {}

  const Json* json_;
  const std::string* file_;
  std::string prefix_;
};

}  // namespace pith
