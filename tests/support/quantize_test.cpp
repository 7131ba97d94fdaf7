// The test quantisers against the library's own dequantize_row.
#include "support/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/tiny_model.h"

namespace pith {
namespace {

struct Expected {
  DType type;
  double relative_error;  // of 4096 uniform values: step / sqrt(12) / (1 / sqrt(3)), rounded up
};

class QuantizeTest : public testing::TestWithParam<Expected> {};

TEST_P(QuantizeTest, ComesBackWithinTheStepOfTheType) {
  const std::vector<float> values = tiny_uniform("quantize", 4096);
  const std::vector<uint8_t> blocks = quantize_row(GetParam().type, values);
  std::vector<float> back(values.size());
  dequantize_row(GetParam().type, blocks.data(), back.data(), back.size());
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    error += std::pow(back[i] - values[i], 2);
    norm += std::pow(values[i], 2);
  }
  EXPECT_LE(std::sqrt(error / norm), GetParam().relative_error);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, QuantizeTest,
                         testing::Values(Expected{DType::f32, 0.0}, Expected{DType::f16, 0.0005},
                                         Expected{DType::bf16, 0.004}, Expected{DType::q4_0, 0.08},
                                         Expected{DType::q4_1, 0.07}, Expected{DType::q5_0, 0.04},
                                         Expected{DType::q5_1, 0.035}, Expected{DType::q8_0, 0.005},
                                         Expected{DType::q2_k, 0.36}, Expected{DType::q3_k, 0.18},
                                         Expected{DType::q4_k, 0.075}, Expected{DType::q5_k, 0.04},
                                         Expected{DType::q6_k, 0.02}, Expected{DType::iq4_nl, 0.1}),
                         [](const auto& type) {
                           return std::string(dtype_info(type.param.type).name);
                         });

}  // namespace
}  // namespace pith
