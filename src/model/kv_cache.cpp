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

std::string_view kv_type_name(KvType type) {
  switch (type) {
    case KvType::f32:
      return "f32";
    case KvType::f16:
      return "f16";
    case KvType::int16:
      return "int16";
    case KvType::int8:
      break;
  }
  return "int8";
}

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
  PITH_TRY(cache.pages_,
           Pages::allocate(cache.block_bytes_ * static_cast<size_t>(blocks), "keys and values"));
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

void KvCache::store_key(const Kernels& kernels, int32_t layer, BlockId block, int32_t head,
                        int32_t position, const float* x) {
  const size_t size = head_size_;
  const auto at = static_cast<size_t>(position);
  uint8_t* keys = head_data(layer, block, head);
  float* scales = scales_of(keys);
  switch (type_) {
    case KvType::f32:
      for (size_t d = 0; d < size; ++d) reinterpret_cast<float*>(keys)[d * kBlock + at] = x[d];
      break;
    case KvType::f16: {
      uint16_t halves[kLargestHead];
      kernels.to_half(x, size, halves);
      for (size_t d = 0; d < size; ++d) {
        reinterpret_cast<uint16_t*>(keys)[d * kBlock + at] = halves[d];
      }
      break;
    }
    case KvType::int16: {
      int16_t whole[kLargestHead];
      scales[at] = quantize_head(x, size, kInt16KeyLimit, whole);
      for (size_t d = 0; d < size; ++d) {
        reinterpret_cast<int16_t*>(keys)[paired_key_at(d, at)] = whole[d];
      }
      break;
    }
    case KvType::int8: {
      int8_t whole[kLargestHead];
      scales[at] = quantize_head(x, size, 127, whole);
      for (size_t d = 0; d < size; ++d) {
        reinterpret_cast<int8_t*>(keys)[d * kBlock + at] = whole[d];
      }
      break;
    }
  }
}

void KvCache::store_value(const Kernels& kernels, int32_t layer, BlockId block, int32_t head,
                          int32_t position, const float* x) {
  const size_t size = head_size_;
  const auto at = static_cast<size_t>(position);
  uint8_t* keys = head_data(layer, block, head);
  uint8_t* values = keys + size * kBlock * element_bytes(type_);
  float* scales = scales_of(keys) + kBlock;
  switch (type_) {
    case KvType::f32:
      std::memcpy(reinterpret_cast<float*>(values) + at * size, x, size * sizeof(float));
      break;
    case KvType::f16:
      kernels.to_half(x, size, reinterpret_cast<uint16_t*>(values) + at * size);
      break;
    case KvType::int16: {
      int16_t whole[kLargestHead];
      scales[at] = quantize_head(x, size, kInt16ValueLimit, whole);
      for (size_t d = 0; d < size; ++d) {
        reinterpret_cast<int16_t*>(values)[paired_value_at(at, d, size)] = whole[d];
      }
      break;
    }
    case KvType::int8:
      scales[at] = quantize_head(x, size, 127, reinterpret_cast<int8_t*>(values) + at * size);
      break;
  }
}

// Behind the keys and values of a head; only integer types have them.
float* KvCache::scales_of(uint8_t* head_data) const {
  return reinterpret_cast<float*>(head_data + 2 * head_size_ * kBlock * element_bytes(type_));
}

KvBlock KvCache::view(int32_t layer, BlockId block, int32_t head) const {
  uint8_t* data = head_data(layer, block, head);
  const size_t elements = head_size_ * kBlock;
  KvBlock view{.keys = data, .values = data + elements * element_bytes(type_)};
  if (has_scales(type_)) {
    view.key_scales = scales_of(data);
    view.value_scales = view.key_scales + kBlock;
  }
  return view;
}

}  // namespace pith
