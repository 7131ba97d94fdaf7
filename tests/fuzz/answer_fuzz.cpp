// Answer extraction and equivalence on any bytes: no crash, no endless work, and the
// properties that the vote stands on.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "reason/answer.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

// The first byte chooses the kind; a zero byte parts two answers.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto kind = static_cast<pith::AnswerKind>(data[0] % 3);
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string_view a = text.substr(0, text.find('\0'));
  const std::string_view b = text.substr(a.size() == text.size() ? a.size() : a.size() + 1);

  if (const auto answer = pith::extract_answer(text, kind)) {
    require(!answer->empty());
    require(text.find(*answer) != std::string_view::npos);
  }
  require(pith::equivalent_answers(a, a, kind));
  const bool same = pith::equivalent_answers(a, b, kind);
  require(same == pith::equivalent_answers(b, a, kind));
  const bool same_form = pith::canonical_answer(a, kind) == pith::canonical_answer(b, kind);
  require(same || !same_form);
  return 0;
}
