// The text side of the real models: tokens equal to those of `tokenizers`, prompts too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <random>

#include "io/gguf.h"
#include "model/vocabulary.h"
#include "support/store_model.h"
#include "text/golden.h"
#include "text/prompt.h"

namespace pith {
namespace {

using testing::golden;
using Ids = std::vector<TokenId>;

// 64-bit FNV-1a of the ids as little-endian 32-bit numbers, as the goldens have it.
std::string fnv1a(const Ids& ids) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const TokenId id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 0xffu)) * 0x100000001b3;
    }
  }
  return fmt::format("{:016x}", hash);
}

class TextModel : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string path = testing::store_model(GetParam());
    if (path.empty()) FAIL() << "run ./check, or: pith pull " << GetParam();
    auto file = GgufFile::open(path);
    ASSERT_TRUE(file) << file.error().message;
    auto tokenizer = read_tokenizer(*file);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = std::make_unique<Tokenizer>(std::move(*tokenizer));
    auto chat_template = read_chat_template(*file);
    ASSERT_TRUE(chat_template) << chat_template.error().message;
    chat_template_ = *chat_template;
    goldens_ = golden("tokens.json")[GetParam()];
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  ChatTemplate chat_template_ = ChatTemplate::chatml;
  nlohmann::json goldens_;
};

TEST_P(TextModel, ExamplesEqualTokenizers) {
  const auto texts = golden("corpus.json").get<std::vector<std::string>>();
  const auto examples = goldens_["examples"].get<std::vector<Ids>>();
  ASSERT_GT(examples.size(), 50u);
  for (size_t i = 0; i < examples.size(); ++i) {
    EXPECT_EQ(tokenizer_->encode(texts[i], false), examples[i]) << texts[i];
  }
}

TEST_P(TextModel, CorpusEqualsTokenizers) {
  const auto texts = golden("corpus.json").get<std::vector<std::string>>();
  for (const bool parse_special : {false, true}) {
    const auto& hashes = goldens_[parse_special ? "special" : "plain"];
    ASSERT_EQ(hashes.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(fnv1a(tokenizer_->encode(texts[i], parse_special)), hashes[i].get<std::string>())
          << texts[i];
    }
  }
}

TEST_P(TextModel, RandomBytesComeBack) {
  std::string missing;  // bytes that the vocabulary has no token for
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    if (tokenizer_->encode(text, false).empty()) missing += text;
  }
  EXPECT_EQ(missing.size(), std::string_view(GetParam()) == "smollm2-135m" ? 21u : 0u);
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    std::string kept;
    for (size_t n = random() % 60; n > 0; --n) {
      const char c = random() % 3 == 0 ? static_cast<char>(random()) : " aé1\n"[random() % 6];
      text += c;
      if (missing.find(c) == missing.npos) kept += c;
    }
    ASSERT_EQ(tokenizer_->decode(tokenizer_->encode(text, false)), kept);
  }
}

TEST_P(TextModel, EndsOfGenerationEqualLlamaCpp) {
  Ids expected;
  for (const TokenId id : goldens_["ends"].get<Ids>()) {
    // llama.cpp takes Qwen's "</s>", a piece of ordinary text, for an end; pith does not.
    if (tokenizer_->bytes(id) != "</s>") expected.push_back(id);
  }
  Ids ends;
  for (size_t id = 0; id < tokenizer_->size(); ++id) {
    if (tokenizer_->ends_generation(static_cast<TokenId>(id))) ends.push_back(static_cast<int>(id));
  }
  EXPECT_EQ(ends, expected);
}

TEST_P(TextModel, KnowsItsChatTemplate) {
  EXPECT_EQ(chat_template_name(chat_template_),
            std::string_view(GetParam()) == "smollm2-135m" ? "smollm2" : "qwen2.5");
}

// What a user writes like a special token is left out of the goldens.
TEST_P(TextModel, PromptsEqualTheWholeTextInTokenizers) {
  const auto conversations = golden("chats.json")["conversations"];
  size_t checked = 0;
  for (size_t i = 0; i < conversations.size(); ++i) {
    if (goldens_["prompts"][i].is_null()) continue;
    std::vector<ChatMessage> messages;
    for (const auto& message : conversations[i]) {
      messages.push_back({message[0] == "system" ? Role::system
                          : message[0] == "user" ? Role::user
                                                 : Role::assistant,
                          message[1]});
    }
    const auto prompt = render_chat(chat_template_, messages);
    ASSERT_TRUE(prompt) << prompt.error().message;
    const EncodedPrompt encoded = encode_prompt(*tokenizer_, *prompt);
    EXPECT_EQ(encoded.ids, goldens_["prompts"][i].get<Ids>()) << i;
    EXPECT_EQ(encoded.ids[encoded.boundary], tokenizer_->find("<|im_start|>"));
    ++checked;
  }
  EXPECT_GT(checked, 15u);
}

INSTANTIATE_TEST_SUITE_P(Models, TextModel,
                         ::testing::Values("smollm2-135m", "qwen2.5-coder-0.5b",
                                           "qwen2.5-coder-1.5b"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
                               '_');
                           return name;
                         });

}  // namespace
}  // namespace pith
