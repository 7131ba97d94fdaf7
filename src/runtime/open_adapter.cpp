#include "runtime/open_adapter.h"

#include <filesystem>
#include <utility>

#include "io/sha256.h"

namespace pith {

Result<std::shared_ptr<const Adapter>> load_adapter(const OpenModel& model,
                                                    const AdapterOptions& options) {
  if (options.path.empty()) return nullptr;
  const ModelConfig& config = model.model->config();
  PITH_TRY(const auto source, open_adapter(options.path, config));
  return Adapter::load(*source, config, options.precision, *model.pool);
}

Result<AdapterId> attach_adapter(Engine& engine, const OpenModel& model,
                                 const AdapterOptions& options) {
  PITH_TRY(auto adapter, load_adapter(model, options));
  return adapter == nullptr ? kNoAdapter : engine.add_adapter(std::move(adapter));
}

Result<std::vector<std::string>> adapter_sha256(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return sha256_of_files("", {path});
  return sha256_of_files(path + "/", {"adapter_config.json", "adapter_model.safetensors"});
}

}  // namespace pith
