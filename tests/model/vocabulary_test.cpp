#include "model/vocabulary.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/gguf_writer.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

Result<Tokenizer> read_words(const GgufWriter& writer) {
  const std::vector<uint8_t> bytes = writer.bytes();
  PITH_TRY(const auto file, GgufFile::parse(bytes, "tiny.gguf"));
  return read_tokenizer(file);
}

void expect_words_refused(const GgufWriter& writer, ErrorCode code, const std::string& part) {
  const auto tokenizer = read_words(writer);
  ASSERT_FALSE(tokenizer) << "accepted, but should say: " << part;
  EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().message;
  EXPECT_NE(tokenizer.error().message.find(part), std::string::npos) << tokenizer.error().message;
  EXPECT_EQ(tokenizer.error().message.find("tiny.gguf: "), 0u) << tokenizer.error().message;
}

GgufWriter without(std::string_view key) {
  return std::move(tiny_model(tiny_spec("qwen2")).without_key(key));
}

TEST(Vocabulary, GivesATokenizerThatWorks) {
  const auto tokenizer = read_words(tiny_model(tiny_spec("qwen2")));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->size(), 320u);
  EXPECT_EQ(tokenizer->bos(), 316);
  EXPECT_EQ(tokenizer->eos(), 318);
  EXPECT_FALSE(tokenizer->add_bos());
  EXPECT_EQ(tokenizer->kind(317), TokenKind::control);
  const std::string text = "banana \xff\xc3\xa9\n";
  const std::vector<TokenId> ids = tokenizer->encode(text, false);
  EXPECT_EQ(tokenizer->decode(ids), text);
  EXPECT_LT(ids.size(), text.size());  // "ba" is one token
  EXPECT_EQ(tokenizer->encode("<|im_end|>", true), (std::vector<TokenId>{318}));
}

TEST(Vocabulary, Llama3FilesAddTheFirstTokenUnlessTheySayOtherwise) {
  GgufWriter writer = tiny_model(tiny_spec("llama3"));
  EXPECT_TRUE(read_words(writer)->add_bos());
  writer.without_key("tokenizer.ggml.add_bos_token");
  EXPECT_TRUE(read_words(writer)->add_bos());
  EXPECT_FALSE(read_words(writer.boolean("tokenizer.ggml.add_bos_token", false))->add_bos());
  EXPECT_FALSE(read_words(without("tokenizer.ggml.add_bos_token"))->add_bos());
}

TEST(Vocabulary, KeysThatMayBeAbsent) {
  GgufWriter writer = without("tokenizer.ggml.bos_token_id");
  writer.without_key("tokenizer.ggml.eos_token_id").without_key("tokenizer.ggml.token_type");
  const auto tokenizer = read_words(writer);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->bos(), -1);
  EXPECT_EQ(tokenizer->eos(), -1);
  EXPECT_EQ(tokenizer->kind(300), TokenKind::normal);
}

TEST(Vocabulary, KeysThatMustBeThereAreNamed) {
  for (const char* key :
       {"tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    expect_words_refused(without(key), ErrorCode::corrupt, key);
  }
}

TEST(Vocabulary, OtherTokenizersAreNamed) {
  GgufWriter writer = without("tokenizer.ggml.model");
  expect_words_refused(writer.string("tokenizer.ggml.model", "llama"), ErrorCode::unsupported,
                       "the tokenizer 'llama' cannot be run");
  GgufWriter pre = without("tokenizer.ggml.pre");
  expect_words_refused(pre, ErrorCode::unsupported, "default");
  expect_words_refused(pre.string("tokenizer.ggml.pre", "falcon"), ErrorCode::unsupported,
                       "falcon");
}

TEST(Vocabulary, IdsThatNameNoToken) {
  for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"}) {
    for (const uint32_t id : {320u, UINT32_MAX}) {
      expect_words_refused(without(key).u32(key, id), ErrorCode::corrupt, key);
    }
    const auto negative = ByteWriter().number<int32_t>(-2).bytes();
    expect_words_refused(without(key).raw(key, GgufType::i32, negative), ErrorCode::corrupt, key);
  }
}

TEST(Vocabulary, TokenTypesThatCannotBe) {
  constexpr const char* kKey = "tokenizer.ggml.token_type";
  expect_words_refused(without(kKey).i32s(kKey, {1, 1}), ErrorCode::corrupt,
                       "2 token types for 320 tokens");
  for (const int32_t kind : {0, 7, -1, 257}) {
    std::vector<int32_t> kinds(320, 1);
    kinds[10] = kind;
    expect_words_refused(without(kKey).i32s(kKey, kinds), ErrorCode::corrupt, "type");
  }
}

// A token without its row of the embedding could be asked for but not run.
TEST(Vocabulary, MoreTokensThanTheEmbeddingHas) {
  GgufWriter writer = tiny_model(tiny_spec("qwen2")).without_tensor("token_embd.weight");
  writer.floats("token_embd.weight", {64, 319}, std::vector<float>(64 * 319));
  expect_words_refused(writer, ErrorCode::corrupt, "320 tokens, token_embd.weight only 319 rows");
}

TEST(ChatTemplateOfFile, IsRecognisedOrTheOptionIsNamed) {
  const auto read_template = [](const GgufWriter& writer) -> Result<ChatTemplate> {
    const std::vector<uint8_t> bytes = writer.bytes();
    PITH_TRY(const auto file, GgufFile::parse(bytes, "tiny.gguf"));
    return read_chat_template(file);
  };
  const auto known = read_template(tiny_model(tiny_spec("qwen2")));
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_EQ(*known, ChatTemplate::chatml);
  GgufWriter none = without("tokenizer.chat_template");
  EXPECT_EQ(read_template(none).error().code, ErrorCode::unsupported);
  EXPECT_NE(read_template(none).error().message.find("--chat-template"), std::string::npos);
  const auto unknown = read_template(none.string("tokenizer.chat_template", "{{ messages }}"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::unsupported);
  EXPECT_EQ(unknown.error().message.find("tiny.gguf: "), 0u);
  EXPECT_NE(unknown.error().message.find("--chat-template"), std::string::npos);
}

}  // namespace
}  // namespace pith
