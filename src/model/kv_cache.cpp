#include "model/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pith {
namespace {

constexpr size_t kBlock = kKvBlock;
constexpr size_t kLargestHead = 256;

size_t element_bytes(KvType type) {
  switch (type) {
    case KvType::f32:
      return sizeof(float);
    case KvType::f16:
    case KvType::int16:
      return 2;
    case KvType::int8:
      return 1;
  }
  PITH_CHECK(false);
}

bool has_scales(KvType type) { return type == KvType::int16 || type == KvType::int8; }

size_t bytes_per_head(size_t head_size, KvType type) {
  return 2 * kBlock * (head_size * element_bytes(type) + (has_scales(type) ? sizeof(float) : 0));
}

// Integers up to `limit` under one scale; returns it.
template <class Integer>
float quantize_head(const float* x, size_t n, int limit, Integer* q) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float most = static_cast<float>(limit);
  const float inverse = largest > kNoActivation ? most / largest : 0.0f;
  for (size_t i = 0; i < n; ++i) q[i] = static_cast<Integer>(std::lrintf(x[i] * inverse));
  return largest / most;
}

}  // namespace

size_t KvCache::block_bytes(const ModelConfig& config, KvType type) {
  return static_cast<size_t>(config.layers) * static_cast<size_t>(config.kv_heads) *
         bytes_per_head(static_cast<size_t>(config.head_size), type);
}

Result<KvCache> KvCache::create(const ModelConfig& config, KvType type, int32_t blocks) {
  KvCache cache;
  cache.type_ = type;
  cache.layers_ = config.layers;
  cache.heads_ = config.kv_heads;
  cache.head_size_ = static_cast<size_t>(config.head_size);
  cache.head_bytes_ = bytes_per_head(cache.head_size_, type);
  cache.block_bytes_ = block_bytes(config, type);
  PITH_TRY(cache.pages_, Pages::allocate(cache.block_bytes_ * static_cast<size_t>(blocks)));
  cache.references_.assign(static_cast<size_t>(blocks), 0);
  for (BlockId block = blocks - 1; block >= 0; --block) cache.free_.push_back(block);
  return cache;
}

BlockId KvCache::allocate() {
  PITH_CHECK(!free_.empty());
  const BlockId block = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

void KvCache::retain(BlockId block) { ++references_[static_cast<size_t>(block)]; }

void KvCache::release(BlockId block) {
  int32_t& references = references_[static_cast<size_t>(block)];
  PITH_CHECK(references > 0);
  if (--references == 0) free_.push_back(block);
}

void KvCache::copy(BlockId from, BlockId to) {
  for (int32_t layer = 0; layer < layers_; ++layer) {
    std::memcpy(head_data(layer, to, 0), head_data(layer, from, 0),
                head_bytes_ * static_cast<size_t>(heads_));
  }
}

// [layer, block, head]: what one step reads of a layer stands together.
uint8_t* KvCache::head_data(int32_t layer, BlockId block, int32_t head) const {
  const size_t index =
      (static_cast<size_t>(layer) * references_.size() + static_cast<size_t>(block)) *
          static_cast<size_t>(heads_) +
      static_cast<size_t>(head);
  return pages_.data() + index * head_bytes_;
}

void KvCache::store(const Kernels& kernels, int32_t layer, BlockId block, int32_t position,
                    const float* keys, const float* values) {
  const size_t size = head_size_;
  const auto at = static_cast<size_t>(position);
  for (int32_t head = 0; head < heads_; ++head, keys += size, values += size) {
    uint8_t* data = head_data(layer, block, head);
    if (type_ == KvType::f32) {
      auto* key_cells = reinterpret_cast<float*>(data);
      for (size_t d = 0; d < size; ++d) key_cells[d * kBlock + at] = keys[d];
      std::memcpy(key_cells + size * kBlock + at * size, values, size * sizeof(float));
    } else if (type_ == KvType::f16) {
      auto* key_cells = reinterpret_cast<uint16_t*>(data);
      uint16_t key[kLargestHead];
      kernels.to_half(keys, size, key);
      for (size_t d = 0; d < size; ++d) key_cells[d * kBlock + at] = key[d];
      kernels.to_half(values, size, key_cells + size * kBlock + at * size);
    } else if (type_ == KvType::int16) {
      auto* key_cells = reinterpret_cast<int16_t*>(data);
      int16_t* value_cells = key_cells + size * kBlock;
      auto* scales = reinterpret_cast<float*>(value_cells + size * kBlock);
      int16_t head_cells[kLargestHead];
      scales[at] = quantize_head(keys, size, kInt16KeyLimit, head_cells);
      for (size_t d = 0; d < size; ++d) key_cells[paired_key_at(d, at)] = head_cells[d];
      scales[kBlock + at] = quantize_head(values, size, kInt16ValueLimit, head_cells);
      for (size_t d = 0; d < size; ++d) {
        value_cells[paired_value_at(at, d, size)] = head_cells[d];
      }
    } else {
      auto* key_cells = reinterpret_cast<int8_t*>(data);
      auto* scales = reinterpret_cast<float*>(data + 2 * kBlock * size);
      int8_t key[kLargestHead];
      scales[at] = quantize_head(keys, size, 127, key);
      for (size_t d = 0; d < size; ++d) key_cells[d * kBlock + at] = key[d];
      scales[kBlock + at] = quantize_head(values, size, 127, key_cells + size * kBlock + at * size);
    }
  }
}

void KvCache::locate(int32_t layer, BlockId block, int32_t head, AttendArgs& args) const {
  const uint8_t* data = head_data(layer, block, head);
  const size_t elements = head_size_ * kBlock;
  args.head_size = head_size_;
  args.keys = data;
  args.values = data + elements * element_bytes(type_);
  if (has_scales(type_)) {
    args.key_scales = reinterpret_cast<const float*>(data + 2 * elements * element_bytes(type_));
    args.value_scales = args.key_scales + kBlock;
  }
}

}  // namespace pith
