#include <ATen/CPUGeneratorImpl.h>

#include "base/rng.h"
#include "train/layer.h"

namespace pith::train {
namespace {

using enum LayerMatrix;

class PlainLayerMath : public LayerMath {
 public:
  using LayerMath::LayerMath;

  at::Tensor forward(int32_t layer, const at::Tensor& x, const PassRows& rows, const LoraPass& pass,
                     LayerKept* kept) const override {
    if (kept != nullptr) kept->x = x;
    const TwinLayer& w = layer_at(layer);
    const auto heads = [&](const at::Tensor& all, size_t which) {
      const at::Tensor biased = w.biases[which].defined() ? all + w.biases[which] : all;
      return biased.view({all.size(0), -1, config_.head_size});  // [T, heads, D]
    };

    const auto qkv = linear(norm(x, w.attention_norm), {query, key, value}, layer, pass);
    at::Tensor q = heads(qkv[0], 0);
    at::Tensor k = heads(qkv[1], 1);
    if (config_.head_norm) {
      q = norm(q, w.query_norm);
      k = norm(k, w.key_norm);
    }
    const at::Tensor attended =
        attend(layer, rotate(q, rows), rotate(k, rows), heads(qkv[2], 2), rows);
    const at::Tensor y = x + linear(attended, {attention_output}, layer, pass)[0];

    const auto inner = linear(norm(y, w.mlp_norm), {gate, up}, layer, pass);
    return y + linear(at::silu(inner[0]) * inner[1], {down}, layer, pass)[0];
  }

  // The layer is computed a second time, with gradients.
  at::Tensor backward(int32_t layer, at::Tensor dz, const LayerKept& kept, const PassRows& rows,
                      const LoraPass& pass, bool wants_dx) const override {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor x = kept.x.detach().requires_grad_(wants_dx);
    const at::Tensor z = forward(layer, x, rows, pass, nullptr);
    if (z.requires_grad()) z.backward(dz);
    return x.grad();
  }

  bool keeps() const override { return false; }

  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const override {
    const at::Tensor mean = x.square().mean(-1, /*keepdim=*/true);
    return x * at::rsqrt(mean + static_cast<double>(config_.norm_epsilon)) * weight;
  }

  at::Tensor norm_backward(const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& dy) const override {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor leaf = x.detach().requires_grad_();
    norm(leaf, weight).backward(dy);
    return leaf.grad();
  }

 private:
  // For each of `matrices`, which read the same rows: W x + scale * B (A x).
  std::vector<at::Tensor> linear(const at::Tensor& rows,
                                 std::initializer_list<LayerMatrix> matrices, int32_t layer,
                                 const LoraPass& pass) const {
    const at::Tensor x = rows.to(rows_type_);
    at::Tensor dropped = x;
    if (pass.lora != nullptr && pass.dropout > 0) {
      dropped = x * dropout_mask(x, pass, layer, *matrices.begin());
    }
    std::vector<at::Tensor> results;
    for (const LayerMatrix matrix : matrices) {
      at::Tensor y = at::linear(x, layer_at(layer).matrix(matrix).weights()).to(stream_type());
      if (pass.lora != nullptr && pass.lora->at(layer, matrix).is_there()) {
        const LoraPair& pair = pass.lora->at(layer, matrix);
        const at::Tensor u = at::linear(dropped, pair.a.to(rows_type_));
        y = y + pair.scale * at::linear(u, pair.b.to(rows_type_)).to(stream_type());
      }
      results.push_back(y);
    }
    return results;
  }

  // Each text over its past and itself: [T, H * D].
  at::Tensor attend(int32_t index, const at::Tensor& queries, const at::Tensor& keys,
                    const at::Tensor& values, const PassRows& rows) const {
    const auto layer = static_cast<size_t>(index);
    const int64_t shared = config_.query_heads / config_.kv_heads;
    std::vector<at::Tensor> results;
    int64_t first = 0;
    for (size_t i = 0; i < rows.texts.size(); ++i) {
      const Past& past = *rows.texts[i].past;
      const auto count = static_cast<int64_t>(rows.texts[i].tokens.size());
      const auto by_head = [&](const at::Tensor& x) {  // [heads, T, D]
        return x.narrow(0, first, count).transpose(0, 1);
      };
      const at::Tensor k = at::cat({past.keys[layer], by_head(keys)}, 1);
      const at::Tensor v = at::cat({past.values[layer], by_head(values)}, 1);
      if (rows.keep != nullptr) {
        rows.keep->keys.push_back(k);
        rows.keep->values.push_back(v);
      }
      const at::Tensor attended = at::scaled_dot_product_attention(
          by_head(queries).unsqueeze(0), k.repeat_interleave(shared, 0).unsqueeze(0),
          v.repeat_interleave(shared, 0).unsqueeze(0), rows.masks[i]);
      results.push_back(attended.squeeze(0).transpose(0, 1).reshape({count, -1}));
      first += count;
    }
    return at::cat(results);
  }

  // Rotary positions: pairs (i, i + D/2), or (2i, 2i + 1) as GGUF stores Llama.
  at::Tensor rotate(const at::Tensor& x, const PassRows& rows) const {
    const int64_t half = config_.head_size / 2;
    const bool pairs = config_.rope_interleaved;
    const at::Tensor split = pairs ? x.unflatten(-1, {half, 2}) : x.unflatten(-1, {2, half});
    const int64_t dim = pairs ? -1 : -2;
    const at::Tensor a = split.select(dim, 0);
    const at::Tensor b = split.select(dim, 1);
    const at::Tensor cosines = rows.cosines.unsqueeze(1);
    const at::Tensor sines = rows.sines.unsqueeze(1);
    return at::stack({a * cosines - b * sines, b * cosines + a * sines}, dim).flatten(-2);
  }
};

}  // namespace

std::unique_ptr<LayerMath> plain_layer_math(const ModelConfig& config, at::ScalarType rows,
                                            std::span<const TwinLayer> layers) {
  return std::make_unique<PlainLayerMath>(config, rows, layers);
}

at::Tensor dropout_mask(const at::Tensor& x, const LoraPass& pass, int32_t layer,
                        LayerMatrix first) {
  const uint64_t seed =
      random_bits(pass.seed, static_cast<uint64_t>(layer), static_cast<uint64_t>(first));
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const double kept = 1 - pass.dropout;
  return at::empty(x.sizes(), at::kFloat)
      .bernoulli_(kept, generator)
      .div_(kept)
      .to(x.device(), x.scalar_type());
}

}  // namespace pith::train
