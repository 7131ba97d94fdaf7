#include "eval/scheduler.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "reason/batch_scheduler.h"
#include "reason/kv_room.h"

namespace pith {
namespace {

// Most tokens that a sample adds to its prompt, its scoring included.
int32_t branch_tokens(const PromptJob& job, const Verifier* verifier) {
  const int32_t sampled =
      std::max(job.plan_of(true).most_tokens(), job.plan_of(false).most_tokens());
  return sampled + (verifier != nullptr ? verifier->most_tokens() : 0);
}

// Of the longest prompt, in whole blocks.
int64_t prompt_tokens(std::span<const PromptJob> jobs) {
  size_t longest = 0;
  for (const PromptJob& job : jobs) {
    longest = std::max({longest, job.prompt.size(), job.direct_prompt.size()});
  }
  return whole_kv_blocks(static_cast<int64_t>(longest));
}

// Of the prefix cache: what the prompts begin with, and the prompt that is put there.
int64_t cache_tokens(std::span<const PromptJob> jobs) { return 2 * prompt_tokens(jobs); }

// What the jobs of a schedule have in common.
struct ScheduleState {
  ScheduleObserver& observer;
  Status status;          // the first error
  size_t unfinished = 0;  // samples of the jobs that have been added
  bool has_read = false;  // a prompt
};

class DrawnJob : public JobObserver {
 public:
  DrawnJob(const Tokenizer& tokenizer, const PromptJob& job, size_t index, ScheduleState& state)
      : tokenizer_(tokenizer), job_(job), index_(index), state_(state) {}

  Result<std::span<Branch>> on_read(const JobPrompt& prompt) override {
    route_ = prompt.route;
    state_.has_read = true;
    for (const SampleJob& sample : job_.samples) {
      branches_.emplace_back(tokenizer_, job_.plan_of(route_.thinking), sample.stream);
    }
    return std::span(branches_);
  }
  const SamplingOptions& sampling(size_t index) override { return *job_.samples[index].sampling; }
  void on_finish(size_t sample, const Branch& branch, std::optional<double> score) override {
    --state_.unfinished;
    if (!state_.status) return;
    state_.status = state_.observer.on_sample(index_, sample, branch, {route_, score});
  }
  bool cancelled() override { return !state_.status; }
  void on_end(const Status& status) override {
    if (state_.status) state_.status = status;
    done = true;
  }

  bool done = false;

 private:
  const Tokenizer& tokenizer_;
  const PromptJob& job_;
  size_t index_;
  ScheduleState& state_;
  Route route_;
  std::vector<Branch> branches_;
};

BatchJob batch_job(const PromptJob& job, const Verifier* verifier) {
  BatchJob batch;
  batch.prompt = job.prompt;
  batch.direct_prompt = job.direct_prompt;
  batch.adapter = job.adapter;
  batch.route = job.route;
  batch.verifier = verifier;
  batch.branch_tokens = branch_tokens(job, verifier);
  batch.uses_prefix_cache = true;
  return batch;
}

}  // namespace

int64_t kv_tokens_needed(std::span<const PromptJob> jobs, int32_t parallel,
                         const Verifier* verifier) {
  int64_t branch = 0;
  for (const PromptJob& job : jobs) {
    branch = std::max(branch, int64_t{branch_tokens(job, verifier)});
  }
  // A sample writes into a copy of its prompt's last block, so one block more each. A
  // prompt is only read when there is a place for it.
  const int64_t sample = prompt_tokens(jobs) + whole_kv_blocks(branch) + kKvBlock;
  return parallel * sample + cache_tokens(jobs);
}

// A prompt is read when the samples of those before it leave places; the first one by itself, so
// that the others find what all begin with.
Status run_schedule(Engine& engine, const Tokenizer& tokenizer, std::span<const PromptJob> jobs,
                    int32_t parallel, ScheduleObserver& observer, const Verifier* verifier) {
  if (parallel < 1 || parallel > engine.options().max_rows / 2) {
    return fail(ErrorCode::usage, "{} samples at a time: 1 to {} can be", parallel,
                engine.options().max_rows / 2);
  }
  for (const PromptJob& job : jobs) PITH_CHECK(!job.prompt.empty() && !job.samples.empty());
  ScheduleState state{observer, {}, 0, false};
  std::vector<std::unique_ptr<DrawnJob>> drawn;
  BatchScheduler scheduler(engine, tokenizer,
                           {.places = parallel, .cache_tokens = cache_tokens(jobs)});
  for (size_t next = 0; state.status;) {
    while (next < jobs.size() && (next == 0 || state.has_read) &&
           state.unfinished < static_cast<size_t>(parallel)) {
      state.unfinished += jobs[next].samples.size();
      drawn.push_back(std::make_unique<DrawnJob>(tokenizer, jobs[next], next, state));
      scheduler.add(batch_job(jobs[next], verifier), *drawn.back());
      ++next;
    }
    if (observer.cancelled()) return fail(ErrorCode::cancelled, "stopped");
    if (!scheduler.step() && next == jobs.size()) break;
    std::erase_if(drawn, [](const auto& job) { return job->done; });
  }
  return state.status;
}

}  // namespace pith
