// The keys and values of all sequences, in blocks of 64 positions that sequences
// share by reference count.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/weights.h"

namespace pith {

// int16 has one scale a position, KV head and kind: as exact as f16 and, where the
// machine has 16-bit dot products, twice as fast. f32 is for reference: what the others
// are measured against.
enum class KvType { f32, f16, int16, int8 };
std::string_view kv_type_name(KvType type);  // "int16"

using BlockId = int32_t;

// A pool of blocks. A block spans all layers and KV heads; within one layer and
// head it holds keys and values (kernels/kernels.h), and for integers their scales [64] each.
// Not thread safe, but storing is, in different heads or kinds.
class KvCache {
 public:
  // Errors: exhausted (address space).
  static Result<KvCache> create(const ModelConfig& config, KvType type, int32_t blocks);

  KvType type() const { return type_; }
  int32_t blocks() const { return static_cast<int32_t>(references_.size()); }
  int32_t free_blocks() const { return static_cast<int32_t>(free_.size()); }
  size_t block_bytes() const { return block_bytes_; }
  static size_t block_bytes(const ModelConfig& config, KvType type);

  // A block with one reference; there must be a free one (CHECKed).
  BlockId allocate();
  void retain(BlockId block);
  void release(BlockId block);
  int32_t references(BlockId block) const { return references_[static_cast<size_t>(block)]; }
  bool shared(BlockId block) const { return references(block) > 1; }
  void copy(BlockId from, BlockId to);

  // Writes one position (0 to 63) of one layer and KV head: x is [D].
  void store_key(const Kernels& kernels, int32_t layer, BlockId block, int32_t head,
                 int32_t position, const float* x);
  void store_value(const Kernels& kernels, int32_t layer, BlockId block, int32_t head,
                   int32_t position, const float* x);

  // One layer and KV head of a block.
  KvBlock view(int32_t layer, BlockId block, int32_t head) const;

 private:
  uint8_t* head_data(int32_t layer, BlockId block, int32_t head) const;
  float* scales_of(uint8_t* head_data) const;

  KvType type_ = KvType::f16;
  int32_t layers_ = 0;
  int32_t heads_ = 0;
  size_t head_size_ = 0;
  size_t head_bytes_ = 0;   // of one layer and head of a block
  size_t block_bytes_ = 0;  // of a block, all layers and heads
  Pages pages_;
  std::vector<int32_t> references_;  // by block
  std::vector<BlockId> free_;        // next one last
};

}  // namespace pith
