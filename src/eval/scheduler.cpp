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

// What the jobs of a schedule have in common.
struct ScheduleState {
  ScheduleObserver& observer;
  Status status;          // the first error
  size_t unfinished = 0;  // samples of the jobs that have been added
};

class DrawnJob : public JobObserver {
 public:
  DrawnJob(const Tokenizer& tokenizer, const PromptJob& job, size_t index, ScheduleState& state)
      : tokenizer_(tokenizer), job_(job), index_(index), state_(state) {}

  Result<std::span<Branch>> on_read(const JobPrompt& prompt) override {
    route_ = prompt.route;
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
  return batch;
}

}  // namespace

int64_t kv_tokens_needed(std::span<const PromptJob> jobs, int32_t parallel,
                         const Verifier* verifier) {
  int64_t prompt = 0;
  int64_t branch = 0;
  for (const PromptJob& job : jobs) {
    const size_t longest = std::max(job.prompt.size(), job.direct_prompt.size());
    prompt = std::max(prompt, whole_kv_blocks(static_cast<int64_t>(longest)));
    branch = std::max(branch, int64_t{branch_tokens(job, verifier)});
  }
  // A sample writes into a copy of its prompt's last block, so one block more each. A
  // prompt is only read when there is a place for it.
  return parallel * (prompt + whole_kv_blocks(branch) + kKvBlock);
}

// A prompt is read when the samples of those before it leave places.
Status run_schedule(Engine& engine, const Tokenizer& tokenizer, std::span<const PromptJob> jobs,
                    int32_t parallel, ScheduleObserver& observer, const Verifier* verifier) {
  if (parallel < 1 || parallel > engine.options().max_rows / 2) {
    return fail(ErrorCode::usage, "{} samples at a time: 1 to {} can be", parallel,
                engine.options().max_rows / 2);
  }
  for (const PromptJob& job : jobs) PITH_CHECK(!job.prompt.empty() && !job.samples.empty());
  ScheduleState state{observer, {}, 0};
  std::vector<std::unique_ptr<DrawnJob>> drawn;
  BatchScheduler scheduler(engine, tokenizer, {.places = parallel});
  for (size_t next = 0; state.status;) {
    while (next < jobs.size() && state.unfinished < static_cast<size_t>(parallel)) {
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
