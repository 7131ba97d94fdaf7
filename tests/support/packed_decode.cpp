#include "support/packed_decode.h"

#include <cstring>

#include "tensor/half.h"

namespace pith {
namespace {

uint16_t load_u16(const uint8_t* p, size_t index) {
  uint16_t value;
  std::memcpy(&value, p + 2 * index, sizeof value);
  return value;
}

float half_at(const uint8_t* p, size_t index) { return float_from_half(load_u16(p, index)); }

// The stored integer of `output` (of a tile) and `i` (of a block).
int stored_weight(int bits, const uint8_t* planes, size_t output, size_t i) {
  const size_t vector = i / 4;
  const size_t at = output * 4 + i % 4;
  if (bits == 2) return planes[vector / 4 * 64 + at] >> (vector % 4 * 2) & 3;
  if (bits == 8) return planes[vector * 64 + at];
  const int low = planes[vector % 4 * 64 + at] >> (vector / 4 * 4) & 15;
  const uint8_t* high = planes + 256;
  if (bits == 5) return low | (high[at] >> vector & 1) << 4;
  if (bits == 6) return low | (high[vector / 4 * 64 + at] >> (vector % 4 * 2) & 3) << 4;
  return low;
}

DecodedWeight decode_super(PackedFormat format, const uint8_t* tile, size_t output, size_t input) {
  const PackedFormatInfo info = packed_info(format);
  const uint8_t* super = tile + input / kSuperInputs * super_bytes(format);
  const size_t within = input % kSuperInputs;
  const size_t group = within / static_cast<size_t>(info.group);
  const uint8_t* scales = super + 64;
  const uint8_t* minimums = scales + kSuperInputs / info.group * kTileOutputs;
  const uint8_t* planes =
      super + super_header_bytes(format) + within / kBlockInputs * block_bytes(format);
  const int weight = stored_weight(info.bits, planes, output, within % kBlockInputs) - info.offset;
  const uint8_t byte = scales[group * kTileOutputs + output];
  const int scale = info.has_min ? byte : static_cast<int8_t>(byte);
  const int minimum =
      info.has_min ? minimums[(group / 2 * kTileOutputs + output) * 2 + group % 2] : 0;
  return {half_at(super, output) * static_cast<float>(scale), static_cast<float>(weight),
          -half_at(super + 32, output) * static_cast<float>(minimum)};
}

DecodedWeight decode_simple(PackedFormat format, const uint8_t* tile, size_t inputs, size_t output,
                            size_t input) {
  const PackedFormatInfo info = packed_info(format);
  const size_t block = input / kBlockInputs;
  const uint8_t* planes = tile + simple_header_bytes(format, inputs) + block * block_bytes(format);
  const int weight = stored_weight(info.bits, planes, output, input % kBlockInputs) - info.offset;
  const size_t at = block * kTileOutputs + output;
  return {half_at(tile, at), static_cast<float>(weight),
          info.has_min ? half_at(tile + simple_column_bytes(inputs), at) : 0.0f};
}

DecodedWeight decode_float(PackedFormat format, const uint8_t* tile, size_t output, size_t input) {
  const size_t at = input * kTileOutputs + output;
  if (format == PackedFormat::f16) return {1, half_at(tile, at), 0};
  if (format == PackedFormat::bf16) return {1, float_from_bf16(load_u16(tile, at)), 0};
  float value;
  std::memcpy(&value, tile + 4 * at, sizeof value);
  return {1, value, 0};
}

}  // namespace

DecodedWeight decode_packed(PackedFormat format, const uint8_t* tiles, size_t inputs, size_t output,
                            size_t input) {
  const uint8_t* tile = tiles + output / kTileOutputs * tile_bytes(format, inputs);
  const size_t within = output % kTileOutputs;
  if (is_super(format)) return decode_super(format, tile, within, input);
  if (is_float(format)) return decode_float(format, tile, within, input);
  return decode_simple(format, tile, inputs, within, input);
}

}  // namespace pith
