#include "train/twin.h"

#include <cmath>
#include <limits>
#include <map>

#include "base/cpu.h"
#include "base/memory.h"
#include "model/packing.h"

namespace pith::train {
namespace {

constexpr int64_t kChunkRows = 4096;  // of a matrix that are floats at a time
constexpr size_t kRowGrain = 16;      // that a thread makes floats of at a time

at::Tensor vector_of(const float* data, int64_t size, at::ScalarType dtype, at::Device device) {
  if (data == nullptr) return {};
  at::Tensor vector = at::empty({size}, at::kFloat);
  std::copy(data, data + size, vector.mutable_data_ptr<float>());
  return vector.to(device, dtype);
}

// [outputs, inputs]
at::Tensor matrix_of(const GgufTensor& tensor, at::ScalarType dtype, at::Device device,
                     ThreadPool& pool) {
  const auto inputs = static_cast<size_t>(tensor.shape[0]);
  const auto outputs = static_cast<int64_t>(tensor.rows());
  const size_t bytes = row_bytes(tensor.type, inputs);
  at::Tensor matrix = at::empty({outputs, static_cast<int64_t>(inputs)}, dtype);
  const int64_t most = std::min(outputs, kChunkRows);
  at::Tensor chunk = at::empty({most, static_cast<int64_t>(inputs)}, at::kFloat);
  auto* floats = chunk.mutable_data_ptr<float>();
  for (int64_t first = 0; first < outputs; first += most) {
    const int64_t count = std::min(most, outputs - first);
    const uint8_t* source = tensor.data.data() + static_cast<size_t>(first) * bytes;
    pool.parallel_for(static_cast<size_t>(count), kRowGrain, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) {
        dequantize_row(tensor.type, source + i * bytes, floats + i * inputs, inputs);
      }
    });
    matrix.narrow(0, first, count).copy_(chunk.narrow(0, 0, count));
  }
  return matrix.to(device);
}

// The matrices of a layer by LayerMatrix.
std::array<const PackedMatrix*, kLayerMatrices> matrices_of(const LayerWeights& w) {
  return {&w.query, &w.key, &w.value, &w.attention_output, &w.gate, &w.up, &w.down};
}

}  // namespace

Result<Twin> Twin::load(std::shared_ptr<const GgufFile> file, at::ScalarType dtype,
                        ThreadPool& pool, at::Device device, TwinMath math) {
  TORCH_CHECK(device.is_cpu() || math == TwinMath::plain, "fused math is for CPUs");
  PITH_TRY(const Isa isa, chosen_isa());
  Twin twin;
  PITH_TRY(twin.config_, read_model_config(*file));
  const ModelConfig& config = twin.config_;
  ModelWeights weights;
  PITH_TRY(const std::vector<MatrixSource> sources, collect_weights(*file, config, weights));
  std::map<const PackedMatrix*, const MatrixSource*> by_matrix;
  for (const MatrixSource& source : sources) by_matrix[source.matrix] = &source;

  twin.dtype_ = dtype;
  twin.stream_ = stream_type(dtype);
  twin.device_ = device;
  const auto vector = [&](const float* data, int32_t size) {
    return vector_of(data, size, twin.stream_, device);
  };
  const auto kernel_rows = std::make_shared<KernelRows>(kernels_for(isa));
  const auto matrix = [&](const PackedMatrix& packed) {
    const MatrixSource& source = *by_matrix.at(&packed);
    // Kernels for weights that are floats are made for few rows.
    return math == TwinMath::fused && dtype == at::kBFloat16 && !is_float(packed.format)
               ? FrozenMatrix(source, pool, kernel_rows)
               : FrozenMatrix(matrix_of(*source.tensor, dtype, device, pool));
  };
  for (const LayerWeights& w : weights.layers) {
    TwinLayer layer;
    const auto matrices = matrices_of(w);
    for (size_t i = 0; i < matrices.size(); ++i) layer.matrices[i] = matrix(*matrices[i]);
    layer.attention_norm = vector(w.attention_norm, config.width);
    layer.biases = {vector(w.query_bias, config.query_width()),
                    vector(w.key_bias, config.kv_width()), vector(w.value_bias, config.kv_width())};
    layer.query_norm = vector(w.query_norm, config.head_size);
    layer.key_norm = vector(w.key_norm, config.head_size);
    layer.mlp_norm = vector(w.mlp_norm, config.width);
    twin.layers_.push_back(std::move(layer));
  }
  twin.math_ = math == TwinMath::fused ? fused_layer_math(config, dtype, twin.layers_)
                                       : plain_layer_math(config, dtype, twin.layers_);
  twin.output_norm_ = vector(weights.output_norm, config.width);
  twin.head_ = matrix(weights.head);
  twin.embedding_ = weights.embedding;
  twin.file_ = std::move(file);

  // In float, as the engine has them (RotaryTable in model/forward.cpp).
  twin.frequencies_ = at::empty({config.head_size / 2}, at::kDouble);
  for (int32_t i = 0; i < config.head_size / 2; ++i) {
    const double exponent = -2.0 * i / config.head_size;
    const double divisor =
        config.rope_divisors.empty() ? 1.0 : config.rope_divisors[static_cast<size_t>(i)];
    twin.frequencies_[i] = static_cast<float>(std::pow(config.rope_base, exponent) / divisor);
  }
  twin.keep_bytes_ = available_memory() / 2;
  return twin;
}

Past Twin::read(std::span<const TokenId> tokens) const {
  const at::NoGradGuard no_gradient;
  const Past none = {0,
                     std::vector<at::Tensor>(layers_.size(),
                                             at::empty({config_.kv_heads, 0, config_.head_size},
                                                       at::TensorOptions(stream_).device(device_))),
                     std::vector<at::Tensor>(
                         layers_.size(), at::empty({config_.kv_heads, 0, config_.head_size},
                                                   at::TensorOptions(stream_).device(device_)))};
  if (tokens.empty()) return none;
  Past past{static_cast<int64_t>(tokens.size()), {}, {}};
  const Continuation text{&none, tokens};
  PassRows rows = rows_of({&text, 1});
  rows.keep = &past;
  at::Tensor x = embed(rows.texts);
  for (int32_t i = 0; i < config_.layers; ++i) x = math_->forward(i, x, rows, {}, nullptr);
  return past;
}

at::Tensor Twin::hidden(std::span<const Continuation> texts, const LoraPass& pass) const {
  const at::NoGradGuard no_gradient;
  const PassRows rows = rows_of(texts);
  at::Tensor x = embed(texts);
  for (int32_t i = 0; i < config_.layers; ++i) x = math_->forward(i, x, rows, pass, nullptr);
  return math_->norm(x, output_norm_);
}

at::Tensor Twin::logits(const at::Tensor& hidden) const {
  const FrozenMatrix* heads[] = {&head_};
  return multiply(hidden, heads)[0];
}

double Twin::accumulate_gradient(std::span<const Continuation> texts, const LoraPass& pass,
                                 FunctionRef<at::Tensor(const at::Tensor& hidden)> loss_of,
                                 std::optional<size_t> keep_bytes) const {
  const at::NoGradGuard no_gradient;
  const PassRows rows = rows_of(texts);
  std::vector<LayerKept> kept(layers_.size());
  // From this layer on all is kept; on the way back one layer's worth is needed anyway.
  size_t first_whole = layers_.size() - 1;
  at::Tensor x = embed(texts);
  for (size_t i = 0; i < layers_.size(); ++i) {
    LayerKept all;
    const at::Tensor z = math_->forward(static_cast<int32_t>(i), x, rows, pass, &all);
    if (i == 0) {
      const size_t room = keep_bytes.value_or(keep_bytes_) / std::max<size_t>(all.bytes(), 1);
      first_whole -= std::min(room, first_whole);
    }
    if (i >= first_whole) kept[i] = std::move(all);
    kept[i].x = x;
    x = z;
  }
  at::Tensor hidden = math_->norm(x, output_norm_).requires_grad_();
  at::Tensor loss;
  {
    const at::AutoGradMode with_gradient(true);
    loss = loss_of(hidden);
    loss.backward();
  }
  at::Tensor dx = math_->norm_backward(x, output_norm_, hidden.grad());
  for (size_t i = layers_.size(); i-- > 0;) {
    const auto layer = static_cast<int32_t>(i);
    LayerKept all = std::move(kept[i]);
    if (i < first_whole && math_->keeps()) {
      const at::Tensor input = all.x;
      math_->forward(layer, input, rows, pass, &all);
    }
    dx = math_->backward(layer, dx, all, rows, pass, /*wants_dx=*/i > 0);
  }
  return loss.item<double>();
}

PassRows Twin::rows_of(std::span<const Continuation> texts) const {
  std::vector<at::Tensor> positions;
  std::vector<at::Tensor> masks;
  for (const Continuation& text : texts) {
    const auto count = static_cast<int64_t>(text.tokens.size());
    const int64_t past = text.past->length;
    positions.push_back(at::arange(past, past + count, at::kDouble));
    masks.push_back(at::full({count, past + count}, -std::numeric_limits<double>::infinity(),
                             at::TensorOptions(stream_).device(device_))
                        .triu(past + 1));
  }
  const at::Tensor angles = at::outer(at::cat(positions), frequencies_);
  return {texts, angles.cos().to(at::kFloat).to(device_, stream_),
          angles.sin().to(at::kFloat).to(device_, stream_), std::move(masks), nullptr};
}

// [T, C]
at::Tensor Twin::embed(std::span<const Continuation> texts) const {
  int64_t count = 0;
  for (const Continuation& text : texts) count += static_cast<int64_t>(text.tokens.size());
  const auto width = static_cast<size_t>(config_.width);
  const size_t bytes = row_bytes(embedding_->type, width);
  at::Tensor x = at::empty({count, config_.width}, at::kFloat);
  auto* row = x.mutable_data_ptr<float>();
  for (const Continuation& text : texts) {
    for (const TokenId token : text.tokens) {
      const uint8_t* source = embedding_->data.data() + static_cast<size_t>(token) * bytes;
      dequantize_row(embedding_->type, source, row, width);
      row += width;
    }
  }
  return x.to(device_, stream_);
}

}  // namespace pith::train
