// The loop that all generation goes through: one engine step after the other, in which the
// prompts of some jobs are read and the branches of others are decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "reason/adapter_use.h"
#include "reason/branch.h"
#include "reason/decode.h"
#include "reason/route.h"
#include "reason/verifier.h"
#include "text/tokenizer.h"

namespace pith {

// A prompt that is read once, and the branches that go on from its end.
struct BatchJob {
  std::string client;                  // whose it is: places and rows are shared out by client
  std::vector<TokenId> prompt;         // one token at least
  std::vector<TokenId> direct_prompt;  // when it does not think; empty: the same
  AdapterUse adapter;                  // of the prompt, and of all that branches read, if it thinks
  RouteOptions route;
  size_t parallel = 0;  // branches at once; 0: as many as there are places
  // Borrowed; null: none. Scores the branches that came to their end.
  const Verifier* verifier = nullptr;
  // Most tokens that a branch adds to the prompt, its scoring included: a job begins once
  // the KV cache has room for them.
  int32_t branch_tokens = 0;
  // Holds the first tokens of the prompt already, all written as `adapter` has it; empty: none.
  OwnedSequence sequence;
  // Begins with what the prefix cache has of its prompt, and leaves there what it read. A
  // job whose switcher is asked reads its prompt in any case.
  bool uses_prefix_cache = false;
  bool caches_branches = false;  // leaves its branches there too: they may be gone on with

  RoutedPrompt routed() const {
    return {prompt, direct_prompt.empty() ? prompt : direct_prompt, adapter};
  }
};

// A job's prompt once it has been read.
struct JobPrompt {
  const Route& route;
  std::span<const TokenId> tokens;
  const OwnedSequence& sequence;  // that holds them; to be forked
};

// Told of a job, by step() and on its thread: on_begin, on_prefill, on_read, on_start, then
// of its branches, and on_end. Calls that may use the engine say so.
class JobObserver : public DecodeObserver {
 public:
  // Its prompt is about to be read, all but the first `cached_tokens`.
  virtual void on_begin(int32_t /*cached_tokens*/) {}
  // The branches that are to be drawn, one at least. They are borrowed, with their plans,
  // until on_end(), and take at most BatchJob::branch_tokens each. May use the engine. An
  // error ends the job with it.
  virtual Result<std::span<Branch>> on_read(const JobPrompt& prompt) = 0;
  // How branches are drawn; valid until on_end().
  virtual const SamplingOptions& sampling(size_t index) = 0;
  // Asked after on_token(): true ends the branch as it stands, with `stop`.
  virtual bool has_enough(size_t /*index*/) { return false; }
  // A sequence that the job needs no more: of a branch, or of the prompt. The last branch to
  // start writes onto the prompt's.
  virtual void on_release(OwnedSequence /*sequence*/) {}
  // The job is over, and told of nothing more. An error: cancelled before its prompt was
  // read, that of check_boundary(), of on_read(), or of Engine::step.
  virtual void on_end(const Status& status) = 0;
};

struct BatchOptions {
  // Branches at once, of all jobs, at most the engine's rows; 0: as many. Where prompts are to
  // be read beside them it must be fewer.
  int32_t places = 0;
  // Most rows of prompts in a step in which branches are at work, so that these do not wait
  // long; 0: as many as the engine takes.
  int32_t prompt_rows = 0;
  int64_t cache_tokens = 0;  // that the prefix cache may hold; 0: there is none
};

struct BatchCounts {
  int32_t waiting_jobs = 0;
  int32_t begun_jobs = 0;
  int32_t branches = 0;          // at work
  int64_t cached_tokens = 0;     // in the prefix cache
  int32_t last_rows = 0;         // of the last step
  int32_t last_prompt_rows = 0;  // of these, of prompts
};

// Places go to the client that holds the fewest, in turns: for a job that begins, then for a
// further branch. Either needs room in the KV cache for all that the branch may come to need,
// which is set aside, so that none runs out of room because of others; who is next is waited
// for. Prompts share the rows that branches leave, evenly between clients and then between the
// prompts of one.
//
// Every branch is the same, to the bit, whatever else runs. A branch that the KV cache has
// not enough room for even alone ends with `context`.
//
// With Pace::stop branches end with `deadline`, as they stand; only where no branch of the
// job has said anything that counts as an answer, the first at work gives its own, in as
// many steps as that takes. In the end all branches are finished, those too that never
// started.
//
// Borrows engine and tokenizer. Not thread safe: it drives the engine.
class BatchScheduler {
 public:
  BatchScheduler(Engine& engine, const Tokenizer& tokenizer, const BatchOptions& options = {});
  // Jobs that are not over are dropped, their observers told nothing.
  ~BatchScheduler();
  BatchScheduler(const BatchScheduler&) = delete;
  BatchScheduler& operator=(const BatchScheduler&) = delete;

  // `observer` is borrowed until its on_end(), and ends the job by cancelled(). Not from within
  // a call to an observer.
  void add(BatchJob job, JobObserver& observer);

  // Does one step of the engine, and what goes before and behind it. False when there was
  // nothing to do: all jobs are over.
  bool step();

  BatchCounts counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A job by itself, to its end.
void run_alone(Engine& engine, const Tokenizer& tokenizer, BatchJob job, JobObserver& observer);

}  // namespace pith
