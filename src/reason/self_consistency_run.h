// One question on a scheduler that others may share: what self_consistency() does alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "reason/batch_scheduler.h"
#include "reason/self_consistency.h"

namespace pith {

// Give job() to a scheduler with this as its observer; when done(), take the result. Borrows
// engine, tokenizer and the next observer. What the question takes and promises, and its
// errors, are those of self_consistency().
class SelfConsistencyRun : public JobObserver {
 public:
  // Nothing is read yet. Errors: usage, exhausted.
  static Result<std::unique_ptr<SelfConsistencyRun>> create(Engine& engine,
                                                            const Tokenizer& tokenizer,
                                                            std::span<const TokenId> prompt,
                                                            SelfConsistencyOptions options,
                                                            DecodeObserver& next);

  BatchJob job() const;
  bool done() const { return done_; }
  // Of what is known by now: the prompt's tokens and route, once branches start.
  const SelfConsistencyResult& so_far() const { return result_; }
  Clock::time_point begun() const { return start_; }  // when its prompt was, once it is
  Result<SelfConsistencyResult> take_result();        // once done

  void on_begin(int32_t cached_tokens) override;
  void on_prefill(int32_t done_tokens, int32_t prompt_tokens) override;
  Result<std::span<Branch>> on_read(const JobPrompt& prompt) override;
  const SamplingOptions& sampling(size_t) override { return sampling_; }
  void on_start(size_t branches) override;
  void on_logits(size_t index, std::span<const float> logits) override;
  void on_token(size_t index, const Branch& branch, std::string_view text) override;
  void on_finish(size_t index, const Branch& branch, std::optional<double> score) override;
  bool cancelled() override { return next_.cancelled(); }
  bool decided() override { return decided_ || next_.decided(); }
  Pace pace(const WorkAhead& ahead) override;
  void on_end(const Status& status) override;

 private:
  SelfConsistencyRun(Engine& engine, const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                     SelfConsistencyOptions options, DecodeObserver& next);

  Result<BranchPlan> make_plan(size_t prompt_tokens, int32_t budget_tokens) const;
  bool is_enough(std::span<const AnswerGroup> groups) const;

  Engine& engine_;
  const Tokenizer& tokenizer_;
  std::vector<TokenId> prompt_;
  SelfConsistencyOptions options_;
  DecodeObserver& next_;
  std::optional<DeadlineKeeper> keeper_;  // where there is a deadline
  Clock::time_point start_;               // when the prompt was begun
  BranchPlan plan_;
  SamplingOptions sampling_;
  std::vector<Branch> branches_;
  std::vector<Ballot> ballots_;  // of the finished branches, in the order of their ends
  bool decided_ = false;
  bool done_ = false;
  Status status_;
  SelfConsistencyResult result_;
};

}  // namespace pith
