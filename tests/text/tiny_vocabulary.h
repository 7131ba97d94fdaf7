// Small vocabularies for tests that need no model.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace pith::testing {

// All 256 bytes (id = byte value), then the outcomes of the merges, then the special
// tokens. Merges are given as bytes.
inline Vocabulary tiny_vocabulary(
    const std::vector<std::pair<std::string, std::string>>& merges = {},
    const std::vector<std::pair<std::string, TokenKind>>& special = {},
    std::string_view pre = "qwen2") {
  Vocabulary vocabulary;
  vocabulary.pre = pre;
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary.tokens.push_back(alphabet_of_bytes(std::string(1, static_cast<char>(byte))));
  }
  for (const auto& [left, right] : merges) {
    const std::string merged = alphabet_of_bytes(left + right);
    auto& tokens = vocabulary.tokens;
    if (std::find(tokens.begin(), tokens.end(), merged) == tokens.end()) tokens.push_back(merged);
    vocabulary.merges.push_back(alphabet_of_bytes(left) + " " + alphabet_of_bytes(right));
  }
  vocabulary.kinds.resize(vocabulary.tokens.size(), TokenKind::normal);
  for (const auto& [written, kind] : special) {
    vocabulary.tokens.push_back(written);
    vocabulary.kinds.push_back(kind);
  }
  return vocabulary;
}

}  // namespace pith::testing
