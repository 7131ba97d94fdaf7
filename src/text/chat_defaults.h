// The system prompts that ChatML families put in when a conversation has none.
#pragma once

#include <string_view>

#include "text/chat_template.h"

namespace pith {

struct ChatDefault {
  ChatTemplate chat_template;
  std::string_view system_prompt;
};

inline constexpr ChatDefault kChatDefaults[] = {
    {ChatTemplate::chatml_qwen,
     "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
    {ChatTemplate::chatml_qwen2, "You are a helpful assistant."},
    {ChatTemplate::chatml_qwen_math,
     "Please reason step by step, and put your final answer within \\boxed{}."},
    {ChatTemplate::chatml_smollm,
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
};

}  // namespace pith
