#include "tensor/dtype.h"

#include <array>

#include "base/error.h"

namespace pith {
namespace {

struct Entry {
  DType type;
  DTypeInfo info;
};

constexpr Entry kTypes[] = {
    {DType::f32, {"F32", 1, 4}},       {DType::f16, {"F16", 1, 2}},
    {DType::bf16, {"BF16", 1, 2}},     {DType::q4_0, {"Q4_0", 32, 18}},
    {DType::q4_1, {"Q4_1", 32, 20}},   {DType::q5_0, {"Q5_0", 32, 22}},
    {DType::q5_1, {"Q5_1", 32, 24}},   {DType::q8_0, {"Q8_0", 32, 34}},
    {DType::q2_k, {"Q2_K", 256, 84}},  {DType::q3_k, {"Q3_K", 256, 110}},
    {DType::q4_k, {"Q4_K", 256, 144}}, {DType::q5_k, {"Q5_K", 256, 176}},
    {DType::q6_k, {"Q6_K", 256, 210}}, {DType::iq4_nl, {"IQ4_NL", 32, 18}},
    {DType::i8, {"I8", 1, 1}},
};

// By ggml's id; empty where an id was never given or has been withdrawn.
constexpr std::array<std::string_view, 42> kGgmlNames = {
    "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
    "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
    "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
    "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
    "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
    "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0"};

}  // namespace

std::optional<DType> dtype_from_id(uint32_t ggml_type_id) {
  for (const Entry& entry : kTypes) {
    if (entry.type == DType::i8) continue;
    if (static_cast<uint32_t>(entry.type) == ggml_type_id) return entry.type;
  }
  return std::nullopt;
}

const DTypeInfo& dtype_info(DType type) {
  const Entry* found = nullptr;
  for (const Entry& entry : kTypes) {
    if (entry.type == type) found = &entry;
  }
  PITH_CHECK(found != nullptr);
  return found->info;
}

std::string_view ggml_type_name(uint32_t ggml_type_id) {
  return ggml_type_id < kGgmlNames.size() ? kGgmlNames[ggml_type_id] : std::string_view();
}

size_t row_bytes(DType type, size_t elements) {
  const DTypeInfo& info = dtype_info(type);
  PITH_CHECK(elements % info.block_elements == 0);
  return elements / info.block_elements * info.block_bytes;
}

}  // namespace pith
