#include "train/twin.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <map>

#include "base/rng.h"
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

// Inputs of A without a random share of them, the others larger in turn. What is left out
// is a function of the seed, so that it is the same when a layer is computed again.
at::Tensor drop(const at::Tensor& x, double share, uint64_t seed) {
  if (share == 0) return x;
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const at::Tensor kept =
      at::empty(x.sizes(), at::kFloat).bernoulli_(1 - share, generator).div_(1 - share);
  return x * kept.to(x.device(), x.scalar_type());
}

// The products of one layer. x is in the type of the matrices, results are in the stream's.
class Linear {
 public:
  Linear(const TwinLayer& weights, int32_t layer, const LoraPass& pass, at::ScalarType stream)
      : weights_(weights), layer_(layer), pass_(pass), stream_(stream) {}

  // For each of `matrices`, which read the same rows: W x + scale * B (A x).
  std::vector<at::Tensor> operator()(const at::Tensor& x,
                                     std::initializer_list<LayerMatrix> matrices) const {
    std::vector<at::Tensor> results;
    at::Tensor dropped;
    for (const LayerMatrix matrix : matrices) {
      at::Tensor y = at::linear(x, weights_.matrices[static_cast<size_t>(matrix)]).to(stream_);
      if (pass_.lora != nullptr && pass_.lora->at(layer_, matrix).is_there()) {
        if (!dropped.defined()) {
          const auto first = static_cast<uint64_t>(*matrices.begin());
          dropped =
              drop(x, pass_.dropout, random_bits(pass_.seed, static_cast<uint64_t>(layer_), first));
        }
        const LoraPair& pair = pass_.lora->at(layer_, matrix);
        const at::Tensor u = at::linear(dropped, pair.a.to(x.scalar_type()));
        y = y + pair.scale * at::linear(u, pair.b.to(x.scalar_type())).to(stream_);
      }
      results.push_back(y);
    }
    return results;
  }

 private:
  const TwinLayer& weights_;
  int32_t layer_;
  const LoraPass& pass_;
  at::ScalarType stream_;
};

}  // namespace

Result<Twin> Twin::load(std::shared_ptr<const GgufFile> file, at::ScalarType dtype,
                        ThreadPool& pool, at::Device device) {
  Twin twin;
  PITH_TRY(twin.config_, read_model_config(*file));
  const ModelConfig& config = twin.config_;
  ModelWeights weights;
  PITH_TRY(const std::vector<MatrixSource> sources, collect_weights(*file, config, weights));
  std::map<const PackedMatrix*, const GgufTensor*> tensors;
  for (const MatrixSource& source : sources) tensors[source.matrix] = source.tensor;

  twin.dtype_ = dtype;
  twin.stream_ = dtype == at::kDouble ? at::kDouble : at::kFloat;
  twin.device_ = device;
  const auto vector = [&](const float* data, int32_t size) {
    return vector_of(data, size, twin.stream_, device);
  };
  const auto matrix = [&](const PackedMatrix& packed) {
    return matrix_of(*tensors.at(&packed), dtype, device, pool);
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
  Rows rows = rows_of({&text, 1});
  rows.keep = &past;
  at::Tensor x = embed(rows.texts);
  for (int32_t i = 0; i < config_.layers; ++i) x = layer(i, x, rows, {});
  return past;
}

at::Tensor Twin::hidden(std::span<const Continuation> texts, const LoraPass& pass) const {
  const Rows rows = rows_of(texts);
  at::Tensor x = embed(texts);
  for (int32_t i = 0; i < config_.layers; ++i) x = layer(i, x, rows, pass);
  return norm(x, output_norm_);
}

at::Tensor Twin::logits(const at::Tensor& hidden) const {
  return at::linear(hidden.to(dtype_), head_).to(stream_);
}

double Twin::accumulate_gradient(std::span<const Continuation> texts, const LoraPass& pass,
                                 FunctionRef<at::Tensor(const at::Tensor& hidden)> loss_of,
                                 bool recompute) const {
  if (!recompute) {
    const at::Tensor loss = loss_of(hidden(texts, pass));
    loss.backward();
    return loss.item<double>();
  }
  const Rows rows = rows_of(texts);
  std::vector<at::Tensor> inputs;  // of each layer, then of the final norm
  {
    const at::NoGradGuard no_gradient;
    inputs.push_back(embed(texts));
    for (int32_t i = 0; i < config_.layers; ++i) {
      inputs.push_back(layer(i, inputs.back(), rows, pass));
    }
  }
  at::Tensor last = inputs.back().requires_grad_();
  const at::Tensor loss = loss_of(norm(last, output_norm_));
  loss.backward();
  at::Tensor dx = last.grad();
  for (int32_t i = config_.layers; i-- > 0;) {
    inputs.pop_back();
    at::Tensor x = inputs.back();
    if (i > 0) x.requires_grad_();
    const at::Tensor y = layer(i, x, rows, pass);
    if (!y.requires_grad()) break;  // the first layer, without an adapter of its own
    y.backward(dx);
    dx = x.grad();
  }
  return loss.item<double>();
}

Twin::Rows Twin::rows_of(std::span<const Continuation> texts) const {
  std::vector<at::Tensor> positions;
  for (const Continuation& text : texts) {
    const auto count = static_cast<int64_t>(text.tokens.size());
    positions.push_back(at::arange(text.past->length, text.past->length + count, at::kDouble));
  }
  const at::Tensor angles = at::outer(at::cat(positions), frequencies_).unsqueeze(1);
  return {texts, angles.cos().to(at::kFloat).to(device_, stream_),
          angles.sin().to(at::kFloat).to(device_, stream_)};
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

// x += output(attention(norm(x))); x += down(silu(gate(norm(x))) * up(norm(x)))
at::Tensor Twin::layer(int32_t index, const at::Tensor& x, const Rows& rows,
                       const LoraPass& pass) const {
  using enum LayerMatrix;
  const TwinLayer& w = layers_[static_cast<size_t>(index)];
  const Linear linear(w, index, pass, stream_);
  const auto heads = [&](const at::Tensor& all, size_t which) {
    const at::Tensor biased = w.biases[which].defined() ? all + w.biases[which] : all;
    return biased.view({all.size(0), -1, config_.head_size});  // [T, heads, D]
  };

  const auto qkv = linear(norm(x, w.attention_norm).to(dtype_), {query, key, value});
  at::Tensor q = heads(qkv[0], 0);
  at::Tensor k = heads(qkv[1], 1);
  if (config_.head_norm) {
    q = norm(q, w.query_norm);
    k = norm(k, w.key_norm);
  }
  const at::Tensor attended =
      attend(index, rotate(q, rows), rotate(k, rows), heads(qkv[2], 2), rows);
  const at::Tensor y = x + linear(attended.to(dtype_), {attention_output})[0];

  const auto inner = linear(norm(y, w.mlp_norm).to(dtype_), {gate, up});
  return y + linear((at::silu(inner[0]) * inner[1]).to(dtype_), {down})[0];
}

// Each text over its past and itself: [T, H * D].
at::Tensor Twin::attend(int32_t index, const at::Tensor& queries, const at::Tensor& keys,
                        const at::Tensor& values, const Rows& rows) const {
  const auto layer = static_cast<size_t>(index);
  const int64_t shared = config_.query_heads / config_.kv_heads;
  std::vector<at::Tensor> results;
  int64_t first = 0;
  for (const Continuation& text : rows.texts) {
    const auto count = static_cast<int64_t>(text.tokens.size());
    const auto by_head = [&](const at::Tensor& x) {  // [heads, T, D]
      return x.narrow(0, first, count).transpose(0, 1);
    };
    const at::Tensor k = at::cat({text.past->keys[layer], by_head(keys)}, 1);
    const at::Tensor v = at::cat({text.past->values[layer], by_head(values)}, 1);
    if (rows.keep != nullptr) {
      rows.keep->keys.push_back(k);
      rows.keep->values.push_back(v);
    }
    const at::Tensor seen =
        at::ones({count, k.size(1)}, at::TensorOptions(at::kBool).device(device_))
            .tril(text.past->length);
    const at::Tensor attended = at::scaled_dot_product_attention(
        by_head(queries).unsqueeze(0), k.repeat_interleave(shared, 0).unsqueeze(0),
        v.repeat_interleave(shared, 0).unsqueeze(0), seen);
    results.push_back(attended.squeeze(0).transpose(0, 1).reshape({count, -1}));
    first += count;
  }
  return at::cat(results);
}

// Rotary positions: pairs (i, i + D/2), or (2i, 2i + 1) as GGUF stores Llama.
at::Tensor Twin::rotate(const at::Tensor& x, const Rows& rows) const {
  const int64_t half = config_.head_size / 2;
  const bool pairs = config_.rope_interleaved;
  const at::Tensor split = pairs ? x.unflatten(-1, {half, 2}) : x.unflatten(-1, {2, half});
  const int64_t dim = pairs ? -1 : -2;
  const at::Tensor a = split.select(dim, 0);
  const at::Tensor b = split.select(dim, 1);
  return at::stack({a * rows.cosines - b * rows.sines, b * rows.cosines + a * rows.sines}, dim)
      .flatten(-2);
}

// RMS norm over the last dimension.
at::Tensor Twin::norm(const at::Tensor& x, const at::Tensor& weight) const {
  const at::Tensor mean = x.square().mean(-1, /*keepdim=*/true);
  return x * at::rsqrt(mean + static_cast<double>(config_.norm_epsilon)) * weight;
}

}  // namespace pith::train
