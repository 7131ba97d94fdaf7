#include "eval/scheduler.h"

#include <algorithm>
#include <utility>

#include "kernels/kernels.h"
#include "reason/branch_sampler.h"
#include "reason/decode.h"

namespace pith {
namespace {

class Scheduler {
 public:
  Scheduler(Engine& engine, const Tokenizer& tokenizer, std::span<const PromptJob> jobs,
            int32_t parallel, ScheduleObserver& observer, const Verifier* verifier)
      : engine_(engine),
        tokenizer_(tokenizer),
        jobs_(jobs),
        places_(static_cast<size_t>(parallel)),
        most_rows_(static_cast<size_t>(engine.options().max_rows)),
        observer_(observer),
        verifier_(verifier),
        sampler_(tokenizer) {}

  Status run() {
    for (;;) {
      PITH_TRY_VOID(fill_places());
      if (running_.empty() && prompts_.empty()) return {};
      if (observer_.cancelled()) return fail(ErrorCode::cancelled, "stopped");
      PITH_TRY_VOID(step());
    }
  }

 private:
  // A prompt that is being read, or has been and has samples left to start.
  struct Prompt {
    size_t job;
    OwnedSequence sequence;
    Route route;                         // once it is decided
    std::optional<PromptPooler> pooler;  // until then
    size_t read_tokens = 0;
    std::vector<float> logits;  // [V] after its last token, once it has been read
    size_t started = 0;         // samples

    bool is_decided() const { return !pooler; }
  };

  struct Running {
    size_t job;
    size_t sample;
    OwnedSequence sequence;
    Route route;
    Branch branch;
    std::optional<double> verifier_score;
  };

  // What is known of it by now; all of it once it is decided.
  std::span<const TokenId> tokens(const Prompt& prompt) const {
    const RoutedPrompt routed = jobs_[prompt.job].routed();
    if (prompt.is_decided()) return routed.tokens(prompt.route.thinking);
    return routed.thinking.subspan(0, routed.adapter.from);
  }
  bool is_read(const Prompt& prompt) const {
    return prompt.is_decided() && prompt.read_tokens == tokens(prompt).size();
  }
  AdapterUse adapter(size_t job, const Route& route) const {
    return route.thinking ? jobs_[job].adapter : AdapterUse{};
  }
  bool all_started(const Prompt& prompt) const {
    return prompt.started == jobs_[prompt.job].samples.size();
  }

  // Starts samples of prompts that have been read, and for the places that these
  // leave begins to read further prompts.
  Status fill_places() {
    size_t taken = 0;
    for (Prompt& prompt : prompts_) {
      while (is_read(prompt) && !all_started(prompt) && running_.size() < places_) {
        PITH_TRY_VOID(start_sample(prompt));
      }
      if (!is_read(prompt)) taken += jobs_[prompt.job].samples.size();
    }
    std::erase_if(prompts_, [this](const Prompt& prompt) { return all_started(prompt); });
    taken += running_.size();
    while (next_job_ < jobs_.size() && taken < places_) {
      taken += jobs_[next_job_].samples.size();
      PITH_TRY_VOID(open_prompt(next_job_++));
    }
    return {};
  }

  Status open_prompt(size_t job) {
    const RouteOptions& route = jobs_[job].route;
    Prompt prompt{job, OwnedSequence(engine_), told_route(route), std::nullopt, 0, {}, 0};
    if (route.asks_switcher()) {
      PITH_TRY_VOID(check_boundary(jobs_[job].routed()));
      prompt.pooler.emplace(route.switcher->width());
    }
    prompts_.push_back(std::move(prompt));
    return {};
  }

  Status start_sample(Prompt& prompt) {
    const PromptJob& job = jobs_[prompt.job];
    const size_t sample = prompt.started++;
    // The last sample writes into the prompt's own sequence.
    OwnedSequence sequence =
        all_started(prompt) ? std::move(prompt.sequence) : prompt.sequence.fork();
    running_.push_back(
        {prompt.job, sample, std::move(sequence), prompt.route,
         Branch(tokenizer_, job.plan_of(prompt.route.thinking), job.samples[sample].stream),
         std::nullopt});
    advance(running_.back(), prompt.logits);
    return hand_over_finished();
  }

  void advance(Running& running, std::span<const float> logits) {
    sampler_.advance(running.branch, logits, *jobs_[running.job].samples[running.sample].sampling);
  }

  // One step of the engine: what all running samples wait for, then as much of the
  // prompts as fits.
  Status step() {
    rows_.clear();
    list_branch_rows();
    list_prompt_rows();
    PITH_TRY_VOID(engine_.step(rows_));
    for (const auto& [running, row] : branch_outputs_) {
      advance(running_[running], engine_.logits(row));
    }
    for (const auto& [prompt, row] : prompt_outputs_) {
      const auto logits = engine_.logits(row);
      prompts_[prompt].logits.assign(logits.begin(), logits.end());
    }
    pool_hidden_states();
    return hand_over_finished();
  }

  void pool_hidden_states() {
    for (const auto& [index, row] : pooled_outputs_) {
      Prompt& prompt = prompts_[index];
      prompt.pooler->push(engine_.hidden(row));
      if (prompt.pooler->positions() < tokens(prompt).size()) continue;
      prompt.route = switched_route(jobs_[prompt.job].route, prompt.pooler->pooled());
      prompt.pooler.reset();
    }
  }

  // A forced closing that does not fit waits for the next step.
  void list_branch_rows() {
    branch_outputs_.clear();
    for (size_t i = 0; i < running_.size(); ++i) {
      const auto pending = running_[i].branch.pending();
      if (rows_.size() + pending.size() > most_rows_) continue;
      for (const TokenId token : pending) {
        add_row(token, running_[i].sequence, adapter(running_[i].job, running_[i].route).adapter);
      }
      rows_.back().want_logits = true;
      branch_outputs_.emplace_back(i, rows_.size() - 1);
    }
  }

  void list_prompt_rows() {
    prompt_outputs_.clear();
    pooled_outputs_.clear();
    for (size_t i = 0; i < prompts_.size(); ++i) {
      Prompt& prompt = prompts_[i];
      if (is_read(prompt)) continue;
      const std::span<const TokenId> all = tokens(prompt);
      const AdapterUse use = adapter(prompt.job, prompt.route);
      while (prompt.read_tokens < all.size() && rows_.size() < most_rows_) {
        const size_t position = prompt.read_tokens++;
        add_row(all[position], prompt.sequence, use.at(position));
        if (prompt.is_decided()) continue;
        rows_.back().want_hidden = true;
        pooled_outputs_.emplace_back(i, rows_.size() - 1);
      }
      if (prompt.read_tokens < all.size()) return;
      if (!prompt.is_decided()) continue;  // what follows depends on this step
      rows_.back().want_logits = true;
      prompt_outputs_.emplace_back(i, rows_.size() - 1);
    }
  }

  void add_row(TokenId token, const OwnedSequence& sequence, AdapterId adapter) {
    rows_.push_back({.token = token, .sequence = sequence.id(), .adapter = adapter});
  }

  Status hand_over_finished() {
    if (verifier_ != nullptr) PITH_TRY_VOID(score_finished());
    for (const Running& running : running_) {
      if (!running.branch.finished()) continue;
      PITH_TRY_VOID(observer_.on_sample(running.job, running.sample, running.branch,
                                        {running.route, running.verifier_score}));
    }
    std::erase_if(running_, [](const Running& running) { return running.branch.finished(); });
    return {};
  }

  Status score_finished() {
    std::vector<Running*> finished;
    std::vector<FinishedBranch> branches;
    for (Running& running : running_) {
      if (!running.branch.finished()) continue;
      finished.push_back(&running);
      branches.push_back(finished_branch(running.branch, running.sequence.id(), tokenizer_,
                                         adapter(running.job, running.route).adapter));
    }
    if (finished.empty()) return {};
    PITH_TRY(const auto scores, score_branches(engine_, *verifier_, branches));
    for (size_t i = 0; i < finished.size(); ++i) finished[i]->verifier_score = scores[i];
    return {};
  }

  Engine& engine_;
  const Tokenizer& tokenizer_;
  std::span<const PromptJob> jobs_;
  size_t places_;
  size_t most_rows_;
  ScheduleObserver& observer_;
  const Verifier* verifier_;
  BranchSampler sampler_;
  size_t next_job_ = 0;
  std::vector<Prompt> prompts_;
  std::vector<Running> running_;
  std::vector<Row> rows_;
  std::vector<std::pair<size_t, size_t>> branch_outputs_;  // places in running_ and rows_
  std::vector<std::pair<size_t, size_t>> prompt_outputs_;  // places in prompts_ and rows_
  std::vector<std::pair<size_t, size_t>> pooled_outputs_;  // the same, of hidden states
};

int64_t whole_blocks(int64_t tokens) { return (tokens + kKvBlock - 1) / kKvBlock * kKvBlock; }

}  // namespace

int64_t kv_tokens_needed(std::span<const PromptJob> jobs, int32_t parallel,
                         const Verifier* verifier) {
  int64_t prompt = 0;
  int64_t branch = 0;
  for (const PromptJob& job : jobs) {
    const size_t longest = std::max(job.prompt.size(), job.direct_prompt.size());
    prompt = std::max(prompt, whole_blocks(static_cast<int64_t>(longest)));
    for (const bool thinking : {true, false}) {
      const BranchPlan& plan = job.plan_of(thinking);
      branch = std::max(branch, int64_t{plan.budget_tokens} + plan.allowance_tokens());
    }
  }
  if (verifier != nullptr) branch += verifier->most_tokens();
  // A sample writes into a copy of its prompt's last block, so one block more each. A
  // prompt is only read when there is a place for it.
  return parallel * (prompt + whole_blocks(branch) + kKvBlock);
}

Status run_schedule(Engine& engine, const Tokenizer& tokenizer, std::span<const PromptJob> jobs,
                    int32_t parallel, ScheduleObserver& observer, const Verifier* verifier) {
  if (parallel < 1 || parallel > engine.options().max_rows / 2) {
    return fail(ErrorCode::usage, "{} samples at a time: 1 to {} can be", parallel,
                engine.options().max_rows / 2);
  }
  for (const PromptJob& job : jobs) PITH_CHECK(!job.prompt.empty() && !job.samples.empty());
  return Scheduler(engine, tokenizer, jobs, parallel, observer, verifier).run();
}

}  // namespace pith
