// The branches of one prompt while they are drawn: each goes on from the prompt's keys and
// values, on a fork of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "reason/batch_scheduler.h"
#include "reason/branch.h"
#include "reason/branch_sampler.h"
#include "reason/decode.h"
#include "reason/verifier.h"

namespace pith {

struct BranchGroupOptions {
  AdapterId adapter = kNoAdapter;      // that processes what branches read
  size_t parallel = 0;                 // branches at once; 0: all
  const Verifier* verifier = nullptr;  // borrowed; null: none
  int64_t branch_tokens = 0;           // most that a branch adds to the prompt
  // Given the sequence of a branch that has finished, or of the prompt when no branch goes on
  // from it; `branch` is null then.
  std::function<void(const Branch* branch, OwnedSequence sequence)> release;
};

// Borrows all but the prompt. Branches start in their order.
class BranchGroup {
 public:
  // `prompt_logits` [V] are those after the prompt.
  BranchGroup(Engine& engine, const Tokenizer& tokenizer, BranchSampler& sampler,
              OwnedSequence prompt, std::vector<float> prompt_logits, std::span<Branch> branches,
              BranchGroupOptions options, JobObserver& observer);

  size_t at_work() const { return at_work_; }
  // A branch waits for its start, and `parallel` allows it. What is to be scored has its end
  // first: it makes room.
  bool can_start() const;
  void start();  // the next one, which samples its first token
  // All are finished, and scored where they are to be.
  bool finished() const { return released_ == branches_.size(); }

  // Adds rows for what the branches at work wait for, not beyond `most_rows` in all; the rest
  // waits for the next step.
  void list(size_t most_rows, std::vector<Row>& rows);
  // After the step that they were in: samples.
  void take(const Engine& engine);

  // Heeds what the observer says of decisions and of time, before a step of `rows` rows.
  // Whether the work ahead is now another.
  bool settle(size_t rows);
  void stop_all(FinishReason reason);
  // Ends the branch that started last of those at work.
  void stop_last(FinishReason reason);

  // Gives all sequences away: the branches are not gone on with.
  void abandon();

  // Those that have finished and are to be scored; then their scores, in this order.
  std::vector<FinishedBranch> ended() const;
  void take_scores(std::span<const std::optional<double>> scores);

  // Blocks of KV cache that the branches at work may still come to need, and the next to
  // start where none is at work.
  int64_t blocks_to_come() const;
  // That one branch needs which starts.
  int64_t blocks_of_start() const;

 private:
  struct Place {
    OwnedSequence sequence;
    size_t read = 0;  // of what the branch waits for
    size_t rows = 0;  // of the step at hand
    size_t first_row = 0;
  };

  void sample(size_t index, std::span<const float> logits);
  void written(size_t index, std::string_view text);
  void stop(size_t index, FinishReason reason);
  void let_go(size_t index, std::optional<double> verifier_score);
  WorkAhead ahead(size_t rows) const;
  bool hurry(size_t rows);
  bool answer_now();
  bool stop_but_for_an_answer();

  Engine& engine_;
  const Tokenizer& tokenizer_;
  BranchSampler& sampler_;
  OwnedSequence prompt_;  // until the last branch starts
  int32_t prompt_tokens_;
  std::vector<float> prompt_logits_;
  std::span<Branch> branches_;
  BranchGroupOptions options_;
  JobObserver& observer_;
  std::vector<Place> places_;   // by branch
  size_t started_ = 0;          // branches
  size_t at_work_ = 0;          // those started that are not finished
  size_t released_ = 0;         // those finished, and scored if they are to be
  std::vector<size_t> ended_;   // to be scored
  bool has_last_word_ = false;  // a branch is left to answer when the time is up
};

}  // namespace pith
