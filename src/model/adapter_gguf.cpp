// GGUF adapters, as llama.cpp's convert_lora_to_gguf.py makes them: the model's own
// tensor names with .lora_a and .lora_b.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "io/gguf.h"
#include "io/gguf_write.h"
#include "model/adapter_file.h"
#include "tensor/half.h"

namespace pith {
namespace {

constexpr std::array<const char*, kLayerMatrices> kNames = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

constexpr const char* kAlphaKey = "adapter.lora.alpha";
constexpr const char* kTokensKey = "adapter.alora.invocation_tokens";

std::string gguf_tensor_name(const FactorId& id) {
  return fmt::format("blk.{}.{}.weight.lora_{}", id.layer, kNames[static_cast<size_t>(id.matrix)],
                     id.factor == Factor::a ? 'a' : 'b');
}

Status check_kind(const GgufFile& file, const ModelConfig& config) {
  PITH_TRY(const std::string kind, file.string_or("general.type", "model"));
  if (kind != "adapter") {
    return fail(ErrorCode::unsupported, "{}: a GGUF {}, not an adapter",
                printable(file.path(), 400), printable(kind));
  }
  PITH_TRY(const std::string type, file.string("adapter.type"));
  if (type != "lora") {
    return fail(ErrorCode::unsupported, "{}: an adapter of type '{}'; 'lora' can be run",
                printable(file.path(), 400), printable(type));
  }
  PITH_TRY(const std::string architecture, file.string("general.architecture"));
  if (architecture == config.architecture) return {};
  return fail(ErrorCode::unsupported, "{}: an adapter for '{}' models, this one is '{}'",
              printable(file.path(), 400), printable(architecture), config.architecture);
}

Status add_tensors(const GgufFile& file, const ModelConfig& config, FileAdapter& adapter) {
  const auto known = known_factors(config, gguf_tensor_name);
  for (const GgufTensor& tensor : file.tensors()) {
    const auto found = known.find(tensor.name);
    if (found == known.end()) {
      return fail(ErrorCode::unsupported,
                  "{}: tensor '{}' changes nothing that can be adapted: the attention and MLP "
                  "matrices of this model's {} layers can",
                  printable(file.path(), 400), printable(tensor.name), config.layers);
    }
    if (tensor.shape.size() != 2) {
      return file.corrupt(fmt::format("tensor '{}' is not a matrix", printable(tensor.name)));
    }
    PITH_TRY_VOID(adapter.add(
        found->second, {tensor.name, tensor.type, tensor.shape[1], tensor.shape[0], tensor.data}));
  }
  return adapter.check_pairs();
}

constexpr size_t kQ8Block = 32;
constexpr float kLargestInt8 = 127;
constexpr float kLargestHalf = 65504;

DType type_of_factor(AdapterStorage storage, uint64_t row_length) {
  if (storage == AdapterStorage::f32) return DType::f32;
  const bool blocks = storage == AdapterStorage::int8 && row_length % kQ8Block == 0;
  return blocks ? DType::q8_0 : DType::f16;
}

void append_half(std::vector<uint8_t>& bytes, float value) {
  const uint16_t half = half_from_float(value);
  bytes.push_back(static_cast<uint8_t>(half & 0xff));
  bytes.push_back(static_cast<uint8_t>(half >> 8));
}

std::vector<uint8_t> encode_factor(std::span<const float> values, DType type) {
  if (type == DType::f32) return bytes_of_floats(values);
  std::vector<uint8_t> bytes;
  bytes.reserve(row_bytes(type, values.size()));
  if (type == DType::f16) {
    for (const float value : values) append_half(bytes, value);
    return bytes;
  }
  for (size_t begin = 0; begin < values.size(); begin += kQ8Block) {
    const auto block = values.subspan(begin, kQ8Block);
    float largest = 0;
    for (const float value : block) largest = std::max(largest, std::fabs(value));
    append_half(bytes, largest / kLargestInt8);
    const float step = float_from_half(half_from_float(largest / kLargestInt8));
    for (const float value : block) {
      const float q = step > 0 ? std::nearbyint(value / step) : 0;
      bytes.push_back(
          static_cast<uint8_t>(static_cast<int8_t>(std::clamp(q, -kLargestInt8, kLargestInt8))));
    }
  }
  return bytes;
}

// The largest number of all B, by what `alpha` makes of them (see write_gguf_adapter).
Result<double> largest_b(const AdapterSource& source, const ModelConfig& config, double alpha) {
  double largest = 0;
  Status status;
  for_each_matrix(source, config, [&](int32_t layer, LayerMatrix matrix) {
    if (!status) return;
    const auto pair = source.read(layer, matrix);
    if (!pair) {
      status = tl::unexpected<Error>(pair.error());
      return;
    }
    const double change = pair->scale * static_cast<double>(source.rank(layer, matrix)) / alpha;
    for (const float value : pair->b) {
      largest = std::max(largest, std::fabs(static_cast<double>(value) * change));
    }
  });
  PITH_TRY_VOID(status);
  return largest;
}

// B begins at zero and stays small, where 16-bit numbers are coarse: the power of two that
// brings its largest number to [1, 2), for which alpha makes up.
double gain_for(double largest) {
  return largest > 0 ? std::exp2(-std::floor(std::log2(largest))) : 1;
}

}  // namespace

Result<std::unique_ptr<AdapterSource>> open_gguf_adapter(const std::string& path,
                                                         const ModelConfig& config) {
  PITH_TRY(GgufFile opened, GgufFile::open(path));
  return read_gguf_adapter(std::make_shared<const GgufFile>(std::move(opened)), config);
}

Result<std::unique_ptr<AdapterSource>> read_gguf_adapter(std::shared_ptr<const GgufFile> file,
                                                         const ModelConfig& config) {
  PITH_TRY_VOID(check_kind(*file, config));
  auto adapter = std::make_unique<FileAdapter>(file->path(), config, file, /*halves=*/false);
  PITH_TRY_VOID(add_tensors(*file, config, *adapter));
  // llama.cpp's rule: without an alpha, the factors stand as they are.
  PITH_TRY(const double alpha, file->number_or(kAlphaKey, 0));
  Status status;
  for_each_matrix(*adapter, config, [&](int32_t layer, LayerMatrix matrix) {
    const auto rank = static_cast<double>(adapter->rank(layer, matrix));
    if (status) status = adapter->set_scale(layer, matrix, alpha == 0 ? 1 : alpha / rank);
  });
  PITH_TRY_VOID(status);
  if (file->find(kTokensKey) != nullptr) {
    PITH_TRY(const auto tokens, file->integers(kTokensKey));
    PITH_TRY_VOID(adapter->set_invocation_tokens({tokens.begin(), tokens.end()}));
  }
  return adapter;
}

// The format has one alpha for all matrices: that of the first; in the others B makes
// up for the difference.
Status write_gguf_adapter(const AdapterSource& source, const ModelConfig& config,
                          const std::string& path, AdapterStorage storage) {
  std::vector<NewFactor> factors = list_factors(source, config, gguf_tensor_name);
  if (factors.empty()) return fail(ErrorCode::usage, "an adapter of nothing cannot be written");
  std::vector<NewTensor> tensors;
  for (const NewFactor& factor : factors) {
    NewTensor tensor = factor.tensor;
    std::swap(tensor.shape[0], tensor.shape[1]);
    tensor.type = type_of_factor(storage, tensor.shape[0]);
    tensors.push_back(std::move(tensor));
  }
  const FactorId first = factors.front().id;
  const auto rank_of = [&](const FactorId& id) {
    return static_cast<double>(source.rank(id.layer, id.matrix));
  };
  PITH_TRY(const LowRank pair, source.read(first.layer, first.matrix));
  // Not 0, which would stand for "as they are".
  double alpha = (pair.scale == 0 ? 1 : pair.scale) * rank_of(first);
  if (storage != AdapterStorage::f32) {
    PITH_TRY(const double largest, largest_b(source, config, alpha));
    alpha /= gain_for(largest);
  }
  std::vector<NewGgufKey> keys = {{"general.type", std::string("adapter")},
                                  {"general.architecture", config.architecture},
                                  {"adapter.type", std::string("lora")},
                                  {kAlphaKey, static_cast<float>(alpha)}};
  if (const auto& tokens = source.invocation_tokens(); !tokens.empty()) {
    keys.emplace_back(kTokensKey, std::vector<uint32_t>(tokens.begin(), tokens.end()));
  }
  FactorStream stream(source);
  const auto bytes_of = [&](size_t i) -> Result<std::vector<uint8_t>> {
    const FactorId& id = factors[i].id;
    const double its_alpha = stream.scale() * rank_of(id);
    const double change = its_alpha == alpha ? 1 : its_alpha / alpha;
    PITH_TRY(const std::vector<float> values, stream.read(id, change));
    if (storage != AdapterStorage::f32 &&
        std::any_of(values.begin(), values.end(),
                    [](float value) { return std::fabs(value) > kLargestHalf; })) {
      return fail(ErrorCode::unsupported, "the adapter has numbers too large for 16 bits");
    }
    return encode_factor(values, tensors[i].type);
  };
  return write_gguf(path, keys, tensors, bytes_of);
}

}  // namespace pith
