// The packed layout: what pack_tile writes, read back weight by weight, equals what
// dequantize_row gives for the same blocks.
#include "tensor/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "support/packed_decode.h"
#include "type_name.h"

namespace pith {
namespace {

constexpr DType kTypes[] = {DType::f32,  DType::f16,  DType::bf16, DType::q4_0,  DType::q4_1,
                            DType::q5_0, DType::q5_1, DType::q8_0, DType::q2_k,  DType::q3_k,
                            DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl};

// Rows of random blocks: any bits that stand for finite numbers.
std::vector<uint8_t> random_blocks(DType type, size_t outputs, size_t inputs, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> rows(outputs * row_bytes(type, inputs));
  const DTypeInfo& info = dtype_info(type);
  std::vector<float> values(info.block_elements);
  const auto is_finite = [](float value) { return std::isfinite(value); };
  for (size_t at = 0; at < rows.size(); at += info.block_bytes) {
    do {
      for (size_t i = 0; i < info.block_bytes; ++i) rows[at + i] = static_cast<uint8_t>(random());
      dequantize_row(type, rows.data() + at, values.data(), values.size());
    } while (!std::all_of(values.begin(), values.end(), is_finite));
  }
  return rows;
}

class PackTest : public testing::TestWithParam<DType> {
 protected:
  DType type() const { return GetParam(); }
  PackedFormat format() const { return packed_format_of(GetParam()); }
  // Of one block and of several; of any length where blocks are single elements.
  std::vector<size_t> input_sizes() const {
    const size_t block = dtype_info(type()).block_elements;
    return block == 1 ? std::vector<size_t>{1, 7, 64} : std::vector<size_t>{block, 3 * block};
  }
};

// Scale and minimum are products of an fp16 number (11 bits) and an integer of at most
// 8, exact in a float; the same operations in the same order then give the same bits.
TEST_P(PackTest, DecodedEqualsDequantisedExactly) {
  for (const size_t inputs : input_sizes()) {
    for (const size_t outputs : {1, 15, 16, 17, 40}) {
      const auto rows = random_blocks(type(), outputs, inputs, outputs + inputs);
      std::vector<float> expected(inputs);
      const size_t tile_count = (outputs + kTileOutputs - 1) / kTileOutputs;
      std::vector<uint8_t> tiles(tile_count * tile_bytes(format(), inputs));
      for (size_t t = 0; t < tile_count; ++t) {
        pack_tile(type(), rows.data(), outputs, inputs, t,
                  tiles.data() + t * tile_bytes(format(), inputs));
      }
      for (size_t o = 0; o < outputs; ++o) {
        dequantize_row(type(), rows.data() + o * row_bytes(type(), inputs), expected.data(),
                       inputs);
        for (size_t i = 0; i < inputs; ++i) {
          const DecodedWeight w = decode_packed(format(), tiles.data(), inputs, o, i);
          ASSERT_EQ(w.scale * w.weight + w.minimum, expected[i])
              << "output " << o << " of " << outputs << ", input " << i << " of " << inputs;
        }
      }
    }
  }
}

// Outputs beyond the matrix are zero weights, though memory held something else.
TEST_P(PackTest, PadsTheLastTileWithZeros) {
  const size_t inputs = input_sizes().back();
  const size_t outputs = 18;
  const auto rows = random_blocks(type(), outputs, inputs, 1);
  std::vector<uint8_t> tile(tile_bytes(format(), inputs), 0xff);
  pack_tile(type(), rows.data(), outputs, inputs, 1, tile.data());
  for (size_t o = outputs - kTileOutputs; o < kTileOutputs; ++o) {
    for (size_t i = 0; i < inputs; ++i) {
      const DecodedWeight w = decode_packed(format(), tile.data(), inputs, o, i);
      ASSERT_EQ(w.scale * w.weight + w.minimum, 0.0f) << "output " << o << ", input " << i;
    }
  }
}

TEST_P(PackTest, WritesItsTileAlone) {
  const size_t inputs = input_sizes().back();
  const auto rows = random_blocks(type(), 16, inputs, 2);
  const size_t bytes = tile_bytes(format(), inputs);
  std::vector<uint8_t> memory(bytes + 128, 0xa5);
  pack_tile(type(), rows.data(), 16, inputs, 0, memory.data() + 64);
  for (size_t i = 0; i < 64; ++i) {
    ASSERT_EQ(memory[i], 0xa5);
    ASSERT_EQ(memory[64 + bytes + i], 0xa5);
  }
}

TEST_P(PackTest, TilesAreWholeCacheLines) {
  for (const size_t inputs : input_sizes()) EXPECT_EQ(tile_bytes(format(), inputs) % 64, 0u);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, PackTest, testing::ValuesIn(kTypes), type_name);

}  // namespace
}  // namespace pith
