#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "text/tiny_vocabulary.h"

namespace pith {
namespace {

using testing::tiny_vocabulary;
using Ids = std::vector<TokenId>;

Tokenizer make(Vocabulary vocabulary) {
  auto tokenizer = Tokenizer::create(std::move(vocabulary));
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return std::move(*tokenizer);
}

// 256: "he", 257: "ll", 258: "hell"; 259 and 260 control, 261 user-defined, 262 unused.
Tokenizer hello() {
  Vocabulary vocabulary =
      tiny_vocabulary({{"h", "e"}, {"l", "l"}, {"he", "ll"}}, {{"<|im_end|>", TokenKind::control},
                                                               {"<|im_start|>", TokenKind::control},
                                                               {"<think>", TokenKind::user_defined},
                                                               {"[PAD0]", TokenKind::unused}});
  vocabulary.eos = 259;
  vocabulary.bos = 260;
  return make(std::move(vocabulary));
}

TEST(Tokenizer, EncodesAndDecodes) {
  const Tokenizer tokenizer = hello();
  const Ids ids = tokenizer.encode("hello hell", false);
  EXPECT_EQ(ids, (Ids{258, 'o', ' ', 258}));
  EXPECT_EQ(tokenizer.decode(ids), "hello hell");
  EXPECT_EQ(tokenizer.encode("", true), Ids{});
}

TEST(Tokenizer, AnyBytesComeBack) {
  for (const std::string_view pre : {"qwen2", "gpt-2", "llama-bpe", "smollm"}) {
    const Tokenizer tokenizer = make(tiny_vocabulary({{"a", "a"}, {"\xff", "\xff"}, {" ", "a"}},
                                                     {{"<think>", TokenKind::user_defined}}, pre));
    std::mt19937 random(4);
    for (int round = 0; round < 3000; ++round) {
      std::string text;
      for (size_t n = random() % 30; n > 0; --n) {
        text += random() % 2 == 0 ? "a \xff<think>1\n"[random() % 12] : static_cast<char>(random());
      }
      for (const bool parse_special : {false, true}) {
        ASSERT_EQ(tokenizer.decode(tokenizer.encode(text, parse_special)), text) << pre;
      }
    }
  }
}

TEST(Tokenizer, ControlTokensOnlyWhereAskedFor) {
  const Tokenizer tokenizer = hello();
  EXPECT_EQ(tokenizer.encode("a<|im_end|>", true), (Ids{'a', 259}));
  EXPECT_EQ(tokenizer.encode("<|im_end|>", false).size(), 10u);
  EXPECT_EQ(tokenizer.encode("<think>", false), Ids{261});
  EXPECT_EQ(tokenizer.encode("<think>", true), Ids{261});
  EXPECT_EQ(tokenizer.encode("[PAD0]", true).size(), 6u);
}

TEST(Tokenizer, DecodeHidesControlTokensUnlessAsked) {
  const Tokenizer tokenizer = hello();
  const Ids ids = {260, 'a', 261, 259, -1, 9999};
  EXPECT_EQ(tokenizer.decode(ids), "a<think>");
  EXPECT_EQ(tokenizer.decode(ids, true), "<|im_start|>a<think><|im_end|>");
}

TEST(Tokenizer, LooksUpTokens) {
  const Tokenizer tokenizer = hello();
  EXPECT_EQ(tokenizer.size(), 263u);
  EXPECT_EQ(tokenizer.find("<|im_end|>"), 259);
  EXPECT_EQ(tokenizer.find("hell"), 258);
  EXPECT_EQ(tokenizer.find(" "), ' ');
  EXPECT_EQ(tokenizer.find("nothing"), -1);
  EXPECT_EQ(tokenizer.find(""), -1);
  EXPECT_EQ(tokenizer.bytes(256), "he");
  EXPECT_EQ(tokenizer.bytes(-1), "");
  EXPECT_EQ(tokenizer.bytes(263), "");
  EXPECT_EQ(tokenizer.kind(261), TokenKind::user_defined);
  EXPECT_EQ(tokenizer.kind(262), TokenKind::unused);
  EXPECT_EQ(tokenizer.kind(-5), TokenKind::unused);
  EXPECT_EQ(tokenizer.bos(), 260);
  EXPECT_EQ(tokenizer.eos(), 259);
  EXPECT_FALSE(tokenizer.add_bos());
}

TEST(Tokenizer, EndsOfGeneration) {
  Vocabulary vocabulary = tiny_vocabulary({}, {{"<|endoftext|>", TokenKind::control},
                                               {"<|im_end|>", TokenKind::control},
                                               {"<stop>", TokenKind::control},
                                               {"<|im_start|>", TokenKind::control}});
  vocabulary.eos = 258;
  const Tokenizer tokenizer = make(vocabulary);
  for (const TokenId id : {256, 257, 258}) EXPECT_TRUE(tokenizer.ends_generation(id)) << id;
  for (const TokenId id : {0, 259, -1, 999}) EXPECT_FALSE(tokenizer.ends_generation(id)) << id;
}

// Files of DeepSeek's models call turn markup user-defined, which all text would match.
TEST(Tokenizer, TurnMarkupIsControlWhateverTheFileSays) {
  const Tokenizer tokenizer =
      make(tiny_vocabulary({}, {{"<｜User｜>", TokenKind::user_defined},
                                {"<｜end▁of▁sentence｜>", TokenKind::user_defined},
                                {"<think>", TokenKind::user_defined}}));
  EXPECT_EQ(tokenizer.encode("<｜User｜>", true), Ids{256});
  EXPECT_GT(tokenizer.encode("<｜User｜>", false).size(), 1u);
  EXPECT_EQ(tokenizer.kind(257), TokenKind::control);
  EXPECT_EQ(tokenizer.kind(258), TokenKind::user_defined);
}

TEST(Tokenizer, LlamaTakesWholeWordsThatAreTokens) {
  // No merge leads to "xyz": only a look-up of the whole word finds it.
  Vocabulary vocabulary = tiny_vocabulary({{"x", "y"}}, {}, "llama-bpe");
  vocabulary.tokens.emplace_back("xyz");
  vocabulary.kinds.push_back(TokenKind::normal);
  EXPECT_EQ(make(vocabulary).encode("xyz xyz", false), (Ids{257, ' ', 256, 'z'}));
  vocabulary.pre = "qwen2";
  EXPECT_EQ(make(vocabulary).encode("xyz", false), (Ids{256, 'z'}));
}

TEST(Tokenizer, BytesWithoutATokenAreDroppedBeforeMerging) {
  Vocabulary vocabulary = tiny_vocabulary({{"a", "b"}});
  vocabulary.tokens[0xff] = "[none]";
  EXPECT_EQ(make(vocabulary).encode("a", false), Ids{'a'});
  EXPECT_EQ(make(vocabulary).encode("\xff", false), Ids{});
  // Between symbols the byte is gone; "!\xff" and "!" are one pre-token.
  vocabulary.merges = {"! !"};
  vocabulary.tokens[256] = "!!";
  EXPECT_EQ(make(vocabulary).encode("!\xff!", false), Ids{256});
}

TEST(Tokenizer, RefusesBrokenVocabularies) {
  const auto error = [](auto change) {
    Vocabulary vocabulary = tiny_vocabulary({{"a", "b"}}, {{"<s>", TokenKind::control}});
    change(vocabulary);
    const auto tokenizer = Tokenizer::create(std::move(vocabulary));
    EXPECT_FALSE(tokenizer);
    return tokenizer ? Error{} : tokenizer.error();
  };
  const Error unknown = error([](Vocabulary& v) { v.pre = "chatglm\n"; });
  EXPECT_EQ(unknown.code, ErrorCode::unsupported);
  EXPECT_NE(unknown.message.find("'chatglm\\x0a'"), std::string::npos) << unknown.message;
  for (const Error& e : {
           error([](Vocabulary& v) { v.tokens.clear(), v.kinds.clear(); }),
           error([](Vocabulary& v) { v.kinds.pop_back(); }),
           error([](Vocabulary& v) { v.tokens[5] = v.tokens[6]; }),
           error([](Vocabulary& v) { v.tokens.push_back("<s>"), v.kinds.push_back(v.kinds[257]); }),
           error([](Vocabulary& v) { v.tokens[257] = std::string(513, 'x'); }),
           error([](Vocabulary& v) { v.bos = 258; }),
           error([](Vocabulary& v) { v.eos = -2; }),
       }) {
    EXPECT_EQ(e.code, ErrorCode::corrupt) << e.message;
    EXPECT_FALSE(e.message.empty());
  }
}

TEST(Tokenizer, SeveralThreadsMayUseOne) {
  const Tokenizer tokenizer = hello();
  const Ids expected = tokenizer.encode("hello <think> 12", false);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        EXPECT_EQ(tokenizer.encode("hello <think> 12", false), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace pith
