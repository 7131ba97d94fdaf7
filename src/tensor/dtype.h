// The element types of GGUF tensors and the layout of their blocks.
// Layouts after ggml's `ggml-common.h`; numbers are ggml's type ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pith {

enum class DType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  i8 = 24,  // plain integers: of safetensors alone, whose readers know their scale
  bf16 = 30,
};

struct DTypeInfo {
  std::string_view name;        // "Q4_K", as users write it
  uint32_t block_elements = 1;  // elements of a row that share one block
  uint32_t block_bytes = 0;     // bytes of one block
};

// The types of a model's tensors that we read; nothing for any other id.
std::optional<DType> dtype_from_id(uint32_t ggml_type_id);
const DTypeInfo& dtype_info(DType type);

// The name of any id ggml has given a meaning ("IQ2_XXS"), for error messages;
// "type 999" style text is the caller's affair when this is empty.
std::string_view ggml_type_name(uint32_t ggml_type_id);

// Bytes of a row of `elements`, which is a multiple of the block size (CHECKed).
size_t row_bytes(DType type, size_t elements);

// Scalar reference: `elements` floats from the blocks at `source` (any alignment).
void dequantize_row(DType type, const void* source, float* out, size_t elements);

}  // namespace pith
