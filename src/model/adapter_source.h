// Low-rank adapters (LoRA, arXiv 2106.09685) as files carry them: for some matrices
// W of the layers, two factors such that W x becomes W x + alpha / R * B (A x).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/config.h"

namespace pith {

// The matrices of a layer, in the order in which the forward pass uses them.
enum class LayerMatrix : uint8_t { query, key, value, attention_output, gate, up, down };
inline constexpr int kLayerMatrices = 7;

struct MatrixShape {
  size_t outputs = 0;
  size_t inputs = 0;
};
MatrixShape matrix_shape(const ModelConfig& config, LayerMatrix matrix);

// Far above any that is trained; bounds what a hostile file can ask for.
inline constexpr size_t kMaxAdapterRank = 4096;

// The factors of one matrix. R is the rank.
struct LowRank {
  std::vector<float> a;  // [R, inputs]
  std::vector<float> b;  // [outputs, R], rows in the order that GGUF has for W
  double scale = 1;      // alpha / R
};

class AdapterSource {
 public:
  virtual ~AdapterSource() = default;

  // R; 0 where the adapter leaves the matrix as it is.
  virtual size_t rank(int32_t layer, LayerMatrix matrix) const = 0;
  // The factors of a matrix whose rank is not 0. Safe from several threads. Errors:
  // corrupt (a value that is not a finite number).
  virtual Result<LowRank> read(int32_t layer, LayerMatrix matrix) const = 0;
  // What switches an activated LoRA (arXiv 2504.12397) on: from the first token of
  // their last occurrence in a prompt. Empty for a plain LoRA.
  virtual const std::vector<int32_t>& invocation_tokens() const = 0;
};

// A PEFT folder (adapter_config.json, adapter_model.safetensors) or a GGUF adapter,
// checked against the model it is for. Errors: not_found, io, corrupt, unsupported
// (what the adapter has that cannot be run; the wrong model).
Result<std::unique_ptr<AdapterSource>> open_adapter(const std::string& path,
                                                    const ModelConfig& config);

// An adapter of random numbers on all matrices of all layers, the same for the same
// rank: for measurements.
std::unique_ptr<AdapterSource> random_adapter(const ModelConfig& config, size_t rank);

// How a GGUF adapter is stored. int8: Q8_0, and float16 where the rank is no multiple of its
// blocks of 32.
enum class AdapterStorage { f32, f16, int8 };

// The other way: files that PEFT (in float32) and llama.cpp load. write_peft makes the
// folder if need be. Errors: io, exhausted, those of read(); unsupported (numbers too large
// for 16 bits).
Status write_peft(const AdapterSource& source, const ModelConfig& config,
                  const std::string& folder);
Status write_gguf_adapter(const AdapterSource& source, const ModelConfig& config,
                          const std::string& path, AdapterStorage storage = AdapterStorage::f32);

}  // namespace pith
