#include "model/forward.h"

#include <algorithm>
#include <cmath>

#include "base/cpu.h"

namespace pith {
namespace {

// Inputs of a part of a row's norm: what a scale of the k formats covers.
constexpr size_t kNormPart = kSuperInputs;
// Outputs of a block of the MLP's inner layer, for the same reason.
constexpr size_t kMlpBlock = kSuperInputs;

size_t parts_of(size_t inputs, size_t part) { return (inputs + part - 1) / part; }

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
      attention_in_(pool, kernels_, MatrixGroup::attention_input, max_rows,
                    static_cast<size_t>(model_->config().width)),
      attention_out_(pool, kernels_, MatrixGroup::attention_output, max_rows,
                     static_cast<size_t>(model_->config().query_width())),
      mlp_in_(pool, kernels_, MatrixGroup::mlp_input, max_rows,
              static_cast<size_t>(model_->config().width)),
      mlp_out_(pool, kernels_, MatrixGroup::mlp_output, max_rows,
               static_cast<size_t>(model_->config().mlp_width)),
      multiplier_(pool, kernels_),
      head_in_(max_rows, static_cast<size_t>(model_->config().width)),
      norm_parts_(parts_of(static_cast<size_t>(model_->config().width), kNormPart)) {
  const ModelConfig& config = model_->config();
  const auto floats = [&](int32_t width) { return max_rows * static_cast<size_t>(width); };
  x_ = Buffer<float>(floats(config.width));
  squares_ = Buffer<float>(norm_parts_ * max_rows);
  factors_ = Buffer<float>(max_rows);
  queries_ = Buffer<float>(floats(config.query_width()));
  keys_ = Buffer<float>(floats(config.kv_width()));
  values_ = Buffer<float>(floats(config.kv_width()));
  attended_ = Buffer<float>(floats(config.query_width()));
  gate_ = Buffer<float>(floats(config.mlp_width));
  up_ = Buffer<float>(floats(config.mlp_width));
}

void Forward::run(KvCache& cache, const std::vector<ForwardRow>& rows,
                  std::span<const ForwardOutput> outputs, std::span<const size_t> wanted_logits) {
  rows_ = rows.size();
  hidden_.resize(
      std::max(hidden_.size(), outputs.size() * static_cast<size_t>(model_->config().width)));
  for (AdaptedLinear* linear : {&attention_in_, &attention_out_, &mlp_in_, &mlp_out_}) {
    linear->start_step(rows);
  }
  embed(rows);
  for (int32_t layer = 0; layer < model_->config().layers; ++layer) {
    attention_block(cache, layer, rows);
    mlp_block(layer);
    take_outputs(outputs, layer + 1);
  }
  run_head(wanted_logits);
}

const LayerWeights& Forward::weights(int32_t layer) const {
  return model_->weights().layers[static_cast<size_t>(layer)];
}

// x = embedding; the first layer's norm.
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
  prepare_attention(0);
  pool_.parallel_for(norm_parts_, 1, [&](size_t begin, size_t end, int) {
    for (size_t part = begin; part < end; ++part) {
      norm_part(part, weights(0).attention_norm, attention_in_);
    }
  });
}

// x += attention(norm(x)), where norm(x) is in attention_in_ already; then the next norm.
void Forward::attention_block(KvCache& cache, int32_t layer, const std::vector<ForwardRow>& rows) {
  const ModelConfig& config = model_->config();
  const LayerWeights& w = weights(layer);
  const auto width = static_cast<size_t>(config.width);
  const auto head_size = static_cast<size_t>(config.head_size);
  const auto query_heads = static_cast<size_t>(config.query_heads);
  const auto kv_heads = static_cast<size_t>(config.kv_heads);
  const size_t query_width = query_heads * head_size;

  finish_norm(attention_in_);
  const auto shape = [&](size_t head) { shape_head(head, cache, layer, rows); };
  attention_in_.multiply({{.matrix = &w.query, .out = queries_.data(), .out_stride = query_width},
                          {.matrix = &w.key,
                           .out = keys_.data(),
                           .out_stride = kv_heads * head_size,
                           .first_block = query_heads},
                          {.matrix = &w.value,
                           .out = values_.data(),
                           .out_stride = kv_heads * head_size,
                           .first_block = query_heads + kv_heads}},
                         {head_size, query_heads + 2 * kv_heads, shape});

  attention_out_.prepare(layer, query_width, {&w.attention_output});
  const size_t group_width = query_width / kv_heads;
  const bool whole_units = group_width % attention_out_.unit() == 0;
  attention_.run(kernels_, cache, layer, rows, queries_.data(), attended_.data(),
                 [&](size_t first_row, size_t count, size_t group) {
                   if (!whole_units) return;
                   for (size_t t = first_row; t < first_row + count; ++t) {
                     attention_out_.quantize(
                         t, group * group_width, group_width,
                         attended_.data() + t * query_width + group * group_width);
                   }
                 });
  if (!whole_units) {
    pool_.parallel_for(rows_, kPanelRows, [&](size_t begin, size_t end, int) {
      for (size_t t = begin; t < end; ++t) {
        attention_out_.quantize(t, 0, query_width, attended_.data() + t * query_width);
      }
    });
  }

  prepare_mlp(layer);
  const auto norm = [&](size_t part) { norm_part(part, w.mlp_norm, mlp_in_); };
  attention_out_.multiply(
      {{.matrix = &w.attention_output, .out = x_.data(), .out_stride = width, .accumulate = true}},
      {kNormPart, norm_parts_, norm});
}

// x += down(silu(gate(norm(x))) * up(norm(x))), where norm(x) is in mlp_in_ already; then
// the next layer's norm.
void Forward::mlp_block(int32_t layer) {
  const ModelConfig& config = model_->config();
  const LayerWeights& w = weights(layer);
  const auto width = static_cast<size_t>(config.width);
  const auto mlp = static_cast<size_t>(config.mlp_width);

  finish_norm(mlp_in_);
  mlp_out_.prepare(layer, mlp, {&w.down});
  const auto activate = [&](size_t block) {
    const size_t first = block * kMlpBlock;
    const size_t count = std::min(kMlpBlock, mlp - first);
    for (size_t t = 0; t < rows_; ++t) {
      float* gate = gate_.data() + t * mlp + first;
      kernels_.silu_mul(gate, up_.data() + t * mlp + first, count, gate);
      mlp_out_.quantize(t, first, count, gate);
    }
  };
  mlp_in_.multiply({{.matrix = &w.gate, .out = gate_.data(), .out_stride = mlp},
                    {.matrix = &w.up, .out = up_.data(), .out_stride = mlp}},
                   {kMlpBlock, parts_of(mlp, kMlpBlock), activate});

  const std::initializer_list<Product> down = {
      {.matrix = &w.down, .out = x_.data(), .out_stride = width, .accumulate = true}};
  if (layer + 1 == config.layers) return mlp_out_.multiply(down);
  prepare_attention(layer + 1);
  const auto norm = [&](size_t part) {
    norm_part(part, weights(layer + 1).attention_norm, attention_in_);
  };
  mlp_out_.multiply(down, {kNormPart, norm_parts_, norm});
}

void Forward::prepare_attention(int32_t layer) {
  const LayerWeights& w = weights(layer);
  attention_in_.prepare(layer, static_cast<size_t>(model_->config().width),
                        {&w.query, &w.key, &w.value});
}

void Forward::prepare_mlp(int32_t layer) {
  const LayerWeights& w = weights(layer);
  mlp_in_.prepare(layer, static_cast<size_t>(model_->config().width), {&w.gate, &w.up});
}

// Part of all rows' RMS norms: their squares are summed, and x * weight is quantised
// for `next`. Quantising does not care for the factor that a norm still lacks.
void Forward::norm_part(size_t part, const float* weight, AdaptedLinear& next) {
  const auto width = static_cast<size_t>(model_->config().width);
  const size_t first = part * kNormPart;
  const size_t count = std::min(kNormPart, width - first);
  for (size_t t = 0; t < rows_; ++t) {
    float weighed[kNormPart];
    squares_[part * rows_ + t] =
        kernels_.weigh(x_.data() + t * width + first, weight + first, count, weighed);
    next.quantize(t, first, count, weighed);
  }
}

// The factor of each row's norm: 1 / sqrt(mean(x^2) + epsilon).
void Forward::finish_norm(AdaptedLinear& next) {
  const ModelConfig& config = model_->config();
  for (size_t t = 0; t < rows_; ++t) {
    float sum = 0;
    for (size_t part = 0; part < norm_parts_; ++part) sum += squares_[part * rows_ + t];
    const float mean = sum / static_cast<float>(config.width);
    factors_[t] = 1.0f / std::sqrt(mean + config.norm_epsilon);
  }
  next.scale_rows(factors_.data());
}

// Bias, norm and rotation of one head of all rows: query heads, then the heads of keys
// and of values, which go to the cache.
void Forward::shape_head(size_t head, KvCache& cache, int32_t layer,
                         const std::vector<ForwardRow>& rows) {
  const ModelConfig& config = model_->config();
  const LayerWeights& w = weights(layer);
  const auto size = static_cast<size_t>(config.head_size);
  const auto query_heads = static_cast<size_t>(config.query_heads);
  const auto kv_heads = static_cast<size_t>(config.kv_heads);
  const bool is_query = head < query_heads;
  const bool is_key = !is_query && head < query_heads + kv_heads;
  const size_t index = is_query ? head : (head - query_heads) % kv_heads;
  const size_t stride = (is_query ? query_heads : kv_heads) * size;
  float* all = is_query ? queries_.data() : is_key ? keys_.data() : values_.data();
  const float* bias = is_query ? w.query_bias : is_key ? w.key_bias : w.value_bias;
  const float* norm = is_query ? w.query_norm : is_key ? w.key_norm : nullptr;
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  for (size_t t = 0; t < rows_; ++t) {
    float* x = all + t * stride + index * size;
    if (bias != nullptr) kernels_.add(x, bias + index * size, size);
    if (norm != nullptr) kernels_.rms_norm(x, norm, config.norm_epsilon, size, x);
    if (is_query || is_key) {
      kernels_.rope(x, rotary_.cosines(t), rotary_.sines(t), size, config.rope_interleaved);
    }
    const BlockId block = rows[t].blocks[rows[t].position / kKvBlock];
    const int32_t position = rows[t].position % kKvBlock;
    const auto kv_head = static_cast<int32_t>(index);
    if (is_query) {
      for (size_t i = 0; i < size; ++i) x[i] *= scale;
    } else if (is_key) {
      cache.store_key(kernels_, layer, block, kv_head, position, x);
    } else {
      cache.store_value(kernels_, layer, block, kv_head, position, x);
    }
  }
}

// The final norm of the states that are wanted behind `layer` layers.
void Forward::take_outputs(std::span<const ForwardOutput> outputs, int32_t layer) {
  const ModelConfig& config = model_->config();
  const auto width = static_cast<size_t>(config.width);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].layer != layer) continue;
    kernels_.rms_norm(x_.data() + outputs[i].row * width, model_->weights().output_norm,
                      config.norm_epsilon, width, hidden_.data() + i * width);
  }
}

// The head, for the outputs that are asked for.
void Forward::run_head(std::span<const size_t> wanted_logits) {
  const ModelWeights& weights = model_->weights();
  const auto width = static_cast<size_t>(model_->config().width);
  const auto vocabulary = static_cast<size_t>(model_->config().vocabulary);
  logits_.resize(std::max(logits_.size(), wanted_logits.size() * vocabulary));
  if (wanted_logits.empty()) return;
  head_in_.prepare(wanted_logits.size(), width, {&weights.head});
  for (size_t i = 0; i < wanted_logits.size(); ++i) {
    head_in_.quantize(kernels_, i, 0, width, hidden_.data() + wanted_logits[i] * width);
  }
  const Product head{.matrix = &weights.head,
                     .out = logits_.data(),
                     .out_stride = vocabulary,
                     .activations = &head_in_};
  multiplier_.run({&head, 1});
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
