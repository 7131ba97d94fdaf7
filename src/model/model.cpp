#include "model/model.h"

#include <sys/mman.h>

#include <numeric>
#include <set>
#include <utility>

#include "base/cpu.h"
#include "model/weights.h"
#include "tensor/pack.h"

namespace pith {
namespace {

// A matrix to be packed: where it comes from and where it goes.
struct Job {
  const GgufTensor* tensor;
  PackedMatrix* matrix;
};

// Collects a model's tensors by name, checking each one's shape.
class Loader {
 public:
  Loader(const GgufFile& file, ModelWeights& weights) : file_(file), weights_(weights) {}

  Status matrix(const std::string& name, size_t outputs, size_t inputs, PackedMatrix& matrix) {
    PITH_TRY(const GgufTensor* tensor, find(name, {inputs, outputs}));
    matrix = {packed_format_of(tensor->type), outputs, inputs, nullptr};
    jobs_.push_back({tensor, &matrix});
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

  const std::vector<Job>& jobs() const { return jobs_; }

 private:
  const GgufFile& file_;
  ModelWeights& weights_;
  std::vector<Job> jobs_;
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

Status collect(Loader& loader, const ModelConfig& config, ModelWeights& weights) {
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

// Packs every matrix into the arena, tensor after tensor, tiles in parallel.
void pack_all(const GgufFile& file, const std::vector<Job>& jobs, ModelWeights& weights,
              ThreadPool& pool, const std::function<void(double)>& progress) {
  uint8_t* next = weights.arena.data();
  for (const Job& job : jobs) {
    PackedMatrix& matrix = *job.matrix;
    const size_t bytes = tile_bytes(matrix.format, matrix.inputs);
    pool.parallel_for(matrix.tile_count(), 4, [&](size_t begin, size_t end, int) {
      for (size_t tile = begin; tile < end; ++tile) {
        pack_tile(job.tensor->type, job.tensor->data.data(), matrix.outputs, matrix.inputs, tile,
                  next + tile * bytes);
      }
    });
    matrix.tiles = next;
    next += matrix.bytes();
    file.drop(*job.tensor);
    if (progress) {
      progress(static_cast<double>(next - weights.arena.data()) /
               static_cast<double>(weights.arena.size()));
    }
  }
}

}  // namespace

Result<Pages> Pages::allocate(size_t bytes, std::string_view what) {
  Pages pages;
  if (bytes == 0) return pages;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return fail(ErrorCode::exhausted, "{:.1f} GB of memory for {} cannot be had",
                static_cast<double>(bytes) * 1e-9, what);
  }
  madvise(data, bytes, MADV_HUGEPAGE);  // a hint: without it, more TLB misses
  pages.data_ = static_cast<uint8_t*>(data);
  pages.size_ = bytes;
  return pages;
}

Pages::Pages(Pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, size_);
}

Model::~Model() = default;

size_t Model::packed_bytes() const { return weights_->arena.size(); }

Result<std::shared_ptr<const Model>> Model::load(std::shared_ptr<const GgufFile> file,
                                                 ThreadPool& pool,
                                                 const std::function<void(double)>& progress) {
  PITH_TRY([[maybe_unused]] const Isa isa, chosen_isa());
  std::shared_ptr<Model> model(new Model);
  PITH_TRY(model->config_, read_model_config(*file));
  model->file_ = std::move(file);
  model->weights_ = std::make_unique<ModelWeights>();
  ModelWeights& weights = *model->weights_;
  Loader loader(*model->file_, weights);
  PITH_TRY_VOID(collect(loader, model->config_, weights));
  PITH_TRY_VOID(loader.refuse_others());
  const size_t bytes =
      std::accumulate(loader.jobs().begin(), loader.jobs().end(), size_t{0},
                      [](size_t sum, const Job& job) { return sum + job.matrix->bytes(); });
  PITH_TRY(weights.arena, Pages::allocate(bytes, "the weights"));
  pack_all(*model->file_, loader.jobs(), weights, pool, progress);
  return model;
}

}  // namespace pith
