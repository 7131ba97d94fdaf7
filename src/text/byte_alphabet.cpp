#include "text/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "text/utf8.h"

namespace pith {
namespace {

bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

// The other bytes are given the code points from U+0100 on, in order.
struct Alphabet {
  std::array<char32_t, 256> code_point_of;
  std::array<int16_t, 512> byte_of;  // -1: not of the alphabet

  Alphabet() : code_point_of{} {
    byte_of.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char32_t code_point = stands_for_itself(byte) ? byte : next++;
      code_point_of[byte] = code_point;
      byte_of[code_point] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

bool append_bytes_of_alphabet(std::string_view written, std::string& bytes) {
  const Alphabet& table = alphabet();
  const size_t begin = bytes.size();
  for (size_t at = 0; at < written.size();) {
    const auto lead = static_cast<uint8_t>(written[at]);
    const Utf8Char c = lead < 0x80 ? Utf8Char{lead, 1, Utf8Char::State::valid}  // most of them
                                   : decode_utf8(written, at);
    const int16_t byte = c.code_point < table.byte_of.size() ? table.byte_of[c.code_point] : -1;
    if (byte < 0) {
      bytes.resize(begin);
      return false;
    }
    bytes += static_cast<char>(byte);
    at += c.length;
  }
  return true;
}

std::string alphabet_of_bytes(std::string_view bytes) {
  std::string written;
  written.reserve(bytes.size() * 2);
  for (const char c : bytes)
    append_utf8(written, alphabet().code_point_of[static_cast<uint8_t>(c)]);
  return written;
}

}  // namespace pith
