#include "text/token_table.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "text/byte_alphabet.h"

namespace pith {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

}  // namespace

bool is_special(TokenKind kind) {
  return kind == TokenKind::control || kind == TokenKind::user_defined ||
         kind == TokenKind::unknown;
}

Result<TokenTable> TokenTable::create(std::span<const std::string> tokens,
                                      std::span<const TokenKind> kinds) {
  TokenTable table;
  table.slots_.assign(std::bit_ceil(2 * tokens.size() + 1), -1);
  table.offsets_.reserve(tokens.size() + 1);
  table.offsets_.push_back(0);
  table.mergeable_.resize(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string& written = tokens[i];
    // Special ASCII tokens stay mergeable: some vocabularies build them by merges too.
    const bool mergeable = (!is_special(kinds[i]) || is_ascii(written)) &&
                           append_bytes_of_alphabet(written, table.blob_);
    if (!mergeable) table.blob_ += written;
    table.offsets_.push_back(table.blob_.size());
    table.mergeable_[i] = mergeable && !written.empty();
    if (table.mergeable_[i] && !table.insert(static_cast<TokenId>(i))) {
      return fail(ErrorCode::corrupt, "vocabulary: token {} is a duplicate: '{}'", i,
                  printable(written));
    }
  }
  return table;
}

std::string_view TokenTable::bytes(TokenId id) const {
  const auto i = static_cast<size_t>(id);
  return std::string_view(blob_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
}

TokenId TokenTable::find_mergeable(std::string_view bytes) const { return slots_[slot_of(bytes)]; }

TokenId TokenTable::find_mergeable(std::string_view bytes, TokenId guess) const {
  const auto i = static_cast<size_t>(guess);
  if (i < mergeable_.size() && mergeable_[i] && this->bytes(guess) == bytes) return guess;
  return find_mergeable(bytes);
}

bool TokenTable::insert(TokenId id) {
  TokenId& slot = slots_[slot_of(bytes(id))];
  if (slot >= 0) return false;
  slot = id;
  return true;
}

size_t TokenTable::slot_of(std::string_view key) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>{}(key)&mask;
  while (slots_[slot] >= 0 && bytes(slots_[slot]) != key) slot = (slot + 1) & mask;
  return slot;
}

}  // namespace pith
