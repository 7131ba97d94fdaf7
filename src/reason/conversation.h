// A conversation on one sequence: its KV cache holds what was said, so that a turn
// costs the reading of that turn alone. Plain text is continued in the same way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "reason/adapter_use.h"
#include "reason/branch.h"
#include "reason/decode.h"
#include "text/chat_template.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace pith {

struct ReplyOptions {
  SamplingOptions sampling;
  int32_t most_tokens = 0;         // of the reply; 0: to the end of the context
  bool thinking = true;            // as in render_chat: only families that think know it
  AdapterId adapter = kNoAdapter;  // that writes the reply; what came before is the base model's
};

struct Reply {
  std::string text;
  FinishReason finish_reason = FinishReason::stop;
  int32_t prompt_tokens = 0;  // of the whole conversation
  int32_t reused_tokens = 0;  // of them, found in the KV cache
  int32_t reply_tokens = 0;
  int32_t dropped_turns = 0;  // oldest questions forgotten, with their answers, to make room
  double prefill_s = 0;
  double decode_s = 0;

  double prefill_tokens_per_s() const;
  double decode_tokens_per_s() const;
};

// Borrows the engine and the tokenizer. Not thread safe.
class Conversation {
 public:
  Conversation(Engine& engine, const Tokenizer& tokenizer, ChatTemplate chat_template);

  // The model's reply to `messages`, whose last one is the user's. Only what differs
  // from what the cache holds is read, whatever was edited or taken back since. An
  // adapter's replies are read once more, by the base model, when the next one comes.
  // Where a quarter of the context (or most_tokens, if less) would not be left for
  // the reply, the oldest turns are removed from `messages`; a system message stays.
  // Replies to the same messages differ: each draws from a stream of its own.
  //
  // A cancel during the reply is no error. Errors: those of render_chat; exhausted
  // (the last message alone is too long); cancelled (while the prompt was read). The
  // conversation can go on after any of them.
  Result<Reply> reply(std::vector<ChatMessage>& messages, const ReplyOptions& options,
                      DecodeObserver& observer);

  // What follows a prompt that is no conversation; else as reply(). Errors: usage (an empty
  // prompt); exhausted (no room for one token behind it); cancelled.
  Result<Reply> complete(const EncodedPrompt& prompt, const ReplyOptions& options,
                         DecodeObserver& observer);

  int32_t cached_tokens() const { return static_cast<int32_t>(cached_.size()); }

 private:
  Result<EncodedPrompt> fitting_prompt(std::vector<ChatMessage>& messages,
                                       const ReplyOptions& options, int32_t& dropped);
  size_t keep_common(const std::vector<TokenId>& prompt, const AdapterUse& use);
  void note_cached(const std::vector<TokenId>& prompt, std::span<const TokenId> reply);

  Engine* engine_;
  const Tokenizer* tokenizer_;
  ChatTemplate chat_template_;
  OwnedSequence sequence_;
  std::vector<TokenId> cached_;  // what sequence_ has read
  uint64_t next_stream_ = 0;
};

}  // namespace pith
