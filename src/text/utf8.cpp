#include "text/utf8.h"

namespace pith {
namespace {

// What may follow a lead byte: how many bytes, and the range of the first of them
// (the others are 0x80 to 0xBF). No bytes for a byte that cannot lead.
struct Continuation {
  uint8_t count;
  uint8_t low;
  uint8_t high;
};

Continuation continuation_of(uint8_t lead) {
  if (lead < 0xc2) return {0, 0, 0};
  if (lead < 0xe0) return {1, 0x80, 0xbf};
  if (lead < 0xf0) {
    return {2, static_cast<uint8_t>(lead == 0xe0 ? 0xa0 : 0x80),
            static_cast<uint8_t>(lead == 0xed ? 0x9f : 0xbf)};
  }
  if (lead > 0xf4) return {0, 0, 0};
  return {3, static_cast<uint8_t>(lead == 0xf0 ? 0x90 : 0x80),
          static_cast<uint8_t>(lead == 0xf4 ? 0x8f : 0xbf)};
}

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t position) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(position);
  if (lead < 0x80) return {lead, 1, Utf8Char::State::valid};
  Continuation next = continuation_of(lead);
  if (next.count == 0) return {};
  // The lead byte of an n-byte character carries 7 - n bits.
  char32_t code_point = lead & (0x3fu >> next.count);
  for (uint8_t length = 1; length <= next.count; ++length) {
    if (position + length == text.size()) {
      return {kReplacementCharacter, length, Utf8Char::State::incomplete};
    }
    const uint8_t b = byte(position + length);
    if (b < next.low || b > next.high) {
      return {kReplacementCharacter, length, Utf8Char::State::invalid};
    }
    code_point = code_point << 6 | (b & 0x3fu);
    next.low = 0x80;
    next.high = 0xbf;
  }
  return {code_point, static_cast<uint8_t>(next.count + 1), Utf8Char::State::valid};
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto tail = [&](int shift) {
    text += static_cast<char>(0x80u | (code_point >> shift & 0x3fu));
  };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xc0u | code_point >> 6);
    tail(0);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xe0u | code_point >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0u | code_point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

Status check_utf8(std::string_view text, std::string_view what) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (c.state != Utf8Char::State::valid) {
      return fail(ErrorCode::usage, "{} is not valid UTF-8: byte {} is 0x{:02x}", what, at + 1,
                  static_cast<unsigned char>(text[at]));
    }
    at += c.length;
  }
  return {};
}

}  // namespace pith
