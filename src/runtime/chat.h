// The engine of a conversation.
#pragma once

#include <cstdint>
#include <memory>

#include "base/error.h"
#include "engine/engine.h"

namespace pith {

// Where the model would take more: a conversation seldom needs it, and memory is dear.
inline constexpr int32_t kChatContext = 8192;

// With room for one sequence of `context_tokens`; 0: kChatContext, or what the model takes if
// less. Errors: those of Engine::create.
Result<std::unique_ptr<Engine>> make_chat_engine(std::shared_ptr<const Model> model,
                                                 ThreadPool& pool, KvType kv_type,
                                                 int32_t context_tokens);

}  // namespace pith
