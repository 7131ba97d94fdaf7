#include "runtime/ask.h"

#include <algorithm>
#include <utility>

#include "reason/question.h"
#include "text/utf8.h"

namespace pith {
namespace {

Result<std::unique_ptr<Engine>> make_engine(const Reasoner& reasoner, const Ask& how,
                                            size_t prompt_tokens, SelfConsistencyOptions reason) {
  const OpenModel& model = reasoner.model;
  EngineOptions options;
  options.kv_type = how.kv_type;
  options.context_tokens = how.context_tokens;
  const int32_t limit = model.model->config().context;
  const int32_t context = how.context_tokens > 0 ? std::min(how.context_tokens, limit) : limit;
  // A longer prompt is refused, and a longer budget cut, when the question runs.
  const int32_t prompt =
      static_cast<int32_t>(std::min(prompt_tokens, static_cast<size_t>(context)));
  reason.budget_tokens = std::min(reason.budget_tokens, std::max(context - prompt, 1));
  options.kv_tokens = kv_tokens_needed(model.tokenizer, prompt, reason);
  return Engine::create(model.model, reasoner.pool, options);
}

// What the pack has to decide with.
void apply(const LoadedPack& pack, SelfConsistencyOptions& reason) {
  reason.route.switcher = pack.switcher();
  reason.route.threshold = pack.pack.think_threshold;
  if (reason.vote == VoteRule::verifier) reason.verifier = &*pack.verifier;
  const auto known = pack.pack.calibration.find(reason.vote);
  if (!reason.calibration && known != pack.pack.calibration.end())
    reason.calibration = known->second;
}

Deadline deadline_at(Clock::time_point at, const LoadedPack* pack) {
  Deadline deadline;
  deadline.at = at;
  if (pack != nullptr) deadline.results = pack->pack.results;
  return deadline;
}

}  // namespace

Result<std::string> clean_question(std::string question) {
  const size_t end = question.find_last_not_of(" \t\r\n");
  question.erase(end == std::string::npos ? 0 : end + 1);
  if (question.empty()) return fail(ErrorCode::usage, "the question is empty");
  PITH_TRY_VOID(check_utf8(question, "the question"));
  return question;
}

Result<Asked> ask(const Reasoner& reasoner, const std::string& question, const Ask& how,
                  DecodeObserver& observer) {
  const Tokenizer& tokenizer = reasoner.model.tokenizer;
  LoadedPack* pack = reasoner.pack;
  PITH_TRY(const ChatTemplate chat_template, reasoner.model.chat_template);
  if (how.system) PITH_TRY_VOID(check_utf8(*how.system, "the system prompt"));
  Asked asked;
  PITH_TRY(asked.vote, chosen_vote(how.vote, pack));
  const QuestionStyle style = question_style(pack != nullptr ? &pack->pack : nullptr, how.think,
                                             how.system, how.budget_tokens);
  PITH_TRY(const QuestionPrompts prompts,
           question_prompts(style, how.reason.kind, question, chat_template, tokenizer));
  const EncodedPrompt& prompt = prompts.thinking.encoded;
  const EncodedPrompt& direct = prompts.direct.encoded;

  SelfConsistencyOptions reason = how.reason;
  reason.vote = asked.vote;
  if (pack != nullptr) apply(*pack, reason);
  reason.budget_tokens = style.budget_tokens;
  reason.direct_budget_tokens = style.direct_budget_tokens;
  reason.route.mode = how.think;
  reason.direct_prompt = direct.ids;
  if (how.temperature) reason.sampling.temperature = *how.temperature;
  if (!how.temperature) reason.lone_temperature = 0;
  if (how.deadline) reason.deadline = deadline_at(*how.deadline, pack);
  reason.thinking_end = thinking_end(chat_template);
  const size_t longest = std::max(prompt.ids.size(), direct.ids.size());
  PITH_TRY(const auto engine, make_engine(reasoner, how, longest, reason));
  AdapterId adapter = kNoAdapter;
  if (pack != nullptr) {
    adapter = attach_pack(*engine, *pack);
  } else if (reasoner.adapter != nullptr) {
    adapter = engine->add_adapter(reasoner.adapter);
  }
  PITH_TRY(reason.adapter, adapter_use(*engine, adapter, prompt));
  PITH_TRY(asked.result, self_consistency(*engine, tokenizer, prompt.ids, reason, observer));
  // Without a pack it is the prompt, or the family's way, that makes a model reason.
  asked.thinking = asked.result.route.thinking &&
                   (pack != nullptr || !how.system || !reason.thinking_end.empty());
  return asked;
}

}  // namespace pith
