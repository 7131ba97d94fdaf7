// Where an adapter is switched on, and what of the cache is kept when it changes.
#include "reason/adapter_use.h"

#include <gtest/gtest.h>

#include "reason/conversation.h"
#include "reason/self_consistency.h"
#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

using testing::TinyReasoner;

// A random adapter with invocation tokens.
class Activated : public AdapterSource {
 public:
  Activated(const ModelConfig& config, std::vector<int32_t> tokens)
      : random_(random_adapter(config, 8)), tokens_(std::move(tokens)) {}

  size_t rank(int32_t layer, LayerMatrix matrix) const override {
    return random_->rank(layer, matrix);
  }
  // Strong enough to change the replies.
  Result<LowRank> read(int32_t layer, LayerMatrix matrix) const override {
    auto pair = random_->read(layer, matrix);
    pair->scale = 16;
    return pair;
  }
  const std::vector<int32_t>& invocation_tokens() const override { return tokens_; }

 private:
  std::unique_ptr<AdapterSource> random_;
  std::vector<int32_t> tokens_;
};

AdapterId add_adapter(const TinyReasoner& reasoner, std::vector<int32_t> tokens) {
  const ModelConfig& config = reasoner.engine->model().config();
  const Activated source(config, std::move(tokens));
  return reasoner.engine->add_adapter(
      Adapter::load(source, config, AdapterPrecision::int8, *reasoner.engine.pool).value());
}

EncodedPrompt prompt_of(std::vector<TokenId> ids, size_t boundary) {
  EncodedPrompt prompt;
  prompt.ids = std::move(ids);
  prompt.boundary = boundary;
  return prompt;
}

TEST(AdapterUse, WithoutInvocationTokensItIsTheBoundary) {
  const TinyReasoner reasoner;
  const AdapterId adapter = add_adapter(reasoner, {});
  const AdapterUse use = adapter_use(*reasoner.engine, adapter, prompt_of({1, 2, 3}, 2)).value();
  EXPECT_EQ(use.at(1), kNoAdapter);
  EXPECT_EQ(use.at(2), adapter);
  EXPECT_EQ(adapter_use(*reasoner.engine, kNoAdapter, prompt_of({1}, 0))->at(0), kNoAdapter);
}

TEST(AdapterUse, InvocationTokensWinAndTheLastPlaceCounts) {
  const TinyReasoner reasoner;
  const AdapterId adapter = add_adapter(reasoner, {5, 6});
  const auto from = [&](std::vector<TokenId> ids) {
    return adapter_use(*reasoner.engine, adapter, prompt_of(std::move(ids), 0))->from;
  };
  EXPECT_EQ(from({5, 6}), 0u);
  EXPECT_EQ(from({5, 6, 7, 5, 6, 5, 7}), 3u);
  const auto none = adapter_use(*reasoner.engine, adapter, prompt_of({6, 5}, 0));
  ASSERT_FALSE(none);
  EXPECT_EQ(
      none.error().message,
      "the adapter is switched on by the tokens [5, 6], which the prompt does not have: is it "
      "for another chat template?");
}

TEST(WrittenAlike, EndsWhereTheWritersDiffer) {
  const std::vector<AdapterSpan> spans = {{0, kNoAdapter}, {4, 1}, {6, kNoAdapter}};
  EXPECT_EQ(written_alike(spans, {1, 4}, 6), 6u);
  EXPECT_EQ(written_alike(spans, {1, 4}, 8), 6u);
  EXPECT_EQ(written_alike(spans, {1, 5}, 8), 4u);
  EXPECT_EQ(written_alike(spans, {1, 2}, 8), 2u);
  EXPECT_EQ(written_alike(spans, {2, 4}, 8), 4u);
  EXPECT_EQ(written_alike(spans, {}, 3), 3u);
  EXPECT_EQ(written_alike({}, {}, 0), 0u);
}

struct AdapterChat {
  Reply say(const std::string& text, AdapterId adapter) {
    ReplyOptions options;
    options.sampling.temperature = 0;
    options.most_tokens = 12;
    options.adapter = adapter;
    messages.push_back({Role::user, text});
    Reply reply = conversation.reply(messages, options, observer).value();
    messages.push_back({Role::assistant, reply.text});
    return reply;
  }
  // Tokens up to the header of the assistant's turn that `messages` ask for.
  int32_t boundary(const std::vector<ChatMessage>& asked) const {
    const auto rendered = render_chat(ChatTemplate::chatml, asked).value();
    return static_cast<int32_t>(encode_prompt(reasoner.tokenizer, rendered).boundary);
  }

  TinyReasoner reasoner;
  DecodeObserver observer;
  Conversation conversation{*reasoner.engine, reasoner.tokenizer, ChatTemplate::chatml};
  std::vector<ChatMessage> messages;
};

// Attached: all of the prompt that the base model read is kept, to the token.
TEST(ConversationWithAdapter, AttachingAndDetachingReadOnlyTheHeaderAgain) {
  AdapterChat chat;
  const AdapterId adapter = add_adapter(chat.reasoner, {});
  const Reply base = chat.say("hello there", kNoAdapter);
  const std::vector<ChatMessage> question(chat.messages.begin(), chat.messages.begin() + 1);
  for (const AdapterId again : {adapter, kNoAdapter}) {
    chat.messages.clear();
    const Reply reply = chat.say("hello there", again);
    EXPECT_EQ(reply.reused_tokens, chat.boundary(question));
    EXPECT_EQ(reply.text == base.text, again == kNoAdapter);
  }
}

// What an adapter wrote is not taken for the base model's: the next turn is the same
// as in a conversation that has nothing cached.
TEST(ConversationWithAdapter, TheCacheDoesNotChangeTheReply) {
  AdapterChat cached;
  const AdapterId adapter = add_adapter(cached.reasoner, {});
  cached.say("hello there", adapter);
  const std::vector<ChatMessage> first(cached.messages.begin(), cached.messages.begin() + 1);
  const Reply second = cached.say("and more", adapter);
  EXPECT_EQ(second.reused_tokens, cached.boundary(first));

  AdapterChat fresh;
  const AdapterId same = add_adapter(fresh.reasoner, {});
  fresh.messages.assign(cached.messages.begin(), cached.messages.begin() + 2);
  EXPECT_EQ(fresh.say("and more", same).text, second.text);
}

TEST(SelfConsistencyWithAdapter, ItWritesTheBranchesAlone) {
  const TinyReasoner reasoner;
  const AdapterId adapter = add_adapter(reasoner, {});
  const std::vector<TokenId> prompt = testing::some_tokens(40, 1);
  DecodeObserver observer;
  SelfConsistencyOptions options;
  options.branches = 3;
  options.budget_tokens = 10;
  const auto texts = [&](const AdapterUse& use) {
    options.adapter = use;
    const auto result =
        self_consistency(*reasoner.engine, reasoner.tokenizer, prompt, options, observer).value();
    std::vector<std::string> all;
    for (const BranchResult& branch : result.branches) all.push_back(branch.text);
    return all;
  };
  const auto base = texts({});
  EXPECT_NE(texts({adapter, 38}), base);
  EXPECT_NE(texts({adapter, 0}), texts({adapter, 38}));
  EXPECT_EQ(texts({adapter, 38}), texts({adapter, 38}));
}

}  // namespace
}  // namespace pith
