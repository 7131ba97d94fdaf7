// Many samples of many prompts through one engine, whose steps are kept full: what
// is finished hands its place to what comes next.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "reason/adapter_use.h"
#include "reason/branch.h"
#include "reason/route.h"
#include "reason/verifier.h"
#include "text/tokenizer.h"

namespace pith {

struct SampleJob {
  uint64_t stream = 0;                        // numbers the sample for the sampler
  const SamplingOptions* sampling = nullptr;  // borrowed
};

// A prompt, and the samples that are wanted of it; one at least.
struct PromptJob {
  std::vector<TokenId> prompt;
  std::vector<TokenId> direct_prompt;  // when it does not think; empty: the same
  AdapterUse adapter;                  // of the prompt, and of all that is sampled, if it thinks
  RouteOptions route;
  const BranchPlan* plan = nullptr;         // borrowed, as the next
  const BranchPlan* direct_plan = nullptr;  // when it does not think; null: the same
  std::vector<SampleJob> samples;

  RoutedPrompt routed() const {
    return {prompt, direct_prompt.empty() ? prompt : direct_prompt, adapter};
  }
  const BranchPlan& plan_of(bool thinking) const {
    return thinking || direct_plan == nullptr ? *plan : *direct_plan;
  }
};

// What is known of a sample beside its branch.
struct SampleFacts {
  Route route;                           // of its prompt
  std::optional<double> verifier_score;  // none without a verifier, or without room for it
};

// Told of what happens, on the calling thread.
class ScheduleObserver {
 public:
  virtual ~ScheduleObserver() = default;
  // The sample is complete. An error ends the schedule with it.
  virtual Status on_sample(size_t job, size_t sample, const Branch& branch,
                           const SampleFacts& facts) = 0;
  // Asked before every step: true ends the schedule, what is unfinished is lost.
  virtual bool cancelled() { return false; }
};

// Tokens of KV cache with which run_schedule() never runs out of room.
int64_t kv_tokens_needed(std::span<const PromptJob> jobs, int32_t parallel,
                         const Verifier* verifier = nullptr);

// Draws all samples, at most `parallel` at a time, in the order of the jobs. Each
// prompt is read once, in the same steps in which other samples are decoded, and
// forked for its samples; what prompts have in common at their beginning, as a system message, is
// read once for all of them, but where a switcher is asked. `verifier`, if any, scores the samples
// as they end. Every sample is the same, to the bit, whatever `parallel` is, and whatever other
// jobs there are.
//
// Errors: usage (`parallel` is not from 1 to half of the engine's rows), those of
// check_boundary(), cancelled, those of Engine::step and of the observer.
Status run_schedule(Engine& engine, const Tokenizer& tokenizer, std::span<const PromptJob> jobs,
                    int32_t parallel, ScheduleObserver& observer,
                    const Verifier* verifier = nullptr);

}  // namespace pith
