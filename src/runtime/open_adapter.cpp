#include "runtime/open_adapter.h"

#include <utility>

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

}  // namespace pith
