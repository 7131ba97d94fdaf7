#include "reason/conversation.h"

#include <algorithm>

#include "base/clock.h"
#include "reason/batch_scheduler.h"

namespace pith {
namespace {

// Removes the oldest question with what was answered. False when only the last
// question (and a system message) is left.
bool drop_oldest_turn(std::vector<ChatMessage>& messages) {
  const auto is_user = [](const ChatMessage& message) { return message.role == Role::user; };
  const auto first = std::find_if(messages.begin(), messages.end(), is_user);
  if (first == messages.end()) return false;
  const auto second = std::find_if(first + 1, messages.end(), is_user);
  if (second == messages.end()) return false;
  messages.erase(first, second);
  return true;
}

// One reply: a prompt with one branch, whose sequence is given back.
class ReplyJob : public JobObserver {
 public:
  ReplyJob(const Tokenizer& tokenizer, const BranchPlan& plan, uint64_t stream,
           const SamplingOptions& sampling, DecodeObserver& next)
      : branch(tokenizer, plan, stream), sampling_(sampling), next_(next) {}

  void on_prefill(int32_t done_tokens, int32_t prompt_tokens) override {
    next_.on_prefill(done_tokens, prompt_tokens);
  }
  Result<std::span<Branch>> on_read(const JobPrompt&) override {
    prefill_s = seconds_since(start_);
    return std::span(&branch, 1);
  }
  const SamplingOptions& sampling(size_t) override { return sampling_; }
  void on_start(size_t branches) override { next_.on_start(branches); }
  void on_token(size_t index, const Branch& of, std::string_view text) override {
    next_.on_token(index, of, text);
  }
  void on_finish(size_t index, const Branch& of, std::optional<double> score) override {
    next_.on_finish(index, of, score);
  }
  bool cancelled() override { return next_.cancelled(); }
  bool decided() override { return next_.decided(); }
  Pace pace(const WorkAhead& ahead) override { return next_.pace(ahead); }
  void on_release(OwnedSequence released) override { sequence = std::move(released); }
  void on_end(const Status& ended) override {
    status = ended;
    total_s = seconds_since(start_);
  }

  Branch branch;
  OwnedSequence sequence;
  Status status;
  double prefill_s = 0;
  double total_s = 0;

 private:
  const SamplingOptions& sampling_;
  DecodeObserver& next_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

double Reply::prefill_tokens_per_s() const {
  return prefill_s > 0 ? (prompt_tokens - reused_tokens) / prefill_s : 0;
}

double Reply::decode_tokens_per_s() const { return decode_s > 0 ? reply_tokens / decode_s : 0; }

Conversation::Conversation(Engine& engine, const Tokenizer& tokenizer, ChatTemplate chat_template)
    : engine_(&engine), tokenizer_(&tokenizer), chat_template_(chat_template), sequence_(engine) {}

Result<EncodedPrompt> Conversation::fitting_prompt(std::vector<ChatMessage>& messages,
                                                   const ReplyOptions& options, int32_t& dropped) {
  const int32_t context = engine_->options().context_tokens;
  int32_t reserve = std::max(context / 4, 1);
  if (options.most_tokens > 0) reserve = std::min(reserve, options.most_tokens);
  while (true) {
    PITH_TRY(const RenderedPrompt rendered,
             render_chat(chat_template_, messages, kTemplateDate, options.thinking));
    EncodedPrompt prompt = encode_prompt(*tokenizer_, rendered);
    if (static_cast<int64_t>(prompt.ids.size()) + reserve <= context) return prompt;
    if (!drop_oldest_turn(messages)) {
      return fail(ErrorCode::exhausted,
                  "the message is too long: the prompt has {} tokens, the context takes {} and "
                  "keeps {} for the reply",
                  prompt.ids.size(), context, reserve);
    }
    ++dropped;
  }
}

// Truncates the sequence to what it has in common with the prompt, by token and by
// adapter, but for the last token, which must be read to have logits. Returns the
// tokens kept.
size_t Conversation::keep_common(const std::vector<TokenId>& prompt, const AdapterUse& use) {
  const size_t most = std::min(cached_.size(), prompt.size() - 1);
  const auto differs = std::mismatch(
      cached_.begin(), cached_.begin() + static_cast<ptrdiff_t>(most), prompt.begin());
  const size_t common = written_alike(engine_->adapter_spans(sequence_.id()), use,
                                      static_cast<size_t>(differs.first - cached_.begin()));
  engine_->truncate(sequence_.id(), static_cast<int32_t>(common));
  cached_.resize(common);
  return common;
}

// Whatever stopped the reading, the sequence's length says how much was read.
void Conversation::note_cached(const std::vector<TokenId>& prompt, std::span<const TokenId> reply) {
  cached_ = prompt;
  cached_.insert(cached_.end(), reply.begin(), reply.end());
  cached_.resize(static_cast<size_t>(engine_->length(sequence_.id())));
}

Result<Reply> Conversation::reply(std::vector<ChatMessage>& messages, const ReplyOptions& options,
                                  DecodeObserver& observer) {
  int32_t dropped_turns = 0;
  PITH_TRY(const EncodedPrompt prompt, fitting_prompt(messages, options, dropped_turns));
  PITH_TRY(Reply reply, complete(prompt, options, observer));
  reply.dropped_turns = dropped_turns;
  return reply;
}

Result<Reply> Conversation::complete(const EncodedPrompt& encoded, const ReplyOptions& options,
                                     DecodeObserver& observer) {
  const std::vector<TokenId>& prompt = encoded.ids;
  const int32_t context = engine_->options().context_tokens;
  if (prompt.empty()) return fail(ErrorCode::usage, "the prompt is empty");
  if (prompt.size() >= static_cast<size_t>(context)) {
    return fail(ErrorCode::exhausted,
                "the prompt is too long: it has {} tokens, and the context takes {}", prompt.size(),
                context);
  }
  PITH_TRY(const AdapterUse use, adapter_use(*engine_, options.adapter, encoded));
  Reply reply;
  const size_t reused = keep_common(prompt, use);
  reply.prompt_tokens = static_cast<int32_t>(prompt.size());
  reply.reused_tokens = static_cast<int32_t>(reused);

  const int32_t room = context - reply.prompt_tokens;
  const bool limited = options.most_tokens > 0 && options.most_tokens < room;
  const BranchPlan plan = limited ? BranchPlan::plain(options.most_tokens, FinishReason::budget)
                                  : BranchPlan::plain(room, FinishReason::context);
  ReplyJob replying(*tokenizer_, plan, next_stream_, options.sampling, observer);
  BatchJob job;
  job.prompt = prompt;
  job.adapter = use;
  job.branch_tokens = plan.most_tokens();
  job.sequence = std::move(sequence_);
  run_alone(*engine_, *tokenizer_, std::move(job), replying);
  sequence_ = std::move(replying.sequence);
  note_cached(prompt, replying.branch.history());
  if (replying.branch.sampled_tokens() > 0) ++next_stream_;
  PITH_TRY_VOID(std::move(replying.status));
  reply.prefill_s = replying.prefill_s;
  reply.decode_s = replying.total_s - replying.prefill_s;
  reply.text = replying.branch.text();
  reply.finish_reason = replying.branch.finish_reason();
  reply.reply_tokens = replying.branch.sampled_tokens();
  return reply;
}

}  // namespace pith
