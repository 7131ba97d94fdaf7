#include "runtime/chat.h"

#include <algorithm>
#include <utility>

namespace pith {

Result<std::unique_ptr<Engine>> make_chat_engine(std::shared_ptr<const Model> model,
                                                 ThreadPool& pool, KvType kv_type,
                                                 int32_t context_tokens) {
  EngineOptions options;
  options.kv_type = kv_type;
  options.context_tokens =
      context_tokens > 0 ? context_tokens : std::min(model->config().context, kChatContext);
  return Engine::create(std::move(model), pool, options);
}

}  // namespace pith
