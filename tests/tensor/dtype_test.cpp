#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <string>

namespace pith {
namespace {

TEST(DType, EveryIdWeReadHasItsNameAndABlock) {
  int readable = 0;
  for (uint32_t id = 0; id < 100; ++id) {
    const auto type = dtype_from_id(id);
    if (!type) continue;
    ++readable;
    const DTypeInfo& info = dtype_info(*type);
    EXPECT_EQ(info.name, ggml_type_name(id));
    EXPECT_GT(info.block_bytes, 0u);
    EXPECT_EQ(row_bytes(*type, 3 * info.block_elements), 3 * info.block_bytes);
    EXPECT_EQ(row_bytes(*type, 0), 0u);
  }
  EXPECT_EQ(readable, 14);
}

TEST(DType, OtherIdsAreNamedWhereGgmlNamesThem) {
  EXPECT_FALSE(dtype_from_id(16));
  EXPECT_EQ(ggml_type_name(16), "IQ2_XXS");
  EXPECT_EQ(ggml_type_name(39), "MXFP4");
  EXPECT_FALSE(dtype_from_id(999));
  EXPECT_EQ(ggml_type_name(999), "");
  EXPECT_EQ(ggml_type_name(UINT32_MAX), "");
}

TEST(DTypeDeathTest, ARowThatIsNoWholeNumberOfBlocksIsOurBug) {
  EXPECT_DEATH(row_bytes(DType::q4_k, 255), "bug at");
}

}  // namespace
}  // namespace pith
