#include "eval/rollout.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "eval/run_log.h"
#include "io/json_null.h"
#include "pith/version.h"

namespace pith {
namespace {

// Streams of the random numbers: kMostSamples for each question.
uint64_t stream_of(const Question& question, int32_t sample) {
  return static_cast<uint64_t>(question.index) * kMostSamples + static_cast<uint64_t>(sample);
}

SamplingOptions greedy(SamplingOptions sampling) {
  sampling.temperature = 0;
  return sampling;
}

int32_t context_of(const RolloutModel& model, const RolloutOptions& options) {
  const int32_t limit = model.model->config().context;
  return options.context_tokens > 0 ? std::min(options.context_tokens, limit) : limit;
}

// Tokens of the budget's last part, where a sample is to come to its end; 0 without soft
// landing, null where none is made to answer.
nlohmann::ordered_json landing_of(const RolloutOptions& options) {
  BranchPlan plan = BranchPlan::plain(options.style.budget_tokens, FinishReason::budget);
  plan.force_answer = options.force_answer;
  plan.soft_landing = options.soft_landing;
  return plan.force_answer ? nlohmann::ordered_json(plan.landing_tokens()) : nullptr;
}

class Drawing : public ScheduleObserver {
 public:
  Drawing(const RolloutModel& model, const RolloutOptions& options, RolloutObserver& observer)
      : model_(model),
        options_(options),
        observer_(observer),
        context_tokens_(context_of(model, options)),
        greedy_(greedy(options.sampling)) {}
  Drawing(const Drawing&) = delete;
  Drawing& operator=(const Drawing&) = delete;

  Status add(const RolloutTask& task) {
    const Question& question = *task.question;
    const QuestionStyle& style = task.style;
    PITH_TRY(QuestionPrompts prompts, question_prompts(style, question.kind, question.text,
                                                       model_.chat_template, *model_.tokenizer));
    PromptJob job;
    job.prompt = prompts.thinking.encoded.ids;
    job.direct_prompt = prompts.direct.encoded.ids;
    job.adapter.from = prompts.thinking.encoded.boundary;
    job.route = {options_.think, model_.switcher, model_.think_threshold, options_.ask_heads};
    PITH_TRY(job.plan, plan_for(question, job.prompt.size(), style.budget_tokens));
    PITH_TRY(job.direct_plan, plan_for(question, job.direct_prompt.size(),
                                       style.direct_budget_tokens.value_or(style.budget_tokens)));
    for (const int32_t sample : task.samples) {
      if (sample == kGreedySample) {
        job.samples.push_back({0, &greedy_});
      } else {
        job.samples.push_back({stream_of(question, sample), &options_.sampling});
      }
    }
    jobs_.push_back(std::move(job));
    asked_.push_back({&question, std::move(prompts), task.samples});
    return {};
  }

  Status run() {
    if (jobs_.empty()) return {};
    EngineOptions engine_options;
    engine_options.kv_type = options_.kv_type;
    engine_options.context_tokens = context_tokens_;
    std::optional<Verifier> verifier;
    if (options_.ask_heads && model_.verifier != nullptr) verifier = *model_.verifier;
    const Verifier* asked = verifier ? &*verifier : nullptr;
    engine_options.kv_tokens = kv_tokens_needed(jobs_, options_.parallel, asked);
    PITH_TRY(const auto engine, Engine::create(model_.model, *model_.pool, engine_options));
    if (model_.adapter != nullptr) {
      PITH_TRY(const AdapterId adapter, use_adapter(*engine));
      if (verifier && model_.verify_with_adapter) verifier->reader = adapter;
    }
    return run_schedule(*engine, *model_.tokenizer, jobs_, options_.parallel, *this, asked);
  }

 private:
  struct Asked {
    const Question* question;
    QuestionPrompts prompts;
    std::vector<int32_t> samples;  // their numbers
  };

  Result<AdapterId> use_adapter(Engine& engine) {
    const AdapterId adapter = engine.add_adapter(model_.adapter);
    for (size_t job = 0; job < jobs_.size(); ++job) {
      PITH_TRY(jobs_[job].adapter,
               adapter_use(engine, adapter, asked_[job].prompts.thinking.encoded));
    }
    return adapter;
  }

  Status on_sample(size_t job, size_t sample, const Branch& branch,
                   const SampleFacts& facts) override {
    const Asked& asked = asked_[job];
    const bool thinking = facts.route.thinking;
    return observer_.on_rollout({.question = *asked.question,
                                 .prompt = asked.prompts.of(thinking).text,
                                 .prompt_ids = jobs_[job].routed().tokens(thinking),
                                 .sample = asked.samples[sample],
                                 .branch = branch,
                                 .facts = facts});
  }

  bool cancelled() override { return observer_.cancelled(); }

  // With the budget cut to what the context leaves.
  Result<const BranchPlan*> plan_for(const Question& question, size_t prompt_tokens,
                                     int32_t budget_tokens) {
    BranchPlan plan = make_plan(question.kind, budget_tokens);
    const bool verified = options_.ask_heads && model_.verifier != nullptr;
    const int64_t needed =
        int64_t{plan.allowance_tokens()} + (verified ? model_.verifier->most_tokens() : 0);
    const int64_t room = int64_t{context_tokens_} - static_cast<int64_t>(prompt_tokens) - needed;
    if (room < 1) {
      return fail(ErrorCode::exhausted,
                  "question {} is too long: its prompt has {} tokens, and of the context of {} an "
                  "answer needs {}",
                  printable(question.id, 40), prompt_tokens, context_tokens_, needed + 1);
    }
    if (room < plan.budget_tokens) {
      plan.budget_tokens = static_cast<int32_t>(room);
      plan.limit = FinishReason::context;
    }
    const auto key = std::make_pair(question.kind, plan.budget_tokens);
    return &plans_.try_emplace(key, std::move(plan)).first->second;
  }

  BranchPlan make_plan(AnswerKind kind, int32_t budget_tokens) const {
    const std::string_view end = thinking_end(model_.chat_template);
    if (options_.force_answer) {
      BranchPlan plan = BranchPlan::answering(*model_.tokenizer, budget_tokens, kind, end);
      plan.soft_landing = options_.soft_landing;
      return plan;
    }
    BranchPlan plan = BranchPlan::plain(budget_tokens, FinishReason::budget);
    plan.kind = kind;
    plan.thinking_end = end;
    return plan;
  }

  const RolloutModel& model_;
  const RolloutOptions& options_;
  RolloutObserver& observer_;
  int32_t context_tokens_;
  SamplingOptions greedy_;
  std::map<std::pair<AnswerKind, int32_t>, BranchPlan> plans_;  // by budget
  std::vector<PromptJob> jobs_;
  std::vector<Asked> asked_;  // by job
};

Status check(const RolloutOptions& options) {
  if (options.samples < 1 || options.samples > kMostSamples) {
    return fail(ErrorCode::usage, "{} samples a question: 1 to {} can be", options.samples,
                kMostSamples);
  }
  if (options.samples > 1 && options.sampling.temperature <= 0) {
    return fail(ErrorCode::usage,
                "at temperature 0 all samples of a question are the same: ask for one, or for a "
                "higher temperature");
  }
  if (options.style.budget_tokens < 1) {
    return fail(ErrorCode::usage, "a budget of {} tokens: at least 1 is needed",
                options.style.budget_tokens);
  }
  return {};
}

}  // namespace

Status draw_rollouts(const RolloutModel& model, std::span<const Question> questions,
                     const RolloutOptions& options, const std::set<SampleKey>& done,
                     RolloutObserver& observer) {
  PITH_TRY_VOID(check(options));
  Drawing drawing(model, options, observer);
  for (const Question& question : questions) {
    std::vector<int32_t> missing;
    for (int32_t sample = options.greedy ? kGreedySample : 0; sample < options.samples; ++sample) {
      if (!done.contains({question.index, sample})) missing.push_back(sample);
    }
    if (!missing.empty()) {
      PITH_TRY_VOID(drawing.add({&question, options.style, std::move(missing)}));
    }
  }
  return drawing.run();
}

Status draw_rollouts(const RolloutModel& model, std::span<const RolloutTask> tasks,
                     const RolloutOptions& options, RolloutObserver& observer) {
  Drawing drawing(model, options, observer);
  for (const RolloutTask& task : tasks) PITH_TRY_VOID(drawing.add(task));
  return drawing.run();
}

int64_t count_samples(std::span<const Question> questions, const RolloutOptions& options) {
  return static_cast<int64_t>(questions.size()) * (options.samples + (options.greedy ? 1 : 0));
}

nlohmann::ordered_json sample_settings(const RolloutModel& model, const RolloutOptions& options) {
  const SamplingOptions& sampling = options.sampling;
  nlohmann::ordered_json settings = {
      {"pith", PITH_VERSION},
      {"chat_template", chat_template_name(model.chat_template)},
      {"system", value_or_null<nlohmann::ordered_json>(options.style.system)},
      {"budget", options.style.budget_tokens},
      {"force_answer", options.force_answer},
      {"landing", landing_of(options)},
      {"context", context_of(model, options)},
      {"kv", kv_type_name(options.kv_type)},
      {"temperature", json_number(sampling.temperature)},
      {"top_k", sampling.top_k},
      {"top_p", json_number(sampling.top_p)},
      {"min_p", json_number(sampling.min_p)},
      {"repetition_penalty", json_number(sampling.repetition_penalty)},
      {"seed", sampling.seed}};
  if (options.think != ThinkMode::automatic) settings["think"] = think_mode_name(options.think);
  if (options.style.direct_budget_tokens)
    settings["direct_budget"] = *options.style.direct_budget_tokens;
  return settings;
}

}  // namespace pith
