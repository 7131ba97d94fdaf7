// One request at work: what the scheduler tells of it goes to its sink.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "reason/batch_scheduler.h"
#include "reason/self_consistency_run.h"
#include "serve/memory_guard.h"
#include "serve/service.h"
#include "serve/text_stream.h"

namespace pith {

// What both kinds of requests have in common. Made on the client's thread, then the engine's
// alone. Until it is over its sink is asked before each step whether anyone wants more.
class Generation {
 public:
  Generation(std::shared_ptr<GenerationSink> sink, const Tokenizer& tokenizer,
             TextStreamOptions stream);
  virtual ~Generation() = default;
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // To be given to a scheduler, once, with the observer, which throws nothing.
  virtual BatchJob take_job() = 0;
  virtual JobObserver& observer() = 0;
  // To be called after each step, until it is over.
  virtual void after_step() {}

  // Ends it at the next step; the sink is told this error.
  void abort(Error error);
  // Ends it here and now, unless it is over: the scheduler has dropped its job.
  void fail_now(const Error& error);

  enum class Outcome { at_work, finished, cancelled, failed };
  Outcome outcome() const { return outcome_; }
  int32_t prompt_tokens() const { return end_.prompt_tokens; }
  int32_t cached_tokens() const { return end_.cached_tokens; }
  int32_t generated_tokens() const { return generated_tokens_; }
  std::optional<double> first_token_s() const { return first_token_s_; }
  double total_s() const { return end_.total_s; }

 protected:
  void begin(int32_t cached_tokens, Clock::time_point at);
  void start(int32_t prompt_tokens, double prefill_s, const Route& route, size_t texts);
  void expect(size_t index, std::span<const float> logits);
  void write(size_t index, const Branch& branch, std::string_view text);
  void end_text(size_t index, const Branch& branch, std::string answer,
                std::optional<double> verifier_score);
  void end(const Status& status, std::optional<VoteResult> vote);
  void run_out_of_memory() { fail_now({ErrorCode::exhausted, "out of memory"}); }
  bool is_unwanted();
  bool has_stopped(size_t index) const { return texts_[index].stopped(); }

 private:
  bool is_silent() const { return is_gone_ || aborted_.has_value(); }

  std::shared_ptr<GenerationSink> sink_;
  const Tokenizer& tokenizer_;
  TextStreamOptions stream_;
  Clock::time_point submitted_ = Clock::now();
  std::vector<TextStream> texts_;
  bool is_gone_ = false;  // nobody wants more
  std::optional<Error> aborted_;
  std::optional<double> first_token_s_;
  int32_t generated_tokens_ = 0;
  GenerationEnd end_;
  Outcome outcome_ = Outcome::at_work;
};

// Texts written side by side.
class TextGeneration : public Generation, private JobObserver {
 public:
  // `plans`: how long texts may be when it does not think, and when it does. `deadline`: when
  // they end as they stand.
  TextGeneration(std::shared_ptr<GenerationSink> sink, const Tokenizer& tokenizer,
                 TextStreamOptions stream, BatchJob job, std::array<BranchPlan, 2> plans,
                 size_t texts, const SamplingOptions& sampling,
                 std::optional<Clock::time_point> deadline);

  BatchJob take_job() override;
  JobObserver& observer() override { return guard_; }

 private:
  void on_begin(int32_t cached_tokens) override;
  Result<std::span<Branch>> on_read(const JobPrompt& prompt) override;
  const SamplingOptions& sampling(size_t) override { return sampling_; }
  void on_logits(size_t index, std::span<const float> logits) override { expect(index, logits); }
  void on_token(size_t index, const Branch& branch, std::string_view text) override {
    write(index, branch, text);
  }
  bool has_enough(size_t index) override { return has_stopped(index); }
  void on_finish(size_t index, const Branch& branch, std::optional<double>) override {
    end_text(index, branch, {}, std::nullopt);
  }
  bool cancelled() override { return is_unwanted(); }
  Pace pace(const WorkAhead& ahead) override;
  void on_end(const Status& status) override { end(status, std::nullopt); }

  const Tokenizer& tokenizer_;
  BatchJob job_;
  std::array<BranchPlan, 2> plans_;
  size_t count_;
  SamplingOptions sampling_;
  std::optional<Clock::time_point> deadline_;
  Clock::time_point begun_;
  std::vector<Branch> branches_;
  MemoryGuard guard_;
};

// A vote: a question as `pith ask` answers it.
class VoteGeneration : public Generation {
 public:
  // Errors: those of SelfConsistencyRun::create.
  static Result<std::unique_ptr<VoteGeneration>> create(std::shared_ptr<GenerationSink> sink,
                                                        Engine& engine, const Tokenizer& tokenizer,
                                                        TextStreamOptions stream,
                                                        std::string client,
                                                        std::span<const TokenId> prompt,
                                                        SelfConsistencyOptions options);
  ~VoteGeneration() override;

  BatchJob take_job() override;
  JobObserver& observer() override { return *guard_; }
  void after_step() override;

 private:
  class Watch;  // what the run tells
  VoteGeneration(std::shared_ptr<GenerationSink> sink, const Tokenizer& tokenizer,
                 TextStreamOptions stream, std::string client, VoteRule rule);

  std::string client_;
  VoteRule rule_;
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<SelfConsistencyRun> run_;
  std::optional<MemoryGuard> guard_;
};

}  // namespace pith
