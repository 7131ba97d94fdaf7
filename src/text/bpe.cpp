#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "text/byte_alphabet.h"

namespace pith {
namespace {

using Symbol = BpeScratch::Symbol;
using Candidate = BpeScratch::Candidate;

constexpr size_t kNone = static_cast<size_t>(-1);

// Reads merges, one after the other.
class MergeReader {
 public:
  explicit MergeReader(const TokenTable& tokens) : tokens_(tokens) {}

  // The tokens that "left right" names; nothing when it does not name three.
  std::optional<MergeTable::Merge> read(std::string_view merge) {
    const size_t space = merge.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    bytes_.clear();
    if (!append_bytes_of_alphabet(merge.substr(0, space), bytes_)) return std::nullopt;
    const size_t middle = bytes_.size();
    if (!append_bytes_of_alphabet(merge.substr(space + 1), bytes_)) return std::nullopt;
    const std::string_view merged = bytes_;
    // Vocabularies list what merges make in the merges' order.
    last_ = {tokens_.find_mergeable(merged.substr(0, middle)),
             tokens_.find_mergeable(merged.substr(middle)),
             tokens_.find_mergeable(merged, last_.merged + 1)};
    if (last_.left < 0 || last_.right < 0 || last_.merged < 0) return std::nullopt;
    return last_;
  }

 private:
  const TokenTable& tokens_;
  std::string bytes_;  // left, right
  MergeTable::Merge last_;
};

// Mixes all bits of the pair into all bits of the result (the finaliser of MurmurHash3).
uint64_t hash_pair(TokenId left, TokenId right) {
  uint64_t h =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32u | static_cast<uint32_t>(right);
  h ^= h >> 33u;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33u;
  h *= 0xc4ceb9fe1a85ec53ULL;
  return h ^ h >> 33u;
}

// For a heap whose top is the best: lowest rank first, leftmost of equals first.
bool is_worse(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

// A list of symbols and the merges that are open in it.
class Merger {
 public:
  Merger(const MergeTable& merges, BpeScratch& scratch)
      : merges_(merges), symbols_(scratch.symbols), heap_(scratch.heap) {}

  void run(std::span<const TokenId> bytes) {
    symbols_.clear();
    heap_.clear();
    for (size_t i = 0; i < bytes.size(); ++i) {
      symbols_.push_back({bytes[i], i == 0 ? kNone : i - 1, i + 1 == bytes.size() ? kNone : i + 1});
    }
    for (size_t i = 0; i + 1 < bytes.size(); ++i) add_candidate(i);
    while (!heap_.empty()) apply(pop());
  }

 private:
  void add_candidate(size_t left) {
    const size_t right = symbols_[left].next;
    if (right == kNone) return;
    const uint32_t rank = merges_.find(symbols_[left].id, symbols_[right].id);
    if (rank == MergeTable::kNoMerge) return;
    heap_.push_back({rank, left, symbols_[left].id, symbols_[right].id, merges_.merged(rank)});
    std::push_heap(heap_.begin(), heap_.end(), is_worse);
  }

  Candidate pop() {
    std::pop_heap(heap_.begin(), heap_.end(), is_worse);
    const Candidate best = heap_.back();
    heap_.pop_back();
    return best;
  }

  void apply(const Candidate& candidate) {
    Symbol& left = symbols_[candidate.position];
    if (left.id != candidate.left || left.next == kNone) return;
    Symbol& right = symbols_[left.next];
    if (right.id != candidate.right) return;
    left.id = candidate.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next != kNone) symbols_[left.next].previous = candidate.position;
    add_candidate(candidate.position);
    if (left.previous != kNone) add_candidate(left.previous);
  }

  const MergeTable& merges_;
  std::vector<Symbol>& symbols_;
  std::vector<Candidate>& heap_;
};

}  // namespace

Result<MergeTable> MergeTable::create(std::span<const std::string> merges,
                                      const TokenTable& tokens) {
  MergeTable table;
  table.merges_.reserve(merges.size());
  table.slots_.resize(std::bit_ceil(2 * merges.size() + 1), kNoMerge);
  MergeReader reader(tokens);
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::optional<Merge> merge = reader.read(merges[rank]);
    if (!merge) {
      return fail(ErrorCode::corrupt, "vocabulary: merge {} does not name tokens: '{}'", rank,
                  printable(merges[rank]));
    }
    table.merges_.push_back(*merge);
    uint32_t& slot = table.slots_[table.slot_of(merge->left, merge->right)];
    // A pair that is listed twice keeps its first rank.
    if (slot == kNoMerge) slot = static_cast<uint32_t>(rank);
  }
  return table;
}

size_t MergeTable::slot_of(TokenId left, TokenId right) const {
  const size_t mask = slots_.size() - 1;
  size_t i = hash_pair(left, right) & mask;
  while (slots_[i] != kNoMerge &&
         (merges_[slots_[i]].left != left || merges_[slots_[i]].right != right)) {
    i = (i + 1) & mask;
  }
  return i;
}

void encode_bpe(const MergeTable& merges, std::span<const TokenId> bytes, BpeScratch& scratch,
                std::vector<TokenId>& out) {
  Merger(merges, scratch).run(bytes);
  for (const Symbol& symbol : scratch.symbols) {
    if (symbol.id >= 0) out.push_back(symbol.id);
  }
}

}  // namespace pith
