// PEFT adapters: a folder with adapter_config.json and adapter_model.safetensors.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "model/adapter_file.h"
#include "model/peft_config.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, kLayerMatrices> kModules = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

constexpr uint64_t kMaxConfigBytes = uint64_t{1} << 18;

std::string config_path(const std::string& folder) { return folder + "/adapter_config.json"; }
std::string tensors_path(const std::string& folder) {
  return folder + "/adapter_model.safetensors";
}

// "layers.0.self_attn.q_proj"
std::string module_name(int32_t layer, LayerMatrix matrix) {
  return fmt::format("layers.{}.{}", layer, kModules[static_cast<size_t>(matrix)]);
}

std::string peft_tensor_name(const FactorId& id) {
  return fmt::format("base_model.model.model.{}.lora_{}.weight", module_name(id.layer, id.matrix),
                     id.factor == Factor::a ? 'A' : 'B');
}

Status add_tensors(const SafetensorsFile& file, const ModelConfig& config, FileAdapter& adapter) {
  const auto known = known_factors(config, peft_tensor_name);
  for (const auto& [name, tensor] : file.tensors()) {
    const auto found = known.find(name);
    if (found == known.end()) {
      return fail(ErrorCode::unsupported,
                  "{}: tensor '{}' changes nothing that can be adapted: the attention and MLP "
                  "projections of this model's {} layers can",
                  printable(file.path(), 400), printable(name), config.layers);
    }
    if (tensor.shape.size() != 2) {
      return file.corrupt(fmt::format("tensor '{}' is not a matrix", printable(name)));
    }
    if (tensor.type == DType::i8) {
      return file.corrupt(fmt::format("tensor '{}' is not of floats", printable(name)));
    }
    PITH_TRY_VOID(adapter.add(found->second,
                              {name, tensor.type, tensor.shape[0], tensor.shape[1], tensor.data}));
  }
  return adapter.check_pairs();
}

// The configuration's ranks are those of the tensors; its scales are set.
Status apply_config(const PeftConfig& settings, const std::string& path, const ModelConfig& config,
                    FileAdapter& adapter) {
  Status status;
  for_each_matrix(adapter, config, [&](int32_t layer, LayerMatrix matrix) {
    if (!status) return;
    const std::string module = "model." + module_name(layer, matrix);
    const auto rank = static_cast<double>(adapter.rank(layer, matrix));
    if (rank == settings.rank_of(module)) {
      status = adapter.set_scale(layer, matrix, settings.scale_of(module));
    } else {
      status = fail(ErrorCode::corrupt, "{}: it says rank {} for {}, whose tensors have {}",
                    printable(path, 400), settings.rank_of(module), module, rank);
    }
  });
  return status;
}

// What most of PEFT's users look for when a folder does not load.
tl::unexpected<Error> explain_missing(const std::string& folder, const Error& error) {
  if (error.code != ErrorCode::not_found) return tl::unexpected<Error>(error);
  std::error_code ignored;
  if (std::filesystem::exists(folder + "/adapter_model.bin", ignored)) {
    return fail(ErrorCode::unsupported,
                "{}: adapter_model.bin may run code when it is read; save the adapter as "
                "safetensors",
                printable(folder, 400));
  }
  return fail(ErrorCode::not_found,
              "{} is no PEFT adapter: adapter_config.json and adapter_model.safetensors must be "
              "in it",
              printable(folder, 400));
}

// What write_peft writes into adapter_config.json.
class ConfigWriter {
 public:
  ConfigWriter(const AdapterSource& source, const ModelConfig& config)
      : source_(source), config_(config) {}

  // A scale is known once its matrix has been read.
  void note(int32_t layer, LayerMatrix matrix, double scale) {
    const auto rank = static_cast<double>(source_.rank(layer, matrix));
    const double alpha = scale * rank;
    if (rank_ == 0) {
      rank_ = rank;
      alpha_ = alpha;
    }
    if (rank != rank_) ranks_[module_name(layer, matrix)] = number(rank);
    if (alpha != alpha_) alphas_[module_name(layer, matrix)] = number(alpha);
  }

  std::string text() const {
    Json json = {{"peft_type", "LORA"},
                 {"task_type", "CAUSAL_LM"},
                 {"base_model_name_or_path", nullptr},
                 {"inference_mode", true},
                 {"r", number(rank_)},
                 {"lora_alpha", number(alpha_)},
                 {"lora_dropout", 0.0},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"use_rslora", false},
                 {"rank_pattern", ranks_},
                 {"alpha_pattern", alphas_},
                 {"target_modules", targets()},
                 {"alora_invocation_tokens", nullptr}};
    if (!source_.invocation_tokens().empty()) {
      json["alora_invocation_tokens"] = source_.invocation_tokens();
    }
    return json.dump(2) + "\n";
  }

 private:
  // PEFT wants whole numbers to be integers.
  static Json number(double value) {
    if (value == std::floor(value)) return static_cast<int64_t>(value);
    return value;
  }

  // "q_proj" where all layers have it, else the modules one by one.
  Json targets() const {
    Json names = Json::array();
    for (int i = 0; i < kLayerMatrices; ++i) {
      const auto matrix = static_cast<LayerMatrix>(i);
      std::vector<std::string> modules;
      for (int32_t layer = 0; layer < config_.layers; ++layer) {
        if (source_.rank(layer, matrix) > 0) modules.push_back(module_name(layer, matrix));
      }
      if (modules.size() == static_cast<size_t>(config_.layers)) {
        const std::string_view full = kModules[static_cast<size_t>(i)];
        names.push_back(full.substr(full.find('.') + 1));
      } else {
        for (std::string& module : modules) names.push_back(std::move(module));
      }
    }
    return names;
  }

  const AdapterSource& source_;
  const ModelConfig& config_;
  double rank_ = 0;
  double alpha_ = 0;
  Json ranks_ = Json::object();
  Json alphas_ = Json::object();
};

}  // namespace

Result<std::unique_ptr<AdapterSource>> open_peft(const std::string& folder,
                                                 const ModelConfig& config) {
  const auto json = read_file(config_path(folder), kMaxConfigBytes);
  if (!json) return explain_missing(folder, json.error());
  auto file = SafetensorsFile::open(tensors_path(folder));
  if (!file) return explain_missing(folder, file.error());
  return read_peft(*json, config_path(folder),
                   std::make_shared<const SafetensorsFile>(std::move(*file)), config);
}

Result<std::unique_ptr<AdapterSource>> read_peft(std::string_view config_json,
                                                 const std::string& config_path,
                                                 std::shared_ptr<const SafetensorsFile> file,
                                                 const ModelConfig& config) {
  PITH_TRY(PeftConfig settings, parse_peft_config(config_json, config_path));
  auto adapter = std::make_unique<FileAdapter>(file->path(), config, file, /*halves=*/true);
  PITH_TRY_VOID(add_tensors(*file, config, *adapter));
  PITH_TRY_VOID(apply_config(settings, config_path, config, *adapter));
  PITH_TRY_VOID(adapter->set_invocation_tokens(std::move(settings.invocation_tokens)));
  return adapter;
}

// The configuration comes last: a folder that has it is whole.
Status write_peft(const AdapterSource& source, const ModelConfig& config,
                  const std::string& folder) {
  const std::vector<NewFactor> factors = list_factors(source, config, peft_tensor_name);
  if (factors.empty()) return fail(ErrorCode::usage, "an adapter of nothing cannot be written");
  std::vector<NewTensor> tensors;
  for (const NewFactor& factor : factors) tensors.push_back(factor.tensor);
  PITH_TRY_VOID(make_folders(folder));
  FactorStream stream(source);
  ConfigWriter settings(source, config);
  const auto bytes_of = [&](size_t i) -> Result<std::vector<uint8_t>> {
    const FactorId& id = factors[i].id;
    PITH_TRY(std::vector<float> values, stream.read(id));
    if (id.factor == Factor::a) settings.note(id.layer, id.matrix, stream.scale());
    const size_t heads = id.factor == Factor::b ? rotated_heads(config, id.matrix) : 0;
    if (heads > 0) values = split_halves(values, heads, source.rank(id.layer, id.matrix));
    return bytes_of_floats(values);
  };
  PITH_TRY_VOID(write_safetensors(tensors_path(folder), tensors, bytes_of));
  return write_file(config_path(folder), settings.text());
}

}  // namespace pith
