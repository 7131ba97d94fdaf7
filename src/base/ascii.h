// Classes of ASCII characters, the same in every locale, and what is made of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace pith {

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
inline bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
inline bool is_foreign(char c) { return static_cast<unsigned char>(c) >= 0x80; }  // beyond ASCII
inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Without any but spaces.
inline bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_space);
}

// Without the spaces at both ends.
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Of letters, digits and `marks`, and neither empty, nor an option, nor a hidden file, nor a
// way up.
inline bool is_plain_name(std::string_view text, size_t most_bytes,
                          std::string_view marks = "._-") {
  return !text.empty() && text.size() <= most_bytes && text[0] != '-' && text[0] != '.' &&
         std::all_of(text.begin(), text.end(), [marks](char c) {
           return is_letter(c) || is_digit(c) || marks.find(c) != marks.npos;
         });
}

}  // namespace pith
