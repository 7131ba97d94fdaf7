#include "model/packing.h"

#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "tensor/pack.h"

namespace pith {
namespace {

constexpr size_t kTileGrain = 4;  // tiles that a thread packs at a time

// Collects a model's tensors by name, checking each one's shape.
class Loader {
 public:
  Loader(const GgufFile& file, ModelWeights& weights) : file_(file), weights_(weights) {}

  Status matrix(const std::string& name, size_t outputs, size_t inputs, PackedMatrix& matrix) {
    PITH_TRY(const GgufTensor* tensor, find(name, {inputs, outputs}));
    matrix = {packed_format_of(tensor->type), outputs, inputs, nullptr};
    sources_.push_back({tensor, &matrix});
    return {};
  }

  Status vector(const std::string& name, size_t size, const float*& vector) {
    PITH_TRY(const GgufTensor* tensor, find(name, {size}));
    std::vector<float>& floats = weights_.vectors.emplace_back(size);
    dequantize_row(tensor->type, tensor->data.data(), floats.data(), size);
    vector = floats.data();
    return {};
  }

  Result<const GgufTensor*> find(const std::string& name, const std::vector<uint64_t>& shape) {
    const GgufTensor* tensor = file_.find_tensor(name);
    if (tensor == nullptr) {
      return fail(ErrorCode::corrupt, "{}: the tensor {} is missing", printable(file_.path()),
                  name);
    }
    if (tensor->shape != shape) {
      return fail(ErrorCode::corrupt, "{}: the tensor {} has the shape [{}], [{}] is needed",
                  printable(file_.path()), name, fmt::join(tensor->shape, ", "),
                  fmt::join(shape, ", "));
    }
    used_.insert(name);
    return tensor;
  }

  // A tensor that nobody asked for would be part of the model's function: its result
  // without it would be wrong.
  Status refuse_others() const {
    for (const GgufTensor& tensor : file_.tensors()) {
      if (used_.contains(tensor.name) || tensor.name == kRopeDivisorsTensor) continue;
      return fail(
          ErrorCode::unsupported,
          "{}: this model has a tensor {}, a variant of its architecture that cannot be run",
          printable(file_.path()), printable(tensor.name));
    }
    return {};
  }

  std::vector<MatrixSource> take_sources() { return std::move(sources_); }

 private:
  const GgufFile& file_;
  ModelWeights& weights_;
  std::vector<MatrixSource> sources_;
  std::set<std::string> used_;
};

Status collect_layer(Loader& loader, const ModelConfig& config, int32_t index,
                     LayerWeights& layer) {
  const auto width = static_cast<size_t>(config.width);
  const auto queries = static_cast<size_t>(config.query_width());
  const auto keys = static_cast<size_t>(config.kv_width());
  const auto mlp = static_cast<size_t>(config.mlp_width);
  const auto head = static_cast<size_t>(config.head_size);
  const auto name = [&](const char* part) { return fmt::format("blk.{}.{}", index, part); };

  PITH_TRY_VOID(loader.vector(name("attn_norm.weight"), width, layer.attention_norm));
  PITH_TRY_VOID(loader.matrix(name("attn_q.weight"), queries, width, layer.query));
  PITH_TRY_VOID(loader.matrix(name("attn_k.weight"), keys, width, layer.key));
  PITH_TRY_VOID(loader.matrix(name("attn_v.weight"), keys, width, layer.value));
  PITH_TRY_VOID(loader.matrix(name("attn_output.weight"), width, queries, layer.attention_output));
  if (config.attention_bias) {
    PITH_TRY_VOID(loader.vector(name("attn_q.bias"), queries, layer.query_bias));
    PITH_TRY_VOID(loader.vector(name("attn_k.bias"), keys, layer.key_bias));
    PITH_TRY_VOID(loader.vector(name("attn_v.bias"), keys, layer.value_bias));
  }
  if (config.head_norm) {
    PITH_TRY_VOID(loader.vector(name("attn_q_norm.weight"), head, layer.query_norm));
    PITH_TRY_VOID(loader.vector(name("attn_k_norm.weight"), head, layer.key_norm));
  }
  PITH_TRY_VOID(loader.vector(name("ffn_norm.weight"), width, layer.mlp_norm));
  PITH_TRY_VOID(loader.matrix(name("ffn_gate.weight"), mlp, width, layer.gate));
  PITH_TRY_VOID(loader.matrix(name("ffn_up.weight"), mlp, width, layer.up));
  PITH_TRY_VOID(loader.matrix(name("ffn_down.weight"), width, mlp, layer.down));
  return {};
}

Status collect_model(Loader& loader, const ModelConfig& config, ModelWeights& weights) {
  const auto width = static_cast<size_t>(config.width);
  const auto vocabulary = static_cast<size_t>(config.vocabulary);
  PITH_TRY(weights.embedding, loader.find("token_embd.weight", {width, vocabulary}));
  weights.layers.resize(static_cast<size_t>(config.layers));
  for (int32_t i = 0; i < config.layers; ++i) {
    PITH_TRY_VOID(collect_layer(loader, config, i, weights.layers[static_cast<size_t>(i)]));
  }
  PITH_TRY_VOID(loader.vector("output_norm.weight", width, weights.output_norm));
  return loader.matrix(config.tied_head ? "token_embd.weight" : "output.weight", vocabulary, width,
                       weights.head);
}

}  // namespace

Result<std::vector<MatrixSource>> collect_weights(const GgufFile& file, const ModelConfig& config,
                                                  ModelWeights& weights) {
  Loader loader(file, weights);
  PITH_TRY_VOID(collect_model(loader, config, weights));
  PITH_TRY_VOID(loader.refuse_others());
  return loader.take_sources();
}

size_t packed_bytes(const std::vector<MatrixSource>& sources) {
  return std::accumulate(
      sources.begin(), sources.end(), size_t{0},
      [](size_t sum, const MatrixSource& source) { return sum + source.matrix->bytes(); });
}

void pack_tiles(const MatrixSource& source, size_t first, size_t end, uint8_t* out,
                ThreadPool& pool) {
  const PackedMatrix& matrix = *source.matrix;
  const size_t bytes = tile_bytes(matrix.format, matrix.inputs);
  pool.parallel_for(end - first, kTileGrain, [&](size_t begin, size_t stop, int) {
    for (size_t tile = begin; tile < stop; ++tile) {
      pack_tile(source.tensor->type, source.tensor->data.data(), matrix.outputs, matrix.inputs,
                first + tile, out + tile * bytes);
    }
  });
}

}  // namespace pith
