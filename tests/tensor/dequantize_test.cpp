// Against the `gguf` package: random blocks and their floats, written by
// tools/reference/dequantize_golden.py.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "tensor/dtype.h"
#include "type_name.h"

namespace pith {
namespace {

std::vector<DType> all_types() {
  std::vector<DType> types;
  for (uint32_t id = 0; id < 100; ++id) {
    if (const auto type = dtype_from_id(id)) types.push_back(*type);
  }
  return types;
}

class DequantizeTest : public testing::TestWithParam<DType> {
 protected:
  // What `type` should give, and its blocks; F32 is its own reference.
  void SetUp() override {
    auto opened = GgufFile::open(PITH_TEST_DATA "/tensor/dequantize.gguf");
    ASSERT_TRUE(opened) << opened.error().message;
    const std::string name(dtype_info(GetParam()).name);
    const bool is_f32 = GetParam() == DType::f32;
    const GgufTensor* source = opened->find_tensor(is_f32 ? "Q8_0.floats" : name);
    const GgufTensor* floats = opened->find_tensor(is_f32 ? "Q8_0.floats" : name + ".floats");
    ASSERT_TRUE(source != nullptr && floats != nullptr);
    ASSERT_EQ(source->type, GetParam());
    ASSERT_EQ(source->elements(), floats->elements());
    blocks_.assign(source->data.begin(), source->data.end());
    expected_.resize(floats->elements());
    std::memcpy(expected_.data(), floats->data.data(), floats->data.size());
  }

  std::vector<uint8_t> blocks_;
  std::vector<float> expected_;
};

TEST_P(DequantizeTest, EqualsTheReferenceToTheLastBit) {
  std::vector<float> actual(expected_.size(), -1.0f);
  dequantize_row(GetParam(), blocks_.data(), actual.data(), actual.size());
  for (size_t i = 0; i < actual.size(); ++i) ASSERT_EQ(actual[i], expected_[i]) << "element " << i;
}

TEST_P(DequantizeTest, ReadsBlocksAtAnyAddress) {
  std::vector<uint8_t> shifted(blocks_.size() + 1);
  std::memcpy(shifted.data() + 1, blocks_.data(), blocks_.size());
  std::vector<float> actual(expected_.size());
  dequantize_row(GetParam(), shifted.data() + 1, actual.data(), actual.size());
  EXPECT_EQ(actual, expected_);
}

TEST_P(DequantizeTest, WritesNoMoreThanAsked) {
  const size_t elements = dtype_info(GetParam()).block_elements;
  std::vector<float> actual(elements + 1, 12345.0f);
  dequantize_row(GetParam(), blocks_.data(), actual.data(), 0);
  EXPECT_EQ(actual[0], 12345.0f);
  dequantize_row(GetParam(), blocks_.data(), actual.data(), elements);
  EXPECT_EQ(actual[0], expected_[0]);
  EXPECT_EQ(actual[elements], 12345.0f);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, DequantizeTest, testing::ValuesIn(all_types()), type_name);

}  // namespace
}  // namespace pith
