// A dense layer of a head: what a switcher or a verifier computes from hidden states.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/new_tensor.h"
#include "io/safetensors.h"

namespace pith {

// Far above any head and any model; bound what a hostile file can ask for.
inline constexpr size_t kMostHeadInputs = size_t{1} << 16;
inline constexpr size_t kMostHeadOutputs = 4096;

struct LinearHead {
  size_t inputs = 0;
  size_t outputs = 0;
  std::vector<float> weight;  // [outputs, inputs]
  std::vector<float> bias;    // [outputs]

  // weight x + bias, summed in double in the order of the inputs: the same bits on
  // every machine. `x` has `inputs` numbers (CHECKed).
  std::vector<double> apply(std::span<const float> x) const;
};

// 1 / (1 + exp(-logit)).
double sigmoid(double logit);

// The tensors NAME.weight [outputs, inputs] in F32, F16, BF16, or I8 with NAME.scale
// [outputs] (one step per output), and NAME.bias [outputs]. Errors: corrupt (a tensor
// missing, of another shape or type, or with a value that is not a finite number).
Result<LinearHead> read_linear_head(const SafetensorsFile& file, std::string_view name);

// How a head is stored. int8: the paper's section 5.
enum class HeadPrecision { f32, f16, int8 };

// A file of such heads by their names.
struct NamedHead {
  std::string_view name;
  const LinearHead* head = nullptr;
};
Status write_linear_heads(const std::string& path, std::span<const NamedHead> heads,
                          HeadPrecision precision);

// Refuses tensors that belong to none of the heads called `names`: they would be part of
// what the file computes.
Status refuse_other_tensors(const SafetensorsFile& file, std::span<const std::string_view> names);

}  // namespace pith
