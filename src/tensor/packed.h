// The layout in which weights stay in memory: what the kernels stream.
//
// A matrix [outputs, inputs] is cut into tiles of 16 outputs. A tile is one
// contiguous run of bytes, its blocks of 32 inputs in order; the last tile is
// padded with zero weights. Within a block, inputs stand in 8 groups of 4: one
// 64-byte vector holds, for each of the 16 outputs, 4 neighbouring inputs, which
// is what one 8-bit dot-product instruction eats.
//
// Two families of quantised formats, after the GGUF types they come from:
//   super blocks of 256 inputs, integer scales (and minimums) per 16 or 32
//   inputs under one fp16 scale per output:     k2m k4m k5m k6
//   blocks of 32 inputs with an fp16 scale (and minimum): s4 s4m s5 s5m s8
// and float formats: f32 f16 bf16. The exact bytes are in docs/formats.md.
//
// Functions are static: kernels compiled for different ISAs include this file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pith {

enum class PackedFormat : uint8_t { k2m, k4m, k5m, k6, s4, s4m, s5, s5m, s8, f32, f16, bf16 };
inline constexpr int kPackedFormats = 12;

inline constexpr int kTileOutputs = 16;   // outputs of a tile
inline constexpr int kBlockInputs = 32;   // inputs of a block
inline constexpr int kSuperInputs = 256;  // inputs of a super block

struct PackedFormatInfo {
  const char* name;
  int bits;      // of a stored weight: 2, 4, 5, 6, 8; 16 or 32 for floats
  int group;     // inputs that share one integer scale (k formats), else kBlockInputs
  bool has_min;  // weight = scale * q - minimum (s formats: + minimum)
  int offset;    // subtracted from stored weights: weight = scale * (q - offset)
};

static constexpr PackedFormatInfo packed_info(PackedFormat format) {
  switch (format) {
    case PackedFormat::k2m:
      return {"k2m", 2, 16, true, 0};
    case PackedFormat::k4m:
      return {"k4m", 4, 32, true, 0};
    case PackedFormat::k5m:
      return {"k5m", 5, 32, true, 0};
    case PackedFormat::k6:
      return {"k6", 6, 16, false, 32};
    case PackedFormat::s4:
      return {"s4", 4, 32, false, 8};
    case PackedFormat::s4m:
      return {"s4m", 4, 32, true, 0};
    case PackedFormat::s5:
      return {"s5", 5, 32, false, 16};
    case PackedFormat::s5m:
      return {"s5m", 5, 32, true, 0};
    case PackedFormat::s8:
      return {"s8", 8, 32, false, 128};
    case PackedFormat::f32:
      return {"f32", 32, 32, false, 0};
    case PackedFormat::f16:
      return {"f16", 16, 32, false, 0};
    case PackedFormat::bf16:
      return {"bf16", 16, 32, false, 0};
  }
  return {"", 0, 0, false, 0};
}

static constexpr bool is_super(PackedFormat format) { return format <= PackedFormat::k6; }
static constexpr bool is_float(PackedFormat format) { return format >= PackedFormat::f32; }

// Bytes of the stored weights of one block of 32 inputs in a tile: planes of
// nibbles (4 vectors), of 2 high bits (2 vectors), of 1 high bit (1 vector).
static constexpr size_t block_bytes(PackedFormat format) {
  return static_cast<size_t>(packed_info(format).bits) * kTileOutputs * kBlockInputs / 8;
}

// What stands before the weights of a super block in a tile:
//   d fp16 [16], d_min fp16 [16] (zero where the format has no minimum),
//   scales 8 bits [256 / group][16] (signed for k6, else unsigned),
//   minimums u8 [256 / group / 2][16][2] (formats with a minimum).
static constexpr size_t super_header_bytes(PackedFormat format) {
  const PackedFormatInfo info = packed_info(format);
  const size_t groups = static_cast<size_t>(kSuperInputs / info.group);
  return 64 + groups * kTileOutputs * (info.has_min ? 2 : 1);
}
static constexpr size_t super_bytes(PackedFormat format) {
  return super_header_bytes(format) + kSuperInputs / kBlockInputs * block_bytes(format);
}

// What stands before the weights of a tile of an s format: scales fp16
// [blocks][16], then minimums fp16 [blocks][16], each padded to 64 bytes.
static constexpr size_t simple_column_bytes(size_t inputs) {
  return (inputs / kBlockInputs * kTileOutputs * 2 + 63) / 64 * 64;
}
static constexpr size_t simple_header_bytes(PackedFormat format, size_t inputs) {
  return simple_column_bytes(inputs) * (packed_info(format).has_min ? 2 : 1);
}

// Bytes of a tile. `inputs` is a multiple of 256 (k), 32 (s) or anything (float:
// [inputs][16] elements, padded to 64 bytes).
static constexpr size_t tile_bytes(PackedFormat format, size_t inputs) {
  if (is_super(format)) return inputs / kSuperInputs * super_bytes(format);
  if (is_float(format))
    return inputs * kTileOutputs * packed_info(format).bits / 8 / 64 * 64 +
           (inputs * kTileOutputs * packed_info(format).bits / 8 % 64 ? 64 : 0);
  return simple_header_bytes(format, inputs) + inputs / kBlockInputs * block_bytes(format);
}

}  // namespace pith
