// Reads the fields of a JSON object that a client sent, and says which one is wrong.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "serve/api_error.h"

namespace pith {

// All readers give nothing for a field that is missing, null or wrong; the first wrong one
// is kept in `fault`, which several readers of one request share. Borrows both. Unknown
// fields are nobody's business: clients send many.
class FieldReader {
 public:
  // `path` stands before the names in errors: "" or "messages[2]".
  FieldReader(const nlohmann::json& object, std::optional<ApiError>& fault, std::string path = "")
      : object_(&object), fault_(&fault), path_(std::move(path)) {}

  std::optional<bool> boolean(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, int64_t least, int64_t most);
  std::optional<double> number(std::string_view name, double least, double most);
  // Any 64 bits: a negative number is taken as two's complement.
  std::optional<uint64_t> bits(std::string_view name);
  std::optional<std::string> string(std::string_view name, size_t most_bytes = SIZE_MAX);
  // Null unless it is there and of this type.
  const nlohmann::json* array(std::string_view name, size_t most_items);
  const nlohmann::json* object(std::string_view name);

  template <class T>
  using Choices = std::initializer_list<std::pair<std::string_view, T>>;
  template <class T>
  std::optional<T> choice(std::string_view name, Choices<T> choices) {
    const std::optional<std::string> text = string(name);
    if (!text) return std::nullopt;
    std::string names;
    for (const auto& [known, value] : choices) {
      if (known == *text) return value;
      names += (names.empty() ? "" : ", ") + std::string(known);
    }
    refuse(name, "must be one of " + names);
    return std::nullopt;
  }

  // The value as it is; null when it is missing or null.
  const nlohmann::json* find(std::string_view name) const;

  // The field is wrong: "'PARAM' WHAT".
  void refuse(std::string_view name, std::string_view what, std::string_view code = "");
  // As above for what the server cannot do, where the field is there.
  void unsupported(std::string_view name, std::string_view what);

  std::string param(std::string_view name) const;
  std::optional<ApiError>& fault() { return *fault_; }

 private:
  const nlohmann::json* object_;
  std::optional<ApiError>* fault_;
  std::string path_;
};

}  // namespace pith
