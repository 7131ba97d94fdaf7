#include "serve/generation_factory.h"

#include <algorithm>
#include <array>
#include <utility>

#include "reason/self_consistency.h"
#include "text/prompt.h"

namespace pith {
namespace {

// A request without any is told how to reason, as `pith ask` does.
std::vector<ChatMessage> with_system(std::vector<ChatMessage> messages, std::string system) {
  if (messages.front().role == Role::system || system.empty()) return messages;
  messages.insert(messages.begin(), {Role::system, std::move(system)});
  return messages;
}

// Whether the prompt ends inside a thought that it has opened itself.
bool opens_thought(const RenderedPrompt& prompt, std::string_view thinking_end) {
  if (thinking_end.empty()) return false;
  std::string begin(thinking_end);
  begin.erase(1, 1);
  std::string header;
  for (size_t i = prompt.boundary_piece; i < prompt.pieces.size(); ++i) {
    header += prompt.pieces[i].text;
  }
  const size_t opened = header.rfind(begin);
  const size_t closed = header.rfind(thinking_end);
  return opened != std::string::npos && (closed == std::string::npos || closed < opened);
}

Refusal refusal(const Error& error) {
  const bool too_long = error.code == ErrorCode::exhausted;
  return {too_long ? Refusal::Kind::too_long : Refusal::Kind::invalid, error.message, "messages",
          0};
}

Clock::time_point after(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

GenerationFactory::GenerationFactory(Engine& engine, const ServedModel& served,
                                     const ServiceInfo& info, AdapterId adapter)
    : engine_(engine), served_(served), info_(info), adapter_(adapter) {}

std::vector<TokenId> GenerationFactory::tokenize(std::string_view text) const {
  std::vector<TokenId> tokens = served_.tokenizer->encode(text, /*parse_special=*/false);
  if (served_.tokenizer->add_bos()) tokens.insert(tokens.begin(), served_.tokenizer->bos());
  return tokens;
}

tl::expected<std::unique_ptr<Generation>, Refusal> GenerationFactory::make(
    const GenerationRequest& request, std::shared_ptr<GenerationSink> sink) const {
  auto prompt = request.messages.empty() ? plain_prompt(request) : chat_prompt(request);
  if (!prompt) return tl::unexpected<Refusal>(refusal(prompt.error()));
  prompt->stream.stop = request.stop;
  prompt->stream.top_log_probabilities = request.top_log_probabilities;
  auto generation = request.vote ? make_vote(request, *std::move(prompt), std::move(sink))
                                 : make_text(request, *std::move(prompt), std::move(sink));
  if (!generation) return tl::unexpected<Refusal>(refusal(generation.error()));
  return *std::move(generation);
}

Result<GenerationFactory::Prompt> GenerationFactory::plain_prompt(
    const GenerationRequest& request) const {
  Prompt prompt;
  prompt.thinking = tokenize(request.text);
  return prompt;
}

Result<GenerationFactory::Prompt> GenerationFactory::chat_prompt(
    const GenerationRequest& request) const {
  const Pack* pack = served_.pack;
  std::vector<ChatMessage> messages = request.messages;
  if (request.vote) {
    messages =
        with_system(std::move(messages), system_message(style_of(request), request.vote->kind));
  }
  Prompt prompt;
  prompt.stream.thinking_end = thinking_end(*served_.chat_template);
  PITH_TRY(const RenderedPrompt rendered,
           render_chat(*served_.chat_template, messages, kTemplateDate, /*thinking=*/true));
  PITH_TRY(const RenderedPrompt direct,
           render_chat(*served_.chat_template, messages, kTemplateDate, /*thinking=*/false));
  prompt.stream.begins_in_thought = opens_thought(rendered, prompt.stream.thinking_end);
  EncodedPrompt encoded = encode_prompt(*served_.tokenizer, rendered);
  PITH_TRY(prompt.adapter, adapter_use(engine_, adapter_, encoded));
  prompt.thinking = std::move(encoded.ids);
  prompt.direct = encode_prompt(*served_.tokenizer, direct).ids;
  prompt.route.mode = request.think;
  if (pack != nullptr && pack->switcher) {
    prompt.route.switcher = &*pack->switcher;
    prompt.route.threshold = pack->think_threshold;
  }
  return prompt;
}

std::optional<Clock::time_point> GenerationFactory::deadline_of(
    const GenerationRequest& request) const {
  if (request.deadline_s) return after(*request.deadline_s);
  if (info_.limits.deadline_s) return after(*info_.limits.deadline_s);
  return std::nullopt;
}

// How long a text may become behind such a prompt.
Result<BranchPlan> GenerationFactory::plan_for(const GenerationRequest& request,
                                               size_t prompt_tokens) const {
  const int64_t context = info_.limits.context_tokens;
  const int64_t room = context - static_cast<int64_t>(prompt_tokens);
  if (room < 1) {
    return fail(ErrorCode::exhausted,
                "the prompt is too long: it has {} tokens, and the context of {} has no room for "
                "an answer",
                prompt_tokens, context);
  }
  const int32_t most = request.most_tokens.value_or(info_.limits.most_tokens);
  if (room < most) return BranchPlan::plain(static_cast<int32_t>(room), FinishReason::context);
  return BranchPlan::plain(most, FinishReason::budget);
}

Result<std::unique_ptr<Generation>> GenerationFactory::make_text(
    const GenerationRequest& request, Prompt prompt, std::shared_ptr<GenerationSink> sink) const {
  BatchJob job;
  job.client = request.client;
  job.prompt = std::move(prompt.thinking);
  job.direct_prompt = std::move(prompt.direct);
  job.adapter = prompt.adapter;
  job.route = prompt.route;
  job.uses_prefix_cache = true;
  job.caches_branches = !request.messages.empty();
  std::array<BranchPlan, 2> plans;
  for (const bool thinking : {false, true}) {
    PITH_TRY(plans[thinking ? 1 : 0], plan_for(request, job.routed().tokens(thinking).size()));
    job.branch_tokens = std::max(job.branch_tokens, plans[thinking ? 1 : 0].most_tokens());
  }
  return std::make_unique<TextGeneration>(std::move(sink), *served_.tokenizer,
                                          std::move(prompt.stream), std::move(job),
                                          std::move(plans), static_cast<size_t>(request.choices),
                                          request.sampling, deadline_of(request));
}

VoteRule GenerationFactory::vote_rule(const VoteRequest& vote) const {
  return vote.rule.value_or(vote_of(served_.pack));
}

// As `pith ask` has it, below the ceiling.
QuestionStyle GenerationFactory::style_of(const GenerationRequest& request) const {
  std::optional<int32_t> budget = request.vote->budget_tokens;
  if (!budget && served_.pack == nullptr) budget = info_.budget_tokens;
  QuestionStyle style = question_style(served_.pack, request.think, std::nullopt, budget);
  const int32_t most = info_.limits.most_tokens;
  style.budget_tokens = std::min(style.budget_tokens, most);
  if (style.direct_budget_tokens) {
    style.direct_budget_tokens = std::min(*style.direct_budget_tokens, most);
  }
  return style;
}

SelfConsistencyOptions GenerationFactory::vote_options(const GenerationRequest& request,
                                                       Prompt& prompt) const {
  const VoteRequest& vote = *request.vote;
  SelfConsistencyOptions options;
  options.branches = vote.branches.value_or(info_.branches);
  const QuestionStyle style = style_of(request);
  options.budget_tokens = style.budget_tokens;
  options.direct_budget_tokens = style.direct_budget_tokens;
  options.kind = vote.kind;
  options.sampling = request.sampling;
  options.thinking_end = prompt.stream.thinking_end;
  options.route = prompt.route;
  options.direct_prompt = std::move(prompt.direct);
  options.adapter = prompt.adapter;
  options.vote = vote_rule(vote);
  if (options.vote == VoteRule::verifier) options.verifier = &*served_.verifier;
  if (served_.pack != nullptr && served_.pack->calibration.contains(options.vote)) {
    options.calibration = served_.pack->calibration.at(options.vote);
  }
  options.stop_when_decided = vote.stop_when_decided;
  options.stop_at = vote.stop_at;
  if (const auto deadline = deadline_of(request)) {
    options.deadline.emplace();
    options.deadline->at = *deadline;
    if (served_.pack != nullptr) options.deadline->results = served_.pack->results;
  }
  return options;
}

Result<std::unique_ptr<Generation>> GenerationFactory::make_vote(
    const GenerationRequest& request, Prompt prompt, std::shared_ptr<GenerationSink> sink) const {
  SelfConsistencyOptions options = vote_options(request, prompt);
  return VoteGeneration::create(std::move(sink), engine_, *served_.tokenizer,
                                std::move(prompt.stream), request.client, prompt.thinking,
                                std::move(options));
}

}  // namespace pith
