// The same product as pith_matmul.cpp's by llama.cpp, whose kernels depend on what this is
// compiled for:
//   llama_matmul TYPE ROWS OUTPUTS
// Kernels and their order are those of its forward_mul_mat_one_chunk (repack.cpp) and
// ggml_compute_forward_mul_mat_one_chunk (ggml-cpu.c): four rows at a time by gemm, what is
// left by gemv; types that are not repacked by one dot product for each row and output, or
// two by two.
#include <cstdlib>
#include <string_view>
#include <vector>

#include "repack.h"  // first: it declares the types in C++

#include "quants.h"

namespace {

constexpr int kInputs = 1536;
constexpr int kMaxRows = 16;
constexpr int kMaxOutputs = 1024;
#ifdef __ARM_FEATURE_MATMUL_INT8
constexpr bool kPairs = true;
#define REPACKED(kernel, type) ggml_##kernel##_##type##_8x8_q8_K
#else
constexpr bool kPairs = false;
#define REPACKED(kernel, type) ggml_##kernel##_##type##_8x4_q8_K
#endif

// Of `rows` rows; outputs are [rows, stride].
using Repacked = void (*)(int inputs, float* out, size_t stride, const void* weights,
                          const void* activations, int rows, int outputs);
// Of `pair` rows with as many outputs; strides in bytes but for that of the output.
using Dot = void (*)(int inputs, float* out, size_t stride, const void* weights,
                     size_t weight_stride, const void* activations, size_t activation_stride,
                     int pair);

struct Type {
  std::string_view name;
  size_t weight_bytes;      // of a row
  size_t activation_bytes;  // of a row
  Repacked gemm;
  Repacked gemv;
  Dot dot;  // where there is no gemm
  bool pairs;
};

constexpr size_t kSupers = kInputs / QK_K;
constexpr size_t kBlocks = kInputs / QK8_0;
constexpr Type kTypes[] = {
    {"Q4_K", kSupers * sizeof(block_q4_K), kSupers * sizeof(block_q8_K), REPACKED(gemm, q4_K),
     REPACKED(gemv, q4_K), nullptr, false},
    {"Q6_K", kSupers * sizeof(block_q6_K), kSupers * sizeof(block_q8_K), REPACKED(gemm, q6_K),
     REPACKED(gemv, q6_K), nullptr, false},
    {"Q5_0", kBlocks * sizeof(block_q5_0), kBlocks * sizeof(block_q8_0), nullptr, nullptr,
     ggml_vec_dot_q5_0_q8_0, false},
    {"Q4_1", kBlocks * sizeof(block_q4_1), kBlocks * sizeof(block_q8_1), nullptr, nullptr,
     ggml_vec_dot_q4_1_q8_1, kPairs},
};

void repacked(const Type& type, int rows, int outputs, const char* weights, const char* activations,
              float* out) {
  const int many = rows / 4 * 4;
  if (many > 0) type.gemm(kInputs, out, kMaxOutputs, weights, activations, many, outputs);
  for (int row = many; row < rows; ++row) {
    type.gemv(kInputs, out + row * kMaxOutputs, kMaxOutputs, weights,
              activations + row * type.activation_bytes, 1, outputs);
  }
}

void dots(const Type& type, int rows, int outputs, const char* weights, const char* activations,
          float* out) {
  const int pair = type.pairs && rows % 2 == 0 ? 2 : 1;
  for (int row = 0; row < rows; row += pair) {
    for (int output = 0; output < outputs; output += pair) {
      type.dot(kInputs, out + row * kMaxOutputs + output, kMaxOutputs,
               weights + output * type.weight_bytes, type.weight_bytes,
               activations + row * type.activation_bytes, type.activation_bytes, pair);
    }
  }
}

}  // namespace

// What its sources call when they give up, and is of a file that is not linked.
extern "C" void ggml_abort(const char*, int, const char*, ...) { std::abort(); }

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int rows = std::atoi(argv[2]);
  const int outputs = std::atoi(argv[3]);
  if (rows <= 0 || rows > kMaxRows || outputs <= 0 || outputs > kMaxOutputs || outputs % 8 != 0) {
    return 2;
  }
  for (const Type& type : kTypes) {
    if (type.name != argv[1]) continue;
    const std::vector<char> weights(kMaxOutputs * type.weight_bytes, 1);
    const std::vector<char> activations(kMaxRows * type.activation_bytes, 1);
    std::vector<float> out(kMaxRows * kMaxOutputs);
    (type.gemm ? repacked : dots)(type, rows, outputs, weights.data(), activations.data(),
                                  out.data());
    return 0;
  }
  return 2;
}
