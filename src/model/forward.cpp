#include "model/forward.h"

#include <algorithm>
#include <cmath>

#include "base/cpu.h"

namespace pith {
namespace {

size_t largest_input(const ModelConfig& config) {
  return static_cast<size_t>(std::max({config.width, config.query_width(), config.mlp_width}));
}

const Kernels& machine_kernels() {
  const Result<Isa> isa = chosen_isa();
  PITH_CHECK(isa.has_value());  // Model::load has checked it
  return kernels_for(*isa);
}

}  // namespace

RotaryTable::RotaryTable(const ModelConfig& config, size_t max_rows) {
  const auto half = static_cast<size_t>(config.head_size / 2);
  for (size_t i = 0; i < half; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / config.head_size;
    const double divisor = config.rope_divisors.empty() ? 1.0 : config.rope_divisors[i];
    frequencies_.push_back(static_cast<float>(std::pow(config.rope_base, exponent) / divisor));
  }
  cosines_.resize(max_rows * half);
  sines_.resize(max_rows * half);
}

void RotaryTable::set_position(size_t row, int32_t position) {
  const size_t half = frequencies_.size();
  for (size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * static_cast<double>(frequencies_[i]);
    cosines_[row * half + i] = static_cast<float>(std::cos(angle));
    sines_[row * half + i] = static_cast<float>(std::sin(angle));
  }
}

Forward::Forward(std::shared_ptr<const Model> model, ThreadPool& pool, size_t max_rows)
    : model_(std::move(model)),
      pool_(pool),
      kernels_(machine_kernels()),
      rotary_(model_->config(), max_rows),
      attention_(model_->config(), pool, max_rows),
      linear_(pool, kernels_, max_rows, largest_input(model_->config())) {
  const ModelConfig& config = model_->config();
  const auto floats = [&](int32_t width) { return max_rows * static_cast<size_t>(width); };
  x_.resize(floats(config.width));
  normed_.resize(floats(config.width));
  queries_.resize(floats(config.query_width()));
  keys_.resize(floats(config.kv_width()));
  values_.resize(floats(config.kv_width()));
  attended_.resize(floats(config.query_width()));
  gate_.resize(floats(config.mlp_width));
  up_.resize(floats(config.mlp_width));
}

void Forward::run(KvCache& cache, const std::vector<ForwardRow>& rows,
                  std::span<const size_t> outputs, std::span<const size_t> wanted_logits) {
  rows_ = rows.size();
  linear_.start_step(rows);
  embed(rows);
  for (int32_t layer = 0; layer < model_->config().layers; ++layer) {
    attention_block(cache, layer, rows);
    mlp_block(layer);
  }
  finish(outputs, wanted_logits);
}

void Forward::embed(const std::vector<ForwardRow>& rows) {
  const GgufTensor& embedding = *model_->weights().embedding;
  const auto width = static_cast<size_t>(model_->config().width);
  const size_t bytes = row_bytes(embedding.type, width);
  pool_.parallel_for(rows_, 1, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      const uint8_t* row = embedding.data.data() + static_cast<size_t>(rows[t].token) * bytes;
      dequantize_row(embedding.type, row, x_.data() + t * width, width);
      rotary_.set_position(t, rows[t].position);
    }
  });
}

// x += attention(norm(x))
void Forward::attention_block(KvCache& cache, int32_t layer, const std::vector<ForwardRow>& rows) {
  const ModelConfig& config = model_->config();
  const LayerWeights& w = model_->weights().layers[static_cast<size_t>(layer)];
  const auto width = static_cast<size_t>(config.width);
  const auto query_width = static_cast<size_t>(config.query_width());
  const auto kv_width = static_cast<size_t>(config.kv_width());

  linear_.prepare(layer, MatrixGroup::attention_input, width, {&w.query, &w.key, &w.value});
  pool_.parallel_for(rows_, 1, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      float* normed = normed_.data() + t * width;
      kernels_.rms_norm(x_.data() + t * width, w.attention_norm, config.norm_epsilon, width,
                        normed);
      linear_.quantize(t, normed);
    }
  });
  linear_.multiply({{&w.query, queries_.data(), query_width},
                    {&w.key, keys_.data(), kv_width},
                    {&w.value, values_.data(), kv_width}});
  pool_.parallel_for(rows_, 1, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) place_in_cache(cache, layer, rows[t], t);
  });

  attention_.run(kernels_, cache, layer, rows, queries_.data(), attended_.data());
  linear_.prepare(layer, MatrixGroup::attention_output, query_width, {&w.attention_output});
  pool_.parallel_for(rows_, 1, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      linear_.quantize(t, attended_.data() + t * query_width);
    }
  });
  linear_.multiply({{&w.attention_output, x_.data(), width, /*accumulate=*/true}});
}

// Biases, norms and rotation of one row's heads; its keys and values go to the cache.
void Forward::place_in_cache(KvCache& cache, int32_t layer, const ForwardRow& row, size_t index) {
  const ModelConfig& config = model_->config();
  const LayerWeights& w = model_->weights().layers[static_cast<size_t>(layer)];
  const auto size = static_cast<size_t>(config.head_size);
  const auto query_width = static_cast<size_t>(config.query_width());
  const auto kv_width = static_cast<size_t>(config.kv_width());
  float* queries = queries_.data() + index * query_width;
  float* keys = keys_.data() + index * kv_width;
  float* values = values_.data() + index * kv_width;
  if (w.query_bias != nullptr) {
    kernels_.add(queries, w.query_bias, query_width);
    kernels_.add(keys, w.key_bias, kv_width);
    kernels_.add(values, w.value_bias, kv_width);
  }
  const auto shape_head = [&](float* head, const float* norm) {
    if (norm != nullptr) kernels_.rms_norm(head, norm, config.norm_epsilon, size, head);
    kernels_.rope(head, rotary_.cosines(index), rotary_.sines(index), size,
                  config.rope_interleaved);
  };
  for (size_t at = 0; at < query_width; at += size) shape_head(queries + at, w.query_norm);
  for (size_t at = 0; at < kv_width; at += size) shape_head(keys + at, w.key_norm);
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  for (size_t i = 0; i < query_width; ++i) queries[i] *= scale;
  cache.store(kernels_, layer, row.blocks[row.position / kKvBlock], row.position % kKvBlock, keys,
              values);
}

// x += down(silu(gate(norm(x))) * up(norm(x)))
void Forward::mlp_block(int32_t layer) {
  const ModelConfig& config = model_->config();
  const LayerWeights& w = model_->weights().layers[static_cast<size_t>(layer)];
  const auto width = static_cast<size_t>(config.width);
  const auto mlp = static_cast<size_t>(config.mlp_width);

  linear_.prepare(layer, MatrixGroup::mlp_input, width, {&w.gate, &w.up});
  pool_.parallel_for(rows_, 1, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      float* normed = normed_.data() + t * width;
      kernels_.rms_norm(x_.data() + t * width, w.mlp_norm, config.norm_epsilon, width, normed);
      linear_.quantize(t, normed);
    }
  });
  linear_.multiply({{&w.gate, gate_.data(), mlp}, {&w.up, up_.data(), mlp}});

  linear_.prepare(layer, MatrixGroup::mlp_output, mlp, {&w.down});
  pool_.parallel_for(rows_, 1, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      float* gate = gate_.data() + t * mlp;
      kernels_.silu_mul(gate, up_.data() + t * mlp, mlp, gate);
      linear_.quantize(t, gate);
    }
  });
  linear_.multiply({{&w.down, x_.data(), width, /*accumulate=*/true}});
}

// The final norm and the head, for the rows that are asked for.
void Forward::finish(std::span<const size_t> outputs, std::span<const size_t> wanted_logits) {
  const ModelConfig& config = model_->config();
  const ModelWeights& weights = model_->weights();
  const auto width = static_cast<size_t>(config.width);
  const auto vocabulary = static_cast<size_t>(config.vocabulary);
  hidden_.resize(std::max(hidden_.size(), outputs.size() * width));
  logits_.resize(std::max(logits_.size(), wanted_logits.size() * vocabulary));
  for (size_t i = 0; i < outputs.size(); ++i) {
    kernels_.rms_norm(x_.data() + outputs[i] * width, weights.output_norm, config.norm_epsilon,
                      width, hidden_.data() + i * width);
  }
  if (wanted_logits.empty()) return;
  Activations& activations = linear_.activations();
  activations.prepare(wanted_logits.size(), width, {&weights.head});
  for (size_t i = 0; i < wanted_logits.size(); ++i) {
    activations.quantize(kernels_, i, hidden_.data() + wanted_logits[i] * width);
  }
  const Product head{&weights.head, logits_.data(), vocabulary, /*accumulate=*/false, &activations};
  multiply(pool_, kernels_, {&head, 1});
}

std::span<const float> Forward::hidden(size_t place) const {
  const auto width = static_cast<size_t>(model_->config().width);
  return {hidden_.data() + place * width, width};
}

std::span<const float> Forward::logits(size_t place) const {
  const auto vocabulary = static_cast<size_t>(model_->config().vocabulary);
  return {logits_.data() + place * vocabulary, vocabulary};
}

}  // namespace pith
