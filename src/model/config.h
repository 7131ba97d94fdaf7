// What a model is: sizes and switches, read from the metadata of its GGUF file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/gguf.h"

namespace pith {

inline constexpr int32_t kMostGroupHeads = 64;  // query heads that share one KV head

// Letters of the shapes used everywhere:
//   T rows of this step   C model width    F MLP width   V vocabulary
//   H query heads         G KV heads       D head size
struct ModelConfig {
  std::string architecture;  // GGUF's general.architecture: "qwen2", "qwen3", "llama"
  std::string name;          // general.name, for people; may be empty
  int32_t layers = 0;
  int32_t width = 0;        // C
  int32_t mlp_width = 0;    // F
  int32_t vocabulary = 0;   // V
  int32_t query_heads = 0;  // H
  int32_t kv_heads = 0;     // G, divides H
  int32_t head_size = 0;    // D, even
  int32_t context = 0;      // tokens the model was made for
  float norm_epsilon = 1e-6f;
  float rope_base = 10000.0f;
  bool rope_interleaved = false;     // pairs (2i, 2i+1) as GGUF stores Llama; else (i, i + D/2)
  std::vector<float> rope_divisors;  // [D/2] Llama 3's frequency divisors; empty: all 1
  bool attention_bias = false;       // Qwen2: biases on q, k, v
  bool head_norm = false;            // Qwen3: RMS norm of each query and key head
  bool tied_head = false;            // output matrix = token embedding

  int32_t query_width() const { return query_heads * head_size; }  // H * D
  int32_t kv_width() const { return kv_heads * head_size; }        // G * D
};

// The tensor with Llama 3's divisors, which are read with the configuration.
inline constexpr std::string_view kRopeDivisorsTensor = "rope_freqs.weight";

// Errors: unsupported (architecture, named with the list of those we run),
// corrupt (a size missing, zero, absurd or contradicting another).
Result<ModelConfig> read_model_config(const GgufFile& file);

// The architectures we run, for messages and `pith show`.
std::vector<std::string> supported_architectures();

}  // namespace pith
