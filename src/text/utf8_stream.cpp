#include "text/tokenizer.h"
#include "text/utf8.h"

namespace pith {

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string out;
  out.reserve(pending_.size());
  size_t at = 0;
  while (at < pending_.size()) {
    const Utf8Char c = decode_utf8(pending_, at);
    if (c.state == Utf8Char::State::incomplete) break;
    append_utf8(out, c.code_point);
    at += c.length;
  }
  pending_.erase(0, at);
  return out;
}

std::string Utf8Stream::finish() {
  // What is pending is the beginning of one character: one maximal subpart.
  std::string out;
  if (!pending_.empty()) append_utf8(out, kReplacementCharacter);
  pending_.clear();
  return out;
}

}  // namespace pith
