#include "serve/field_reader.h"

#include <cmath>
#include <limits>

namespace pith {

using nlohmann::json;

const json* FieldReader::find(std::string_view name) const {
  const auto field = object_->find(name);
  return field == object_->end() || field->is_null() ? nullptr : &*field;
}

std::string FieldReader::param(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

void FieldReader::refuse(std::string_view name, std::string_view what, std::string_view code) {
  if (fault_->has_value()) return;
  ApiError error;
  error.param = param(name);
  error.message = fmt::format("'{}' {}", error.param, what);
  error.code = code.empty() ? "invalid_value" : code;
  *fault_ = std::move(error);
}

void FieldReader::unsupported(std::string_view name, std::string_view what) {
  if (find(name) != nullptr) refuse(name, what, "unsupported_parameter");
}

std::optional<bool> FieldReader::boolean(std::string_view name) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (field->is_boolean()) return field->get<bool>();
  refuse(name, "must be true or false", "invalid_type");
  return std::nullopt;
}

std::optional<int64_t> FieldReader::integer(std::string_view name, int64_t least, int64_t most) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_number_integer()) {
    refuse(name, "must be a whole number", "invalid_type");
    return std::nullopt;
  }
  const bool large = field->is_number_unsigned() &&
                     field->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()};
  if (!large) {
    const auto value = field->get<int64_t>();
    if (value >= least && value <= most) return value;
  }
  refuse(name, fmt::format("must be from {} to {}", least, most));
  return std::nullopt;
}

std::optional<double> FieldReader::number(std::string_view name, double least, double most) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_number()) {
    refuse(name, "must be a number", "invalid_type");
    return std::nullopt;
  }
  const auto value = field->get<double>();
  if (value >= least && value <= most) return value;
  refuse(name, fmt::format("must be from {} to {}", least, most));
  return std::nullopt;
}

std::optional<uint64_t> FieldReader::bits(std::string_view name) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (field->is_number_unsigned()) return field->get<uint64_t>();
  if (field->is_number_integer()) return static_cast<uint64_t>(field->get<int64_t>());
  refuse(name, "must be a whole number of 64 bits", "invalid_type");
  return std::nullopt;
}

std::optional<std::string> FieldReader::string(std::string_view name, size_t most_bytes) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_string()) {
    refuse(name, "must be a string", "invalid_type");
    return std::nullopt;
  }
  const auto& text = field->get_ref<const std::string&>();
  if (text.size() <= most_bytes) return text;
  refuse(name, fmt::format("must have at most {} bytes", most_bytes), "string_above_max_length");
  return std::nullopt;
}

const json* FieldReader::array(std::string_view name, size_t most_items) {
  const json* field = find(name);
  if (field == nullptr) return nullptr;
  if (!field->is_array()) {
    refuse(name, "must be an array", "invalid_type");
    return nullptr;
  }
  if (field->size() <= most_items) return field;
  refuse(name, fmt::format("must have at most {} items", most_items), "array_above_max_length");
  return nullptr;
}

const json* FieldReader::object(std::string_view name) {
  const json* field = find(name);
  if (field == nullptr) return nullptr;
  if (field->is_object()) return field;
  refuse(name, "must be an object", "invalid_type");
  return nullptr;
}

}  // namespace pith
