#include "train/layer.h"
#include "train/row_ops.h"

namespace pith::train {
namespace {

using enum LayerMatrix;

// What a matrix and its adapter make of some rows; and on the way back the gradient of rows
// that some of them read. Whoever reads it next adds the two.
struct Product {
  at::Tensor base;   // S [T, outputs]: W x; back [T, inputs]
  at::Tensor delta;  // M, the same shape: scale * B (A x); undefined where there is no adapter
};

// += in the gradient of a factor, which is in its type.
void add_gradient(const at::Tensor& factor, const at::Tensor& gradient, double scale) {
  at::Tensor& sum = factor.mutable_grad();
  if (sum.defined()) {
    sum.add_(gradient, scale);
  } else {
    sum = gradient.to(factor.scalar_type()).mul_(scale);
  }
}

class FusedLayerMath : public LayerMath {
 public:
  using LayerMath::LayerMath;

  at::Tensor forward(int32_t layer, const at::Tensor& x, const PassRows& rows, const LoraPass& pass,
                     LayerKept* kept) const override {
    const TwinLayer& w = layer_at(layer);
    LayerKept own;
    LayerKept& keep = kept != nullptr ? *kept : own;
    keep.x = x;

    const Normed in = rms_norm(x, w.attention_norm, config_.norm_epsilon);
    keep.attention_in = in.y.to(rows_type_);
    keep.attention_factors = in.factors;
    const auto qkv =
        multiply_adapted(in.y, keep.attention_in, {query, key, value}, layer, pass, keep);
    const Heads q = finish_heads(qkv[0].base, qkv[0].delta, query_shape(w, rows));
    const Heads k = finish_heads(qkv[1].base, qkv[1].delta, key_shape(w, rows));
    const Heads v = finish_heads(qkv[2].base, qkv[2].delta, value_shape(w));
    keep.queries = q.heads;
    keep.keys = k.heads;
    keep.values = v.heads;
    keep.raw_queries = q.raw;
    keep.raw_keys = k.raw;
    keep.query_factors = q.factors;
    keep.key_factors = k.factors;
    const at::Tensor attended = attend(layer, rows, keep);
    keep.attention_out = attended.to(rows_type_);
    const auto projected =
        multiply_adapted(attended, keep.attention_out, {attention_output}, layer, pass, keep);
    keep.y = sum(x, projected[0]);

    const Normed inner = rms_norm(keep.y, w.mlp_norm, config_.norm_epsilon);
    keep.mlp_in = inner.y.to(rows_type_);
    keep.mlp_factors = inner.factors;
    const auto both = multiply_adapted(inner.y, keep.mlp_in, {gate, up}, layer, pass, keep);
    const Gated gated =
        silu_mul(both[0].base, both[0].delta, both[1].base, both[1].delta, rows_type_);
    keep.gate = gated.gate;
    keep.up = gated.up;
    keep.mlp_out = gated.out.to(rows_type_);
    return sum(keep.y, multiply_adapted(gated.out, keep.mlp_out, {down}, layer, pass, keep)[0]);
  }

  at::Tensor backward(int32_t layer, at::Tensor dz, const LayerKept& kept, const PassRows& rows,
                      const LoraPass& pass, bool wants_dx) const override {
    const TwinLayer& w = layer_at(layer);
    const Product dmlp_out = multiply_adapted_backward(kept.mlp_out, {down}, {dz.to(rows_type_)},
                                                       layer, pass, kept, true);
    const auto [dgate, dup] = silu_mul_backward(kept.gate, kept.up, dmlp_out.base, dmlp_out.delta);
    const Product dmlp_in =
        multiply_adapted_backward(kept.mlp_in, {gate, up}, {dgate, dup}, layer, pass, kept, true);
    at::Tensor dy = std::move(dz);
    rms_norm_backward(kept.y, w.mlp_norm, kept.mlp_factors, dmlp_in.base, dmlp_in.delta, dy);

    const Product dattended = multiply_adapted_backward(
        kept.attention_out, {attention_output}, {dy.to(rows_type_)}, layer, pass, kept, true);
    const auto [dq, dk, dv] = attend_backward(layer, sum(dattended), rows, kept);
    const Product dattention_in = multiply_adapted_backward(
        kept.attention_in, {query, key, value},
        {finish_heads_backward(dq, {{}, kept.raw_queries, kept.query_factors}, query_shape(w, rows),
                               rows_type_),
         finish_heads_backward(dk, {{}, kept.raw_keys, kept.key_factors}, key_shape(w, rows),
                               rows_type_),
         finish_heads_backward(dv, {}, value_shape(w), rows_type_)},
        layer, pass, kept, wants_dx);
    if (!wants_dx) return {};
    at::Tensor dx = std::move(dy);
    rms_norm_backward(kept.x, w.attention_norm, kept.attention_factors, dattention_in.base,
                      dattention_in.delta, dx);
    return dx;
  }

  bool keeps() const override { return true; }

  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const override {
    return rms_norm(x, weight, config_.norm_epsilon).y;
  }

  at::Tensor norm_backward(const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& dy) const override {
    at::Tensor dx = at::zeros_like(x);
    const at::Tensor factors = rms_norm(x, weight, config_.norm_epsilon).factors;
    rms_norm_backward(x, weight, factors, dy.contiguous(), {}, dx);
    return dx;
  }

 private:
  HeadShape query_shape(const TwinLayer& w, const PassRows& rows) const {
    return {w.biases[0],      w.query_norm, config_.norm_epsilon,
            rows.cosines,     rows.sines,   config_.rope_interleaved,
            config_.head_size};
  }
  HeadShape key_shape(const TwinLayer& w, const PassRows& rows) const {
    return {w.biases[1],      w.key_norm, config_.norm_epsilon,
            rows.cosines,     rows.sines, config_.rope_interleaved,
            config_.head_size};
  }
  HeadShape value_shape(const TwinLayer& w) const {
    return {w.biases[2], {}, 0, {}, {}, false, config_.head_size};
  }

  static at::Tensor sum(const Product& product) {
    return product.delta.defined() ? at::add(product.base, product.delta) : product.base;
  }
  static at::Tensor sum(const at::Tensor& x, const Product& product) {
    at::Tensor y = at::add(x, product.base);
    if (product.delta.defined()) y.add_(product.delta);
    return y;
  }

  // --- products -----------------------------------------------------------------------

  const LoraPair* pair_at(int32_t layer, LayerMatrix matrix, const LoraPass& pass) const {
    if (pass.lora == nullptr || !pass.lora->at(layer, matrix).is_there()) return nullptr;
    return &pass.lora->at(layer, matrix);
  }

  at::Tensor factor_a(const LoraPair& pair) const { return pair.a.detach().to(rows_type_); }
  at::Tensor factor_b(const LoraPair& pair) const {  // times the scale
    return at::mul(pair.b.detach(), pair.scale).to(rows_type_);
  }

  std::vector<const FrozenMatrix*> frozen(std::initializer_list<LayerMatrix> matrices,
                                          int32_t layer) const {
    std::vector<const FrozenMatrix*> result;
    for (const LayerMatrix matrix : matrices) result.push_back(&layer_at(layer).matrix(matrix));
    return result;
  }

  // x S [T, inputs], and the same in M, which the adapter reads.
  std::vector<Product> multiply_adapted(const at::Tensor& x, const at::Tensor& rows,
                                        std::initializer_list<LayerMatrix> matrices, int32_t layer,
                                        const LoraPass& pass, LayerKept& keep) const {
    const std::vector<at::Tensor> bases = multiply(x, frozen(matrices, layer));
    std::vector<Product> products;
    for (const at::Tensor& base : bases) products.push_back({base, {}});
    const at::Tensor dropped = dropped_inputs(rows, *matrices.begin(), layer, pass);
    size_t i = 0;
    for (const LayerMatrix matrix : matrices) {
      if (const LoraPair* pair = pair_at(layer, matrix, pass)) {
        at::Tensor& low = keep.low[static_cast<size_t>(matrix)];
        low = at::linear(dropped, factor_a(*pair));
        products[i].delta = at::linear(low, factor_b(*pair));
      }
      ++i;
    }
    return products;
  }

  // From the gradients of the products, M, that of the rows x M, if it is wanted; adds those of
  // the factors.
  Product multiply_adapted_backward(const at::Tensor& x,
                                    std::initializer_list<LayerMatrix> matrices,
                                    std::initializer_list<at::Tensor> dproducts, int32_t layer,
                                    const LoraPass& pass, const LayerKept& kept,
                                    bool wants_dx) const {
    Product dx;
    if (wants_dx) {
      dx.base = multiply_backward({dproducts.begin(), dproducts.size()}, frozen(matrices, layer));
    }
    const at::Tensor dropped = dropped_inputs(x, *matrices.begin(), layer, pass);
    const at::Tensor* dy = dproducts.begin();
    for (const LayerMatrix matrix : matrices) {
      if (const LoraPair* pair = pair_at(layer, matrix, pass)) {
        const at::Tensor dlow = at::mm(*dy, factor_b(*pair));
        add_gradient(pair->b, at::mm(dy->t(), kept.low[static_cast<size_t>(matrix)]), pair->scale);
        add_gradient(pair->a, at::mm(dlow.t(), dropped), 1);
        if (wants_dx) add_product(dx.delta, dlow, factor_a(*pair));
      }
      ++dy;
    }
    if (dx.delta.defined() && pass.dropout > 0) {
      dx.delta.mul_(dropout_mask(x, pass, layer, *matrices.begin()));
    }
    return dx;
  }

  static void add_product(at::Tensor& sum, const at::Tensor& x, const at::Tensor& matrix) {
    if (sum.defined()) {
      sum.addmm_(x, matrix);
    } else {
      sum = at::mm(x, matrix);
    }
  }

  static at::Tensor dropped_inputs(const at::Tensor& x, LayerMatrix first, int32_t layer,
                                   const LoraPass& pass) {
    if (pass.lora == nullptr || pass.dropout == 0) return x;
    return x * dropout_mask(x, pass, layer, first);
  }

  // --- attention ------------------------------------------------------------------------

  // Keys or values of a text and its past: [1, H, past + T, D], once for each query head.
  at::Tensor whole(const at::Tensor& past, const at::Tensor& own) const {
    const int64_t shared = config_.query_heads / config_.kv_heads;
    const at::Tensor all = at::cat({past, own.transpose(0, 1)}, 1);
    return all.repeat_interleave(shared, 0).unsqueeze(0);
  }

  // What LibTorch's attention takes of one text.
  struct Attention {
    at::Tensor queries, keys, values;  // [1, H, ., D]
    bool causal;
    std::optional<at::Tensor> mask;
  };
  Attention attention_of(size_t layer, size_t text, int64_t first, const PassRows& rows,
                         const LayerKept& kept) const {
    const Past& past = *rows.texts[text].past;
    const auto count = static_cast<int64_t>(rows.texts[text].tokens.size());
    const bool causal = past.length == 0;  // half of the work is left out
    return {kept.queries.narrow(0, first, count).transpose(0, 1).unsqueeze(0),
            whole(past.keys[layer], kept.keys.narrow(0, first, count)),
            whole(past.values[layer], kept.values.narrow(0, first, count)), causal,
            causal ? std::nullopt : std::optional(rows.masks[text])};
  }

  // Each text over its past and itself: S [T, H * D].
  at::Tensor attend(int32_t index, const PassRows& rows, LayerKept& keep) const {
    const auto layer = static_cast<size_t>(index);
    std::vector<at::Tensor> results;
    int64_t first = 0;
    for (size_t i = 0; i < rows.texts.size(); ++i) {
      const Attention a = attention_of(layer, i, first, rows, keep);
      const int64_t count = a.queries.size(2);
      if (rows.keep != nullptr) {
        const auto own = [&](const at::Tensor& all) {
          return all.transpose(0, 1).contiguous();  // [G, T, D]
        };
        rows.keep->keys.push_back(own(keep.keys));
        rows.keep->values.push_back(own(keep.values));
      }
      const auto [out, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
          a.queries, a.keys, a.values, 0, a.causal, a.mask);
      keep.attended.push_back(out);
      keep.attention_sums.push_back(sums);
      results.push_back(out.transpose(1, 2).reshape({count, -1}));
      first += count;
    }
    return at::cat(results);
  }

  // The gradients of queries, keys and values: S [T, heads, D].
  std::array<at::Tensor, 3> attend_backward(int32_t index, const at::Tensor& dattended,
                                            const PassRows& rows, const LayerKept& kept) const {
    const auto layer = static_cast<size_t>(index);
    std::array<std::vector<at::Tensor>, 3> results;
    int64_t first = 0;
    for (size_t i = 0; i < rows.texts.size(); ++i) {
      const Attention a = attention_of(layer, i, first, rows, kept);
      const int64_t count = a.queries.size(2);
      const at::Tensor dout = dattended.narrow(0, first, count)
                                  .view({1, count, config_.query_heads, config_.head_size})
                                  .transpose(1, 2);
      const auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
          dout, a.queries, a.keys, a.values, kept.attended[i], kept.attention_sums[i], 0, a.causal,
          a.mask);
      // Of a key, the sum over the query heads that share it.
      const auto own = [&](const at::Tensor& all) {
        return all.squeeze(0)
            .narrow(1, rows.texts[i].past->length, count)
            .unflatten(0, {config_.kv_heads, -1})
            .sum(1)
            .transpose(0, 1);  // [T, G, D]
      };
      results[0].push_back(dq.squeeze(0).transpose(0, 1));
      results[1].push_back(own(dk));
      results[2].push_back(own(dv));
      first += count;
    }
    const auto joined = [](const std::vector<at::Tensor>& parts) {
      return at::cat(parts).contiguous();
    };
    return {joined(results[0]), joined(results[1]), joined(results[2])};
  }
};

}  // namespace

size_t LayerKept::bytes() const {
  size_t sum = 0;
  const auto add = [&sum](const at::Tensor& tensor) {
    if (tensor.defined()) sum += tensor.nbytes();
  };
  for (const at::Tensor* tensor :
       {&x, &attention_factors, &mlp_factors, &attention_in, &queries, &keys, &values, &raw_queries,
        &raw_keys, &query_factors, &key_factors, &attention_out, &y, &mlp_in, &gate, &up,
        &mlp_out}) {
    add(*tensor);
  }
  for (const auto& tensor : attended) add(tensor);
  for (const auto& tensor : attention_sums) add(tensor);
  for (const auto& tensor : low) add(tensor);
  return sum;
}

std::unique_ptr<LayerMath> fused_layer_math(const ModelConfig& config, at::ScalarType rows,
                                            std::span<const TwinLayer> layers) {
  return std::make_unique<FusedLayerMath>(config, rows, layers);
}

}  // namespace pith::train
