// JSONL files that people write: a JSON object a line, read with errors that name the line.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace pith {

// One line. Borrows the path.
class JsonLine {
 public:
  // Errors: corrupt (it is not a JSON object).
  static Result<JsonLine> parse(std::string_view text, const std::string& path, size_t number);

  // "PATH, line NUMBER: ...".
  template <class... Args>
  tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format,
                             Args&&... args) const {
    return pith::fail(code, "{}, line {}: {}", printable(*path_, 400), number_,
                      fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  tl::unexpected<Error> bad(fmt::format_string<Args...> format, Args&&... args) const {
    return fail(ErrorCode::corrupt, format, std::forward<Args>(args)...);
  }

  // The member, or null.
  const nlohmann::json& member(const char* name) const;
  // A text that is not blank, without the blanks around it. Errors: corrupt.
  Result<std::string> text(const char* name) const;

 private:
  JsonLine(nlohmann::json object, const std::string& path, size_t number)
      : object_(std::move(object)), path_(&path), number_(number) {}

  nlohmann::json object_;
  const std::string* path_;
  size_t number_;
};

// The lines of a text, in order; blank ones are passed over. Borrows text and path, which is
// for messages.
class JsonLines {
 public:
  JsonLines(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  // None at the end. Errors: those of JsonLine::parse.
  Result<std::optional<JsonLine>> next();

 private:
  std::string_view rest_;
  const std::string& path_;
  size_t number_ = 0;
};

}  // namespace pith
