#include "reason/prefix_cache.h"

#include <algorithm>
#include <utility>

#include "kernels/kernels.h"

namespace pith {
namespace {

size_t down_to_blocks(size_t tokens) { return tokens / kKvBlock * kKvBlock; }

// How many whole blocks' tokens two beginnings have in common.
size_t common_tokens(std::span<const TokenId> tokens, std::span<const AdapterId> adapters,
                     std::span<const TokenId> other_tokens,
                     std::span<const AdapterId> other_adapters) {
  const size_t most = std::min(tokens.size(), other_tokens.size());
  size_t common = 0;
  while (common < most && tokens[common] == other_tokens[common] &&
         adapters[common] == other_adapters[common]) {
    ++common;
  }
  return down_to_blocks(common);
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
  const size_t most = tokens.empty() ? 0 : down_to_blocks(tokens.size() - 1);
  std::vector<AdapterId> adapters(most);
  for (size_t i = 0; i < most; ++i) adapters[i] = use.at(i);
  const Match match = follow(tokens.subspan(0, most), adapters);
  return match.tokens == 0 ? OwnedSequence(engine_) : match.node->sequence.fork();
}

void PrefixCache::insert(std::span<const TokenId> tokens, const OwnedSequence& sequence) {
  ++clock_;
  const auto room = static_cast<size_t>(std::max<int64_t>(most_tokens_, 0));
  const size_t most = down_to_blocks(std::min(tokens.size(), room));
  const auto adapters = writers(engine_.adapter_spans(sequence.id()), most);
  const Match match = follow(tokens.subspan(0, most), adapters);
  if (match.tokens == most) return;
  auto node = std::make_unique<Node>();
  const auto begin = static_cast<std::ptrdiff_t>(match.tokens);
  const auto end = static_cast<std::ptrdiff_t>(most);
  node->tokens.assign(tokens.begin() + begin, tokens.begin() + end);
  node->adapters.assign(adapters.begin() + begin, adapters.begin() + end);
  node->sequence = beginning(sequence, most);
  node->used = clock_;
  match.node->children.push_back(std::move(node));
  tokens_ += static_cast<int64_t>(most - match.tokens);
  while (tokens_ > most_tokens_) evict();
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
      common = common_tokens(tokens.subspan(match.tokens), adapters.subspan(match.tokens),
                             child->tokens, child->adapters);
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
  leaf.tokens.resize(leaf.tokens.size() - kKvBlock);
  leaf.adapters.resize(leaf.tokens.size());
  const int32_t length = engine_.length(leaf.sequence.id());
  engine_.truncate(leaf.sequence.id(), length - kKvBlock);
  if (leaf.tokens.empty()) {
    parent->children.erase(parent->children.begin() + static_cast<std::ptrdiff_t>(place));
  }
  tokens_ -= kKvBlock;
  return true;
}

}  // namespace pith
