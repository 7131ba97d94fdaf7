// What a server's front end needs of the engine: requests in, text out, as it is written.
// Nothing here knows HTTP, and nothing that speaks HTTP needs to know more of the engine.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/error.h"
#include "engine/sampler.h"
#include "reason/answer.h"
#include "reason/branch.h"
#include "reason/route.h"
#include "reason/self_consistency.h"
#include "reason/vote.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pith {

inline constexpr size_t kMostStopStrings = 4;
inline constexpr size_t kMostStopBytes = 256;  // of one stop string
inline constexpr int32_t kMostTopLogProbabilities = 20;

// A question that is answered by the vote of several branches (self-consistency), each of
// which is made to give an answer when its budget is used up.
struct VoteRequest {
  std::optional<int32_t> branches;       // none: the server's default
  std::optional<int32_t> budget_tokens;  // per branch; none: the pack's or the server's default
  std::optional<VoteRule> rule;  // none: by the pack's verifier if it has one, else majority
  AnswerKind kind = AnswerKind::number;
  bool stop_when_decided = true;  // as in SelfConsistencyOptions
  std::optional<double> stop_at;  // likewise; above 0.5 and below 1
};

// What a client asks for. Limits are ceilings: what asks for more than ServiceLimits allow
// is refused, not lowered in silence.
struct GenerationRequest {
  // Whose it is: time is shared evenly between clients, then between the requests of one.
  std::string client;
  // Rendered by the model's chat template. Empty: `text` is the prompt as it is, in which
  // special tokens are ordinary text.
  std::vector<ChatMessage> messages;
  std::string text;
  // Texts that are written side by side; with `vote` it must be 1.
  int32_t choices = 1;
  // ServiceInfo::sampling is what to begin with. A seed repeats the request to the bit,
  // whatever else the server does; choice or branch i draws from its stream i.
  SamplingOptions sampling;
  // Most tokens of each choice; none: as many as limits and context allow. Not with `vote`,
  // which has a budget.
  std::optional<int32_t> most_tokens;
  // The text ends before the first of these that the answer would contain. At most
  // kMostStopStrings, none empty; not with `vote`.
  std::vector<std::string> stop;
  // Log-probabilities of the tokens and so many of the likeliest alternatives, 0 to
  // kMostTopLogProbabilities; none: not asked for.
  std::optional<int32_t> top_log_probabilities;
  ThinkMode think = ThinkMode::automatic;
  std::optional<VoteRequest> vote;  // none: the choices are plain text
  // Seconds from submit(). With `vote` branches and budget are planned for it, and what still
  // thinks then is made to answer; plain text ends as it stands. Either way the finish
  // reason is `deadline`.
  std::optional<double> deadline_s;
};

struct GenerationStart {
  int32_t prompt_tokens = 0;
  int32_t cached_tokens = 0;  // of these, found in the prefix cache
  Route route;
  int32_t texts = 1;  // choices, or branches of the vote
};

// A token with the natural logarithm of its probability under the model's own distribution.
struct TokenLogProbability {
  TokenId token = 0;
  std::string_view bytes;  // need not be UTF-8; of the tokenizer, valid as long as the service
  float log_probability = 0;
  // The likeliest, best first. Empty unless asked for.
  struct Alternative {
    TokenId token = 0;
    std::string_view bytes;
    float log_probability = 0;
  };
  std::vector<Alternative> alternatives;
};

// What one text has gained. A delta is either thought or answer, never both; it may have
// tokens and no text (yet), or text and no tokens (the closing of a forced answer).
struct TextDelta {
  int32_t index = 0;       // of the choice or branch
  bool reasoning = false;  // inside the family's thought; its markup is left out
  std::string_view text;   // whole characters of UTF-8
  std::span<const TokenLogProbability> tokens;  // where they were asked for
};

// One text has come to its end. Behind on_text() with the last of it.
struct TextEnd {
  int32_t index = 0;
  FinishReason reason = FinishReason::stop;
  int32_t tokens = 0;            // that the model sampled or was made to read
  int32_t reasoning_tokens = 0;  // of these, in the thought
  // Of votes:
  std::string answer;  // empty: it gave none
  double mean_log_probability = 0;
  std::optional<double> verifier_score;
};

// How a vote ended.
struct VoteResult {
  std::vector<AnswerGroup> groups;  // winner first; members are branches; empty: no answer
  int32_t best_branch = 0;          // that speaks for the winner
  double confidence = 0;
  ConfidenceKind confidence_kind = ConfidenceKind::agreement;
  int64_t saved_tokens = 0;  // as in SelfConsistencyResult
  VoteRule rule = VoteRule::majority;
  std::optional<TimePlan> plan;  // of a deadline

  // Empty where no branch answered.
  std::string answer() const { return groups.empty() ? std::string() : groups.front().answer; }
};

struct GenerationEnd {
  int32_t prompt_tokens = 0;
  int32_t cached_tokens = 0;
  int32_t completion_tokens = 0;  // of all texts
  int32_t reasoning_tokens = 0;   // of these, in thoughts
  double queued_s = 0;            // from submit() until its prompt was begun
  double prefill_s = 0;           // from there until it was read
  double first_token_s = 0;       // from submit(); 0: there was none
  double total_s = 0;             // from submit()
  std::optional<VoteResult> vote;
};

// Where the output of one request goes. All calls but wants_more() come in this order:
// on_start, any number of on_text and, once for each text, on_text_end, then on_end; or,
// at any time before that, on_error as the last one. They come from the engine's thread, one
// at a time, and hold up everyone: queue what is told, wake who waits, and return. What
// is borrowed is valid during the call. They may throw std::bad_alloc, which ends the request
// with `exhausted`, but for on_error.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual void on_start(const GenerationStart& start) = 0;
  virtual void on_text(const TextDelta& delta) = 0;
  virtual void on_text_end(const TextEnd& end) = 0;
  virtual void on_end(const GenerationEnd& end) = 0;
  // `exhausted`: memory; `cancelled`: the service was stopped.
  virtual void on_error(const Error& error) = 0;
  // Whether anyone still wants the output; asked before each step from the engine's thread.
  // After `false` all work on the request ends and nothing more is told.
  virtual bool wants_more() = 0;
};

// Why a request is not taken.
struct Refusal {
  enum class Kind {
    invalid,   // it makes no sense, or asks for what this model or server does not give
    too_long,  // its prompt leaves no room for an answer
    busy,      // the queue is full: come back after retry_after_s
    draining,  // the server is going down
  };
  Kind kind = Kind::invalid;
  std::string message;    // one line for a person: what, where, what to do
  std::string parameter;  // the field of GenerationRequest that is to blame; empty: no single one
  double retry_after_s = 0;
};
using Submission = tl::expected<void, Refusal>;

// The most that a request may ask for, and that the server takes.
struct ServiceLimits {
  int32_t context_tokens = 0;  // prompt and text together
  int32_t most_tokens = 0;     // of one choice, or the budget of one branch
  int32_t choices = 0;
  int32_t branches = 0;
  int32_t queue = 0;                 // requests that wait for their turn
  std::optional<double> deadline_s;  // every request has at most this; none: no such limit
};

// What does not change while the service runs.
struct ServiceInfo {
  std::string model;      // its name
  int64_t created_s = 0;  // Unix time at which the service was made
  std::string pack;       // its name; empty: none
  bool chats = false;     // it has a chat template: `messages` are understood
  bool thinks = false;    // the family thinks in markup, or a pack's adapter reasons
  bool has_switcher = false;
  bool has_verifier = false;
  SamplingOptions sampling;      // defaults of plain text; a vote's are the same
  int32_t branches = 8;          // default of a vote
  int32_t budget_tokens = 1024;  // default of a branch
  ServiceLimits limits;
};

// How often durations fell below bounds, as Prometheus counts: counts[i] is of all up to
// bounds_s[i], not cumulative; the last is of those above all bounds.
struct DurationHistogram {
  static constexpr std::array<double, 12> bounds_s = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
                                                      0.5,   1,    2,    5,    10,  30};
  std::array<int64_t, bounds_s.size() + 1> counts = {};
  int64_t count = 0;
  double sum_s = 0;

  void add(double seconds);
};

// Counters since the service was made, and gauges of this moment.
struct ServiceMetrics {
  int64_t requests_finished = 0;
  int64_t requests_cancelled = 0;  // their clients were gone
  int64_t requests_failed = 0;
  int64_t requests_refused = 0;  // busy or draining
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of these, not read again
  int64_t generated_tokens = 0;
  int64_t steps = 0;
  int64_t rows = 0;  // of all steps
  DurationHistogram step_s;
  DurationHistogram first_token_s;  // from submit()
  // Gauges:
  int32_t requests_queued = 0;
  int32_t requests_running = 0;
  int32_t texts_running = 0;
  int64_t kv_tokens = 0;         // capacity
  int64_t kv_tokens_used = 0;    // those of the prefix cache included
  int64_t kv_tokens_cached = 0;  // in the prefix cache
};

// All of it is thread safe.
class Service {
 public:
  virtual ~Service() = default;

  // Checks and queues the request; renders and tokenizes on the caller's thread. `sink` is
  // kept until its last call, and is told nothing when the request is refused.
  virtual Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) = 0;

  // Text as the prompt of `text` would be read; and back, invalid UTF-8 replaced.
  virtual std::vector<TokenId> tokenize(std::string_view text) const = 0;
  virtual std::string detokenize(std::span<const TokenId> tokens) const = 0;

  virtual const ServiceInfo& info() const = 0;
  virtual ServiceMetrics metrics() const = 0;

  // Refuses what comes from now on, and waits until all that was taken is done; what is not
  // after `seconds` ends with the error `cancelled`. Returns then.
  virtual void drain(double seconds) = 0;
};

}  // namespace pith
