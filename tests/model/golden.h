// Golden files of tools/reference/tiny_models.py and tiny_adapters.py: a text, and what
// another program says of it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "text/tokenizer.h"

namespace pith::testing {

// ||a - b|| / ||b||; infinite where they are not of one size.
inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

// Of T tokens; what a file does not have is empty.
struct Golden {
  std::vector<TokenId> tokens;
  std::vector<float> logits;          // [T, V]
  std::vector<float> logits_half_kv;  // [T, V] with keys and values in fp16
  std::vector<float> hidden;          // [T, C]
};

// `name` without ".gguf", under tests/data.
inline Golden read_golden(const std::string& name) {
  const auto file = GgufFile::open(PITH_TEST_DATA "/" + name + ".gguf").value();
  const auto floats = [&](const char* tensor_name) {
    const GgufTensor* tensor = file.find_tensor(tensor_name);
    std::vector<float> values(tensor == nullptr ? 0 : tensor->elements());
    if (tensor != nullptr) std::memcpy(values.data(), tensor->data.data(), tensor->data.size());
    return values;
  };
  Golden golden{{}, floats("logits"), floats("logits_half_kv"), floats("hidden")};
  const std::span<const int64_t> tokens = file.integers("golden.tokens").value();
  for (const int64_t id : tokens) golden.tokens.push_back(static_cast<TokenId>(id));
  return golden;
}

}  // namespace pith::testing
