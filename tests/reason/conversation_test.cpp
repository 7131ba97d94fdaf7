// Turns on one sequence: what the cache holds is not read again, and changes nothing.
#include "reason/conversation.h"

#include <gtest/gtest.h>

#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

using testing::TinyReasoner;

ReplyOptions short_replies(int32_t tokens = 12) {
  ReplyOptions options;
  options.sampling.temperature = 0;
  options.most_tokens = tokens;
  return options;
}

struct Chat {
  explicit Chat(const EngineOptions& options = TinyReasoner::roomy())
      : reasoner(options),
        conversation(*reasoner.engine, reasoner.tokenizer, ChatTemplate::chatml) {}

  Result<Reply> say(const std::string& text, const ReplyOptions& options = short_replies()) {
    messages.push_back({Role::user, text});
    auto reply = conversation.reply(messages, options, observer);
    if (reply) messages.push_back({Role::assistant, reply->text});
    return reply;
  }

  TinyReasoner reasoner;
  DecodeObserver observer;
  Conversation conversation;
  std::vector<ChatMessage> messages;
};

TEST(Conversation, OnlyTheNewTurnIsRead) {
  Chat chat;
  const auto first = chat.say("hello there");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->reused_tokens, 0);
  EXPECT_LE(first->reply_tokens, 12);
  const auto second = chat.say("and more");
  ASSERT_TRUE(second);
  EXPECT_GE(second->reused_tokens, first->prompt_tokens);
  EXPECT_LT(second->reused_tokens, second->prompt_tokens);
}

TEST(Conversation, TheCacheDoesNotChangeTheReply) {
  Chat cached;
  cached.say("hello there");
  cached.say("and more");
  const auto third = cached.say("the last");
  Chat fresh;
  fresh.messages = cached.messages;
  fresh.messages.resize(4);
  const auto same = fresh.say("the last");
  ASSERT_TRUE(third && same);
  EXPECT_EQ(same->reused_tokens, 0);
  EXPECT_EQ(third->text, same->text);
}

TEST(Conversation, TakenBackTurnsAreForgotten) {
  Chat chat;
  chat.say("hello there");
  const auto second = chat.say("a question");
  chat.messages.resize(2);
  const auto again = chat.say("a question");
  ASSERT_TRUE(second && again);
  EXPECT_EQ(again->text, second->text);
  chat.messages.clear();
  const auto cleared = chat.say("hello there");
  Chat fresh;
  EXPECT_EQ(cleared->text, fresh.say("hello there")->text);
}

TEST(Conversation, RepliesToTheSameMessagesDiffer) {
  Chat chat;
  ReplyOptions options = short_replies(40);
  options.sampling.temperature = 1.0f;
  const auto first = chat.say("hello", options);
  chat.messages.pop_back();
  chat.messages.pop_back();
  const auto second = chat.say("hello", options);
  EXPECT_NE(first->text, second->text);
}

TEST(Conversation, TheOldestTurnsMakeRoom) {
  EngineOptions narrow = TinyReasoner::roomy();
  narrow.context_tokens = 160;
  Chat chat(narrow);
  chat.messages.push_back({Role::system, "be brief"});
  int32_t dropped = 0;
  for (int turn = 0; turn < 12; ++turn) {
    const auto reply = chat.say("turn number " + std::to_string(turn));
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_LE(reply->prompt_tokens + reply->reply_tokens, 160);
    dropped += reply->dropped_turns;
  }
  EXPECT_GT(dropped, 0);
  EXPECT_EQ(chat.messages[0].role, Role::system);
  EXPECT_EQ(chat.messages[1].role, Role::user);
  EXPECT_EQ(chat.messages.size(), 1u + 2u * static_cast<size_t>(12 - dropped));
}

TEST(Conversation, AMessageThatCanNeverFitIsRefused) {
  EngineOptions narrow = TinyReasoner::roomy();
  narrow.context_tokens = 100;
  Chat chat(narrow);
  chat.say("hi");
  const auto reply = chat.say(std::string(200, 'q'));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::exhausted);
  chat.messages.pop_back();
  EXPECT_TRUE(chat.say("hi"));
}

TEST(Conversation, PlainTextIsContinued) {
  Chat chat;
  EncodedPrompt prompt;
  prompt.ids = chat.reasoner.tokenizer.encode("once upon a time", false);
  const auto first = chat.conversation.complete(prompt, short_replies(), chat.observer);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->prompt_tokens, static_cast<int32_t>(prompt.ids.size()));
  const auto again = chat.conversation.complete(prompt, short_replies(), chat.observer);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text, first->text);
  EXPECT_EQ(again->reused_tokens, again->prompt_tokens - 1);
  prompt.ids.clear();
  const auto empty = chat.conversation.complete(prompt, short_replies(), chat.observer);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::usage);
}

TEST(Conversation, TheReplyMayFillTheContext) {
  EngineOptions narrow = TinyReasoner::roomy();
  narrow.context_tokens = 100;
  Chat chat(narrow);
  ReplyOptions options = short_replies(0);
  const auto reply = chat.say("hi", options);
  ASSERT_TRUE(reply);
  if (reply->finish_reason != FinishReason::stop) {
    EXPECT_EQ(reply->finish_reason, FinishReason::context);
    EXPECT_EQ(reply->prompt_tokens + reply->reply_tokens, 100);
  }
  EXPECT_TRUE(chat.say("ho", options));
}

TEST(Conversation, GoesOnAfterACancel) {
  EngineOptions small_steps = TinyReasoner::roomy();
  small_steps.max_rows = 4;
  Chat chat(small_steps);
  struct CancelAtOnce : DecodeObserver {
    void on_prefill(int32_t done, int32_t) override { read = done; }
    bool cancelled() override { return read >= 8; }
    int32_t read = 0;
  } cancel;
  chat.messages.push_back({Role::user, "hello there"});
  const auto reply = chat.conversation.reply(chat.messages, short_replies(), cancel);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::cancelled);
  EXPECT_EQ(chat.conversation.cached_tokens(), 8);
  chat.messages.clear();
  const auto again = chat.say("hello there");
  Chat fresh;
  ASSERT_TRUE(again);
  EXPECT_EQ(again->reused_tokens, 8);
  EXPECT_EQ(again->text, fresh.say("hello there")->text);
}

}  // namespace
}  // namespace pith
