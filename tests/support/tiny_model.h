// Tiny random models, the same ones on every machine: a weight is a hash of its
// tensor's name and its index there. tools/reference/tiny_models.py builds the same
// models for `transformers` and writes what they answer to tests/data/tiny/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/gguf_writer.h"
#include "tensor/dtype.h"

namespace pith {

inline constexpr uint32_t kTinyVocabulary = 320;  // V
inline constexpr uint32_t kTinyContext = 512;

// Sizes by the letters of model/config.h.
struct TinySpec {
  std::string name;          // of the golden file
  std::string architecture;  // "qwen2", "qwen3", "llama"
  bool tied_head = false;
  bool rope_scaling = false;  // Llama 3's, with a tensor of divisors
  uint32_t layers = 3;
  uint32_t width = 64;       // C
  uint32_t mlp_width = 96;   // F
  uint32_t query_heads = 4;  // H
  uint32_t kv_heads = 2;     // G
  uint32_t head_size = 16;   // D
  uint32_t context = kTinyContext;
  DType matrix_type = DType::f32;  // of all matrices; norms and biases stay F32
  // The values of matrix_type, stored as F32: what a loss-free computation on the
  // quantised file must equal.
  bool stored_as_f32 = false;

  // The same model, wide enough for the types with blocks of 256.
  TinySpec wide() const;

  bool operator==(const TinySpec&) const = default;
};

// One of each family: "qwen2-tied", "qwen2", "qwen3", "llama3".
std::vector<TinySpec> tiny_specs();
TinySpec tiny_spec(std::string_view name);

// The first elements of a tensor, by its name: uniform over 2^24 levels of [-1, 1).
std::vector<float> tiny_uniform(std::string_view tensor, size_t count);

// The model as a GGUF file, with a byte-level tokenizer and a chat template.
GgufWriter tiny_model(const TinySpec& spec);

}  // namespace pith
