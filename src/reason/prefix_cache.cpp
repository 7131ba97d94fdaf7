#include "reason/prefix_cache.h"

#include <algorithm>
#include <utility>

#include "kernels/kernels.h"
#include "reason/kv_room.h"

namespace pith {
namespace {

size_t down_to_blocks(size_t tokens) { return tokens / kKvBlock * kKvBlock; }

// How many tokens two beginnings have in common.
size_t common_tokens(std::span<const TokenId> tokens, std::span<const AdapterId> adapters,
                     std::span<const TokenId> other_tokens,
                     std::span<const AdapterId> other_adapters) {
  const size_t most = std::min(tokens.size(), other_tokens.size());
  size_t common = 0;
  while (common < most && tokens[common] == other_tokens[common] &&
         adapters[common] == other_adapters[common]) {
    ++common;
  }
  return common;
}

// By position, of a sequence's first `count`.
std::vector<AdapterId> writers(std::span<const AdapterSpan> spans, size_t count) {
  std::vector<AdapterId> adapters(count);
  for (const AdapterSpan& span : spans) {
    const auto begin = std::min(static_cast<size_t>(span.begin), count);
    std::fill(adapters.begin() + static_cast<std::ptrdiff_t>(begin), adapters.end(), span.adapter);
  }
  return adapters;
}

}  // namespace

PrefixCache::PrefixCache(Engine& engine, int64_t most_tokens)
    : engine_(engine), most_tokens_(most_tokens) {}
PrefixCache::~PrefixCache() = default;

OwnedSequence PrefixCache::find(std::span<const TokenId> tokens, const AdapterUse& use) {
  ++clock_;
  const size_t most = tokens.empty() ? 0 : tokens.size() - 1;
  std::vector<AdapterId> adapters(most);
  for (size_t i = 0; i < most; ++i) adapters[i] = use.at(i);
  const auto wanted = tokens.subspan(0, most);
  const Match whole = follow(wanted, adapters);
  const Match match = most_alike(whole, wanted, adapters);
  if (match.tokens == 0) return OwnedSequence(engine_);
  if (match.node != whole.node) use_first_block(*match.node);
  return beginning(match.node->sequence, match.tokens);
}

void PrefixCache::insert(std::span<const TokenId> tokens, const OwnedSequence& sequence) {
  ++clock_;
  const auto room = down_to_blocks(static_cast<size_t>(std::max<int64_t>(most_tokens_, 0)));
  const size_t most = std::min(tokens.size(), room);
  const auto kept = tokens.subspan(0, most);
  const auto adapters = writers(engine_.adapter_spans(sequence.id()), most);
  const Match match = follow(kept, adapters);
  if (const Match part = most_alike(match, kept, adapters); part.tokens == most) {
    if (part.node != match.node) use_first_block(*part.node);
    return;
  }
  auto node = std::make_unique<Node>();
  const auto begin = static_cast<std::ptrdiff_t>(match.tokens);
  node->tokens.assign(kept.begin() + begin, kept.end());
  node->adapters.assign(adapters.begin() + begin, adapters.end());
  node->sequence = beginning(sequence, most);
  node->used = clock_;
  remove_replaced(*match.node, *node);
  match.node->children.push_back(std::move(node));
  tokens_ += whole_kv_blocks(static_cast<int64_t>(most - match.tokens));
  while (tokens_ > most_tokens_) evict();
}

// Of the children, none of which has the next block whole, the one with most of it, and of
// equals the one that was of use last; `match` itself where none has any.
PrefixCache::Match PrefixCache::most_alike(const Match& match, std::span<const TokenId> tokens,
                                           std::span<const AdapterId> adapters) const {
  Node* best = nullptr;
  size_t most = 0;
  for (const auto& child : match.node->children) {
    const size_t common =
        common_tokens(tokens.subspan(match.tokens), adapters.subspan(match.tokens), child->tokens,
                      child->adapters);
    if (common == 0 || common < most) continue;
    if (common == most && child->used < best->used) continue;
    best = child.get();
    most = common;
  }
  return best == nullptr ? match : Match{best, match.tokens + most};
}

void PrefixCache::use_first_block(Node& node) {
  if (node.tokens.size() > kKvBlock) split(node, kKvBlock);
  node.used = clock_;
}

// What is unfinished and has nothing that the new child has not.
void PrefixCache::remove_replaced(Node& parent, const Node& by) {
  const auto count = std::erase_if(parent.children, [&](const auto& child) {
    return child->tokens.size() < kKvBlock &&
           common_tokens(by.tokens, by.adapters, child->tokens, child->adapters) ==
               child->tokens.size();
  });
  tokens_ -= static_cast<int64_t>(count) * kKvBlock;
}

// Walks down as far as whole blocks are alike, and marks the way as used. A node that is alike
// in part is split there, so that each node is of use as a whole or not at all.
PrefixCache::Match PrefixCache::follow(std::span<const TokenId> tokens,
                                       std::span<const AdapterId> adapters) {
  Match match{&root_, 0};
  for (;;) {
    Node* next = nullptr;
    size_t common = 0;
    for (const auto& child : match.node->children) {
      common =
          down_to_blocks(common_tokens(tokens.subspan(match.tokens), adapters.subspan(match.tokens),
                                       child->tokens, child->adapters));
      if (common == 0) continue;
      next = child.get();
      break;  // no two begin with the same block
    }
    if (next == nullptr) return match;
    if (common < next->tokens.size()) split(*next, common);
    next->used = clock_;
    match = {next, match.tokens + common};
  }
}

// What is behind the first `tokens` of the node becomes its only child.
void PrefixCache::split(Node& node, size_t tokens) {
  auto rest = std::make_unique<Node>();
  const auto at = static_cast<std::ptrdiff_t>(tokens);
  rest->tokens.assign(node.tokens.begin() + at, node.tokens.end());
  rest->adapters.assign(node.adapters.begin() + at, node.adapters.end());
  rest->used = node.used;
  const size_t whole = static_cast<size_t>(engine_.length(node.sequence.id()));
  OwnedSequence front = beginning(node.sequence, whole - rest->tokens.size());
  rest->sequence = std::exchange(node.sequence, std::move(front));
  node.tokens.resize(tokens);
  node.adapters.resize(tokens);
  rest->children = std::exchange(node.children, {});
  node.children.push_back(std::move(rest));
}

OwnedSequence PrefixCache::beginning(const OwnedSequence& sequence, size_t tokens) {
  OwnedSequence begin = sequence.fork();
  engine_.truncate(begin.id(), static_cast<int32_t>(tokens));
  return begin;
}

bool PrefixCache::evict() {
  Node* parent = nullptr;  // of the leaf that was longest of no use
  size_t place = 0;
  std::vector<Node*> open = {&root_};
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    for (size_t i = 0; i < node->children.size(); ++i) {
      Node* child = node->children[i].get();
      if (!child->children.empty()) {
        open.push_back(child);
      } else if (parent == nullptr || child->used < parent->children[place]->used) {
        parent = node;
        place = i;
      }
    }
  }
  if (parent == nullptr) return false;
  Node& leaf = *parent->children[place];
  const size_t left = down_to_blocks(leaf.tokens.size() - 1);
  const int32_t length = engine_.length(leaf.sequence.id());
  const auto gone = static_cast<int32_t>(leaf.tokens.size() - left);
  engine_.truncate(leaf.sequence.id(), length - gone);
  leaf.tokens.resize(left);
  leaf.adapters.resize(left);
  if (leaf.tokens.empty()) {
    parent->children.erase(parent->children.begin() + static_cast<std::ptrdiff_t>(place));
  }
  tokens_ -= kKvBlock;
  return true;
}

}  // namespace pith
