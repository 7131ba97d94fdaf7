// A tiny model with its twin, and texts for both.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/engine_fixture.h"
#include "train/twin.h"

namespace pith::train::testing {

using pith::testing::make_engine;
using pith::testing::must;
using pith::testing::some_tokens;
using pith::testing::TinyEngine;

// The bytes of a model file, which its twin reads from.
struct TinyTwin {
  std::vector<uint8_t> bytes;
  Twin twin;

  const Twin* operator->() const { return &twin; }
  const Twin& operator*() const { return twin; }
};

inline std::shared_ptr<const GgufFile> parse_tiny(const std::vector<uint8_t>& bytes) {
  return std::make_shared<const GgufFile>(GgufFile::parse(bytes, "tiny.gguf").value());
}

inline TinyTwin make_twin(const TinySpec& spec, at::ScalarType dtype,
                          TwinMath math = TwinMath::fused) {
  std::vector<uint8_t> bytes = tiny_model(spec).bytes();
  ThreadPool pool(1);
  Twin twin = Twin::load(parse_tiny(bytes), dtype, pool, at::kCPU, math).value();
  return {std::move(bytes), std::move(twin)};  // the heap block of the bytes stays where it is
}

// Random factors, so that the adapter matters and every gradient has something to say.
inline Lora random_lora(const ModelConfig& config, size_t rank, at::ScalarType dtype) {
  return Lora::from(*random_adapter(config, rank), config, dtype).value();
}

// The gradients of all factors, which are cleared.
inline std::vector<at::Tensor> take_gradients(const Lora& lora) {
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& factor : lora.parameters()) {
    gradients.push_back(factor.grad());
    factor.mutable_grad().reset();
  }
  return gradients;
}

// ||a - b|| / ||b||
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.detach().to(at::kDouble);
  const at::Tensor y = b.detach().to(at::kDouble);
  return ((x - y).norm() / y.norm()).item<double>();
}

// A text of which the base model has read a part.
struct Text {
  std::vector<TokenId> prompt, rest;
};

// The logits of all tokens of `rest`, [T, V].
inline at::Tensor twin_logits(const Twin& twin, const Text& text, const LoraPass& pass) {
  const at::NoGradGuard no_gradient;
  const Past past = twin.read(text.prompt);
  const Continuation continuation{&past, text.rest};
  return twin.logits(twin.hidden({&continuation, 1}, pass));
}

inline at::Tensor engine_logits(Engine& engine, const Text& text, AdapterId adapter) {
  const SequenceId sequence = engine.create_sequence();
  std::vector<Row> rows;
  for (const TokenId token : text.prompt) rows.push_back({token, sequence});
  for (const TokenId token : text.rest) rows.push_back({token, sequence, true, false, adapter});
  must(engine.step(rows));
  at::Tensor logits = at::empty({static_cast<int64_t>(text.rest.size()), kTinyVocabulary});
  for (size_t i = 0; i < text.rest.size(); ++i) {
    const auto row = engine.logits(text.prompt.size() + i);
    std::copy(row.begin(), row.end(), logits[static_cast<int64_t>(i)].mutable_data_ptr<float>());
  }
  engine.release(sequence);
  return logits;
}

}  // namespace pith::train::testing
