#include "text/special_tokens.h"

namespace pith {

bool SpecialTokens::add(std::string_view word, TokenId id) {
  uint32_t node = 0;
  for (const char byte : word) {
    uint32_t next = child(node, byte);
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      nodes_[node].children.emplace_back(byte, next);
    }
    node = next;
  }
  if (nodes_[node].id >= 0) return false;
  nodes_[node].id = id;
  return true;
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    const Match match = longest_at(text, begin);
    if (match.id >= 0) return match;
  }
  return {text.size(), text.size(), -1};
}

TokenId SpecialTokens::exact(std::string_view word) const {
  const Match match = longest_at(word, 0);
  return match.end == word.size() ? match.id : -1;
}

uint32_t SpecialTokens::child(uint32_t node, char byte) const {
  for (const auto& [label, next] : nodes_[node].children) {
    if (label == byte) return next;
  }
  return 0;
}

SpecialTokens::Match SpecialTokens::longest_at(std::string_view text, size_t begin) const {
  Match best{begin, begin, -1};
  uint32_t node = 0;
  for (size_t at = begin; at < text.size(); ++at) {
    node = child(node, text[at]);
    if (node == 0) break;
    if (nodes_[node].id >= 0) best = {begin, at + 1, nodes_[node].id};
  }
  return best;
}

}  // namespace pith
