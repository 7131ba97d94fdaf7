#include "base/error.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace pith {
namespace {

bool is_continuation(uint8_t byte) { return (byte & 0xc0u) == 0x80u; }

// The length of the well-formed UTF-8 character that `text` starts with, 0 if none.
size_t character_length(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80u) return 1;
  const size_t length = lead >= 0xf0u ? 4 : lead >= 0xe0u ? 3 : 2;
  if (lead < 0xc2u || lead > 0xf4u || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte(i))) return 0;
  }
  const uint8_t second = byte(1);
  const bool overlong = (lead == 0xe0u && second < 0xa0u) || (lead == 0xf0u && second < 0x90u);
  const bool surrogate = lead == 0xedu && second >= 0xa0u;
  const bool too_large = lead == 0xf4u && second >= 0x90u;
  return overlong || surrogate || too_large ? 0 : length;
}

// Characters that move the cursor, start a line or turn the direction of the text:
// C0, DEL, C1, the line and paragraph separators, the bidirectional controls.
bool is_control(std::string_view character) {
  const auto lead = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return lead < 0x20u || lead == 0x7fu;
  const auto second = static_cast<uint8_t>(character[1]);
  if (character.size() == 2) return lead == 0xc2u && second < 0xa0u;
  if (character.size() > 3 || lead != 0xe2u) return false;
  const auto third = static_cast<uint8_t>(character[2]);
  return (second == 0x80u && third >= 0xa8u && third <= 0xaeu) ||  // U+2028 .. U+202E
         (second == 0x81u && third >= 0xa6u && third <= 0xa9u);    // U+2066 .. U+2069
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = character_length(text.substr(at));
    const std::string_view character = text.substr(at, length == 0 ? 1 : length);
    std::string shown;
    if (length != 0 && !is_control(character)) {
      shown = character;
    } else {
      for (const char c : character) shown += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    }
    if (out.size() + shown.size() > limit) return out.append("...");
    out += shown;
    at += character.size();
  }
  return out;
}

void check_failed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "pith: bug at %s:%d: %s\n", file, line, expression);
  std::abort();
}

}  // namespace pith
