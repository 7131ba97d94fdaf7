// One branch of an answer: what the model has written so far, and when it is made
// to stop thinking and to answer. No engine here, so that every rule can be tested
// with tokens made by hand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "reason/answer.h"
#include "text/tokenizer.h"

namespace pith {

enum class FinishReason {
  stop,       // the model ended its turn
  budget,     // its budget of tokens was used up
  context,    // the context or the KV cache was full
  cancelled,  // the user asked to stop
  decided,    // the answers of others were enough: it was not needed
  deadline,   // the time was up
};
std::string_view finish_reason_name(FinishReason reason);

inline constexpr int32_t kDefaultBudget = 1024;  // tokens
inline constexpr int32_t kMostBudget = 1 << 24;  // no context holds more

// Most tokens that are sampled for a forced answer, once its opening has been read.
// The longest answers of MATH-500 take about 40.
inline constexpr int32_t kForcedAnswerTokens = 48;

// Soft landing: how much of a budget a branch is given to come to an end by itself
// before it is cut off. Text that breaks off in the middle of a sentence is what a
// forced answer suffers from most.
inline constexpr int32_t kLandingPercent = 15;
inline constexpr int32_t kMostLandingTokens = 64;  // two sentences or so
// What the tokens that end a thought or a turn gain by the limit, growing evenly:
// enough to win where the model is ready to end, not in the middle of a word.
inline constexpr float kLandingNats = 10;

// What all branches of a question have in common. Immutable while they run.
struct BranchPlan {
  int32_t budget_tokens = 0;                  // sampled before the limit is reached; 1 or more
  FinishReason limit = FinishReason::budget;  // what the limit stands for
  // With `force_answer`, a branch that reaches its limit without a boxed answer, or
  // ends its turn without any answer, reads `closing` and samples up to
  // kForcedAnswerTokens more. In the last `landing_tokens()` of its budget the tokens
  // that end its thought, or a turn with a boxed answer, gain weight, and the first
  // end of a sentence or line counts as the limit.
  bool force_answer = false;
  bool soft_landing = true;  // the latter; without it, the limit alone ends a thought
  AnswerKind kind = AnswerKind::number;
  std::string thinking_end;  // what closes the family's thoughts; empty: it has none
  std::string closing;       // ends in an open \boxed{
  std::vector<TokenId> closing_ids;
  std::string closing_from_thought;  // the same, closing a thought first
  std::vector<TokenId> closing_from_thought_ids;
  std::vector<TokenId> thinking_end_ids;  // empty where no single token says it
  std::vector<TokenId> turn_end_ids;

  // A plan without forced answers, for plain generation.
  static BranchPlan plain(int32_t budget_tokens, FinishReason limit);
  // A plan whose branches always answer; `thinking_end` as in text/chat_template.h.
  static BranchPlan answering(const Tokenizer& tokenizer, int32_t budget_tokens, AnswerKind kind,
                              std::string_view thinking_end);

  // Tokens beyond the budget that a branch may take: those it reads and samples to
  // give its answer.
  int32_t allowance_tokens() const;
  // The budget and those.
  int32_t most_tokens() const { return budget_tokens + allowance_tokens(); }
  // 0 without forced answers or soft landing, and for budgets too small to have a last part.
  int32_t landing_tokens() const;
};

// Borrows the tokenizer and the plan. Move-only in spirit: one per sequence.
class Branch {
 public:
  // `stream` numbers the branch for the sampler.
  Branch(const Tokenizer& tokenizer, const BranchPlan& plan, uint64_t stream)
      : tokenizer_(&tokenizer), plan_(&plan), stream_(stream) {}

  // Takes the next sampled token. Returns the text that this completed, a forced
  // closing included; valid until the next call. Not on a finished branch (CHECKed).
  std::string_view accept(const SampledToken& token);
  // As if its limit were reached here, with `deadline` for a reason: a branch that still
  // thinks is asked for its answer or ends, one that answers or is finished stays as it
  // is. Returns the text that this completed.
  std::string_view answer_now();
  // Ends the branch as it stands. Returns the last of its text.
  std::string_view stop(FinishReason reason);

  bool finished() const { return phase_ == Phase::finished; }
  bool answering() const { return phase_ == Phase::answering; }  // when it was made to
  // What the model must read before the next token can be sampled; empty once finished.
  std::span<const TokenId> pending() const { return pending_; }
  // Whether only tokens with text may be sampled next: a forced answer must not be empty.
  bool needs_text() const { return phase_ == Phase::answering && !slot_has_text_; }
  // What soft landing adds to the next token's logits; borrows from the plan.
  LogitBias landing_bias() const;

  uint64_t stream() const { return stream_; }
  std::span<const SampledToken> samples() const { return samples_; }
  std::span<const TokenId> history() const { return history_; }  // ids of the samples
  int32_t sampled_tokens() const { return static_cast<int32_t>(samples_.size()); }
  int32_t read_tokens() const { return read_tokens_; }  // of a forced closing
  const std::string& text() const { return text_; }
  FinishReason finish_reason() const { return reason_; }
  // Mean of the samples' natural logarithms; 0 without samples.
  double mean_log_probability() const;
  // What the branch answers, so far; empty when it says nothing that counts as an answer,
  // never empty after a forced answer.
  std::string answer() const;

 private:
  enum class Phase { free, answering, finished };

  void write(TokenId token);
  void write_text(std::string_view text);
  void end_free(FinishReason reason);
  bool landing(int32_t sampled) const;
  void open_answer();
  void read_answer(TokenId token);
  void finish();
  bool in_thought() const;
  bool must_be_asked(FinishReason reason) const;
  std::string_view said() const;
  std::string_view answer_part() const;

  const Tokenizer* tokenizer_;
  const BranchPlan* plan_;
  uint64_t stream_;
  Phase phase_ = Phase::free;
  FinishReason reason_ = FinishReason::cancelled;
  Utf8Stream utf8_;
  std::string text_;
  std::string fresh_;  // text of the last accept()
  std::vector<SampledToken> samples_;
  std::vector<TokenId> history_;
  std::vector<TokenId> pending_;
  double log_probability_ = 0;
  int32_t read_tokens_ = 0;
  // Of the forced answer:
  size_t closing_begin_ = 0;  // in text_
  size_t slot_begin_ = 0;
  int32_t slot_tokens_ = 0;
  int32_t open_braces_ = 1;
  bool slot_escape_ = false;  // the last character was a backslash
  bool slot_has_text_ = false;
};

}  // namespace pith
