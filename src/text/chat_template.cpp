// Names of the chat templates, and which of them a Jinja source is.
#include "text/chat_template.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "text/chat_defaults.h"

namespace pith {
namespace {

struct NamedTemplate {
  ChatTemplate chat_template;
  std::string_view name;
};

constexpr NamedTemplate kNames[] = {
    {ChatTemplate::chatml_qwen, "qwen2.5"},
    {ChatTemplate::chatml_qwen2, "qwen2"},
    {ChatTemplate::chatml_qwen_math, "qwen2.5-math"},
    {ChatTemplate::chatml_qwen3, "qwen3"},
    {ChatTemplate::chatml_smollm, "smollm2"},
    {ChatTemplate::chatml, "chatml"},
    {ChatTemplate::llama3, "llama3"},
    {ChatTemplate::llama3_0, "llama3.0"},
    {ChatTemplate::deepseek_r1, "deepseek-r1"},
};

std::string all_names() {
  std::vector<std::string_view> names;
  for (const NamedTemplate& entry : kNames) names.push_back(entry.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// The source with what may be written in several ways written in one: lines end in \n,
// quotes are single, \n and \\ of string literals the character, fields message.role,
// no blanks stand around "+".
std::string normal_form(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    const bool escape = source[i] == '\\' && i + 1 < source.size();
    if (escape && source[i + 1] == 'n') {
      text += '\n';
      ++i;
    } else if (escape && source[i + 1] == '\\') {
      text += '\\';
      ++i;
    } else if (!source.substr(i).starts_with("\r\n")) {
      text += source[i] == '"' ? '\'' : source[i];
    }
  }
  const auto replace = [&text](std::string_view from, std::string_view to) {
    std::string out;
    size_t begin = 0;
    for (size_t at = text.find(from); at != text.npos; at = text.find(from, begin)) {
      out.append(text, begin, at - begin).append(to);
      begin = at + from.size();
    }
    text = out.append(text, begin);
  };
  replace("message['role']", "message.role");
  replace("message['content']", "message.content");
  replace(" + ", "+");
  return text;
}

class Source {
 public:
  explicit Source(std::string_view jinja) : text_(normal_form(jinja)) {}

  template <class... Words>
  bool has_all(Words... words) const {
    return (... && has(words));
  }
  template <class... Words>
  bool has_any(Words... words) const {
    return (... || has(words));
  }

  // The literals that start with `prefix`, each without it, up to their closing quote.
  std::vector<std::string_view> literals(std::string_view prefix) const {
    std::vector<std::string_view> found;
    const std::string opening = "'" + std::string(prefix);
    for (size_t at = text_.find(opening); at != text_.npos; at = text_.find(opening, at)) {
      at += opening.size();
      found.push_back(std::string_view(text_).substr(at, text_.find('\'', at) - at));
    }
    return found;
  }

 private:
  bool has(std::string_view word) const { return text_.find(word) != text_.npos; }
  std::string text_;
};

// Both releases of the distils' template: the second begins the turn with <think>,
// which the authors recommend for the first as well. V3.1 chooses by a flag.
bool is_deepseek_r1(const Source& source) {
  return source.has_all("{{bos_token}}{{ns.system_prompt}}", "'<｜User｜>'+message.content",
                        "'<｜Assistant｜>'+content+'<｜end▁of▁sentence｜>'",
                        "content.split('</think>')[-1]") &&
         !source.has_any("if thinking", "not thinking", "enable_thinking");
}

bool is_llama3(const Source& source) {
  return source.has_all("'<|start_header_id|>'+message.role+'<|end_header_id|>\n\n'",
                        "message.content | trim+'<|eot_id|>'",
                        "<|start_header_id|>assistant<|end_header_id|>\n\n") &&
         !source.has_any("<think>", "thinking");
}

bool has_chatml_turns(const Source& source) {
  return source.has_any("'<|im_start|>'+message.role+'\n'+message.content",
                        "'<|im_start|>'+message.role+'\n'+content") &&
         source.has_all("<|im_end|>", "<|im_start|>assistant\n");
}

// Qwen3's hybrid models. Later ones (tools as XML, a turn that begins with <think>)
// differ and say so by what is excluded here.
bool is_qwen3(const Source& source) {
  return has_chatml_turns(source) &&
         source.has_all("ns.last_query_index", "reasoning_content", "enable_thinking is false",
                        "'<think>\n\n</think>\n\n'") &&
         !source.has_any("<function=", "'<think>\n'", "'<|im_start|>assistant\n<think>\n'",
                         "preserve_thinking");
}

// ChatML that adds nothing but, perhaps, a default system prompt of ours.
std::optional<ChatTemplate> simple_chatml(const Source& source) {
  if (!has_chatml_turns(source) || source.has_any("<think>", "</think>", "<|im_sep|>", "bos_token",
                                                  "eos_token", "trim", "strip(", "loop.last %}")) {
    return std::nullopt;
  }
  ChatTemplate result = ChatTemplate::chatml;
  for (const std::string_view literal : source.literals("<|im_start|>system\n")) {
    if (literal.empty()) continue;
    const auto* found = std::find_if(
        std::begin(kChatDefaults), std::end(kChatDefaults), [literal](const ChatDefault& entry) {
          return literal == std::string(entry.system_prompt) + "<|im_end|>\n";
        });
    if (found == std::end(kChatDefaults)) return std::nullopt;
    result = found->chat_template;
  }
  return result;
}

}  // namespace

Result<ChatTemplate> recognise_chat_template(std::string_view jinja_source) {
  const Source source(jinja_source);
  if (is_deepseek_r1(source)) return ChatTemplate::deepseek_r1;
  if (is_llama3(source)) {
    return source.has_all("Cutting Knowledge Date: December 2023\n", "Today Date: ")
               ? ChatTemplate::llama3
               : ChatTemplate::llama3_0;
  }
  if (is_qwen3(source)) return ChatTemplate::chatml_qwen3;
  if (const auto chatml = simple_chatml(source)) return *chatml;
  return fail(ErrorCode::unsupported,
              "the model's chat template is not one of ours; name the one to use with "
              "--chat-template: {}",
              all_names());
}

Result<ChatTemplate> chat_template_by_name(std::string_view name) {
  for (const NamedTemplate& entry : kNames) {
    if (entry.name == name) return entry.chat_template;
  }
  return fail(ErrorCode::usage, "no chat template is called '{}'; there are {}", printable(name),
              all_names());
}

std::string_view chat_template_name(ChatTemplate chat_template) {
  for (const NamedTemplate& entry : kNames) {
    if (entry.chat_template == chat_template) return entry.name;
  }
  return "";
}

}  // namespace pith
