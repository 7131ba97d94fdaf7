#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <map>

#include "text/golden.h"

namespace pith {
namespace {

using testing::golden;
using testing::read_test_file;

const std::map<std::string, ChatTemplate> kTemplates = {
    {"qwen2.5", ChatTemplate::chatml_qwen},
    {"qwen2", ChatTemplate::chatml_qwen2},
    {"qwen2.5-math", ChatTemplate::chatml_qwen_math},
    {"qwen3", ChatTemplate::chatml_qwen3},
    {"smollm2", ChatTemplate::chatml_smollm},
    {"chatml", ChatTemplate::chatml},
    {"llama3", ChatTemplate::llama3},
    {"llama3.0", ChatTemplate::llama3_0},
    {"deepseek-r1", ChatTemplate::deepseek_r1},
};

std::vector<ChatMessage> conversation(const nlohmann::json& messages) {
  std::vector<ChatMessage> result;
  for (const auto& message : messages) {
    const std::string role = message[0];
    result.push_back({role == "system" ? Role::system
                      : role == "user" ? Role::user
                                       : Role::assistant,
                      message[1]});
  }
  return result;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

TEST(ChatTemplate, NamesGoThereAndBack) {
  for (const auto& [name, chat_template] : kTemplates) {
    EXPECT_EQ(chat_template_by_name(name).value(), chat_template);
    EXPECT_EQ(chat_template_name(chat_template), name);
  }
  const auto unknown = chat_template_by_name("vicuna\n");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::usage);
  EXPECT_EQ(
      unknown.error().message,
      "no chat template is called 'vicuna\\x0a'; there are qwen2.5, qwen2, qwen2.5-math, qwen3, "
      "smollm2, chatml, llama3, llama3.0, deepseek-r1");
}

TEST(ChatTemplate, RecognisesPublishedTemplates) {
  for (const auto& [name, chat_template] : kTemplates) {
    if (name.starts_with("llama3")) continue;
    const std::string source = read_test_file("templates/" + name + ".jinja");
    ASSERT_FALSE(source.empty()) << name;
    EXPECT_EQ(recognise_chat_template(source).value(), chat_template) << name;
  }
}

TEST(ChatTemplate, RecognisesTheQwen3OfGgufFiles) {
  const std::string source = read_test_file("templates/qwen3-gguf.jinja");
  EXPECT_EQ(recognise_chat_template(source).value(), ChatTemplate::chatml_qwen3);
}

// How files differ without meaning anything: quotes, newlines for \n, blanks.
TEST(ChatTemplate, RecognisesThemInOtherSpellings) {
  for (const auto& [name, chat_template] : kTemplates) {
    if (name.starts_with("llama3")) continue;
    const std::string source = read_test_file("templates/" + name + ".jinja");
    EXPECT_EQ(recognise_chat_template(replaced(source, "\\n", "\n")).value(), chat_template);
    EXPECT_EQ(recognise_chat_template(replaced(source, " + ", "+")).value(), chat_template);
    EXPECT_EQ(recognise_chat_template(replaced(source, "message.role", "message['role']")).value(),
              chat_template);
    EXPECT_EQ(recognise_chat_template(replaced(source, "\n", "\r\n")).value(), chat_template);
    EXPECT_EQ(recognise_chat_template(source + "\n").value(), chat_template);
  }
}

// Excerpts only: the lines that decide.
TEST(ChatTemplate, RecognisesLlama3) {
  const std::string turns =
      R"({{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n')"
      R"(+ message['content'] | trim + '<|eot_id|>' }})"
      R"({{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }})";
  EXPECT_EQ(recognise_chat_template(turns).value(), ChatTemplate::llama3_0);
  EXPECT_EQ(recognise_chat_template(replaced(turns, "\\n", "\n")).value(), ChatTemplate::llama3_0);
  const std::string dates = R"({{- "Cutting Knowledge Date: December 2023\n" }})"
                            R"({{- "Today Date: " + date_string + "\n\n" }})";
  EXPECT_EQ(recognise_chat_template(dates + turns).value(), ChatTemplate::llama3);
}

TEST(ChatTemplate, TheFirstReleaseOfDeepSeekIsTheSameFamily) {
  const std::string source = read_test_file("templates/deepseek-r1.jinja");
  const std::string first = replaced(source, "<think>\\n", "");
  ASSERT_NE(first, source);
  EXPECT_EQ(recognise_chat_template(first).value(), ChatTemplate::deepseek_r1);
}

TEST(ChatTemplate, RefusesWhatItCannotRenderExactly) {
  const std::string chatml = read_test_file("templates/chatml.jinja");
  const std::string qwen = read_test_file("templates/qwen2.5.jinja");
  const std::string qwen3 = read_test_file("templates/qwen3.jinja");
  const std::string smollm = read_test_file("templates/smollm2.jinja");
  const std::string deepseek = read_test_file("templates/deepseek-r1.jinja");
  for (const std::string& source : {
           std::string(),
           std::string("{{ messages[0].content }}"),
           std::string("[INST] {{ messages[0]['content'] }} [/INST]"),
           replaced(smollm, "named SmolLM", "named Someone"),   // another default prompt
           replaced(qwen, "created by Alibaba", "made by me"),  //
           replaced(chatml, "message['content']", "message['content'] | trim"),
           "{{ bos_token }}" + chatml,
           replaced(chatml, "assistant\\n", "assistant\\n<think>\\n"),
           replaced(qwen3, "'<|im_start|>assistant\\n'", "'<|im_start|>assistant\\n<think>\\n'"),
           replaced(qwen3, "<tool_call>", "<tool_call><function="),
           qwen3 + "{{- '<think>\\n' }}",
           replaced(deepseek, "content.split('</think>')[-1]", "content"),
           "{% if not thinking is defined %}{% endif %}" + deepseek,
       }) {
    const auto result = recognise_chat_template(source);
    ASSERT_FALSE(result) << chat_template_name(*result) << ": " << source;
    EXPECT_EQ(result.error().code, ErrorCode::unsupported);
    EXPECT_NE(result.error().message.find("--chat-template"), std::string::npos);
  }
}

TEST(ChatTemplate, RendersAsThePublishedTemplatesDo) {
  const auto goldens = golden("chats.json");
  size_t checked = 0;
  for (const auto& rendering : goldens["renderings"]) {
    const ChatTemplate chat_template = kTemplates.at(rendering["template"]);
    for (size_t i = 0; i < goldens["conversations"].size(); ++i) {
      const auto messages = conversation(goldens["conversations"][i]);
      const auto prompt = render_chat(chat_template, messages, rendering["date"].get<std::string>(),
                                      rendering["thinking"]);
      ASSERT_TRUE(prompt) << prompt.error().message;
      EXPECT_EQ(prompt_text(*prompt), rendering["texts"][i].get<std::string>())
          << rendering["file"] << " " << i;
      ++checked;
    }
  }
  EXPECT_GT(checked, 200u);
}

TEST(ChatTemplate, PiecesAndBoundary) {
  for (const auto& [name, chat_template] : kTemplates) {
    const std::vector<ChatMessage> messages = {{Role::user, "Hi <|im_end|>"}};
    const auto prompt = render_chat(chat_template, messages).value();
    ASSERT_LT(prompt.boundary_piece, prompt.pieces.size());
    // The header is what one more turn of the assistant begins with.
    const std::string& first = prompt.pieces[prompt.boundary_piece].text;
    EXPECT_TRUE(prompt.pieces[prompt.boundary_piece].special) << name;
    EXPECT_TRUE(first == "<|im_start|>" || first == "<|start_header_id|>" ||
                first == "<｜Assistant｜>")
        << first;
    for (size_t i = 0; i < prompt.pieces.size(); ++i) {
      const bool special = prompt.pieces[i].special;
      EXPECT_FALSE(prompt.pieces[i].text.empty());
      EXPECT_TRUE(special || i == 0 || prompt.pieces[i - 1].special) << "two plain ones in a row";
      EXPECT_TRUE(!special || prompt.pieces[i].text.find("Hi") == std::string::npos);
    }
  }
}

TEST(ChatTemplate, DeepSeekWithoutThinking) {
  const std::vector<ChatMessage> messages = {{Role::user, "Hi"}};
  const auto prompt = render_chat(ChatTemplate::deepseek_r1, messages, "", false).value();
  EXPECT_EQ(prompt_text(prompt),
            "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜><think>\n\n</think>\n\n");
}

TEST(ChatTemplate, RefusesConversationsThatCannotBe) {
  for (const auto& [name, chat_template] : kTemplates) {
    EXPECT_EQ(render_chat(chat_template, {}).error().code, ErrorCode::usage);
    const std::vector<ChatMessage> late = {{Role::user, "a"}, {Role::system, "b"}};
    const auto prompt = render_chat(chat_template, late);
    ASSERT_FALSE(prompt);
    EXPECT_EQ(prompt.error().code, ErrorCode::usage);
    EXPECT_EQ(prompt.error().message, "message 2 is a system message, which must be the first");
  }
}

TEST(ChatTemplate, ThinkingEnds) {
  EXPECT_EQ(thinking_end(ChatTemplate::chatml_qwen3), "</think>");
  EXPECT_EQ(thinking_end(ChatTemplate::deepseek_r1), "</think>");
  EXPECT_EQ(thinking_end(ChatTemplate::chatml_qwen), "");
  EXPECT_EQ(thinking_end(ChatTemplate::llama3), "");
}

}  // namespace
}  // namespace pith
