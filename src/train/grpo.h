// Reinforcement learning of an adapter that reasons within a budget: GRPO (arXiv 2402.03300)
// with the soft length barrier of arXiv 2603.16867, section 4. The engine draws the
// completions with the adapter as it is, the twin computes the gradient.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "train/collapse.h"
#include "train/groups.h"
#include "train/policy_options.h"
#include "train/ranks.h"
#include "train/train_options.h"

namespace pith::train {

// What the mean of the loss is over.
enum class LossMean {
  completion,  // tokens of a completion, then completions: GRPO
  token,       // all tokens of an update: DAPO (arXiv 2503.14476)
  constant,    // completions, each over the most tokens that one may have: Dr.GRPO
};

// Where the log-probabilities come from that a ratio is taken to.
enum class OldPolicy {
  engine,  // those with which the tokens were drawn
  twin,    // the twin's, before the step's first update
};

// What the policy is to stay close to.
enum class KlReference {
  base,   // the model without adapter
  start,  // with the adapter that training began with
};

struct GrpoOptions : TrainOptions {
  GrpoOptions() {
    learning_rate = 2e-5;
    warmup = 0.05;
    steps = 200;
    checkpoint_steps = 5;
  }

  GroupOptions group;
  int32_t groups = 8;  // of a step
  // Completions of a group that its gradient is of: see most_varied(); 0: all. Drawing one costs
  // less than training on it.
  int32_t train_samples = 0;
  int32_t updates = 1;  // that a step's groups are shared out to
  // Times that groups are drawn in a step: those whose completions are all worth the same
  // are dropped, and as many drawn again. 1: they are not replaced.
  int32_t draws = 3;
  double barrier_accuracy = 0;  // see group_rewards()
  bool divide_by_deviation = true;
  LossMean mean = LossMean::completion;
  PolicyLossOptions loss;
  OldPolicy old = OldPolicy::engine;
  KlReference reference = KlReference::base;
  CollapseLimits collapse;
};

// A model that the engine is ready to run and whose file the twin reads. Borrowed, but for
// what is shared.
struct GrpoModel {
  std::shared_ptr<const GgufFile> file;
  RolloutModel rollout;         // without an adapter
  std::vector<TokenId> header;  // of the assistant's turn
  // Null: training begins with a new adapter, of the options' rank, alpha and targets; else
  // with this one, which has its own.
  const AdapterSource* start = nullptr;
};

// Places in TrainStep::more. Means over all completions that were drawn, but for `clipped` and
// `kl`; behind them accuracy and length of each budget.
enum GrpoColumn : size_t {
  kReward,
  kAccuracy,   // share that came to its end with the right answer
  kLength,     // tokens
  kEntropy,    // nats a token: mean of -log p of those that were drawn
  kTruncated,  // share that did not come to its end
  kDropped,    // groups that had nothing to teach
  kClipped,    // share of the tokens of the loss
  kKl,         // nats a token of the loss; NaN without its weight
  kDrawing,    // seconds
  kTraining,
  kGrpoColumns,
};

// Trains an adapter into `folder` (train/run.h), which then also has
//   best/               the adapter whose mean reward over CollapseLimits::window steps was
//                       the highest at a checkpoint
//   completions.jsonl   the first completion of each step
// Stops before the last step where training has collapsed. Of a step each rank draws a share of
// the groups and computes one of the gradient; what is learnt is the same but for the rounding
// of sums, until that makes one drawn token another.
//
// Errors: usage (an option out of range, a question without an answer; another process at
// work in the folder, another run), unsupported (an adapter that is switched on elsewhere), io,
// exhausted (disk, memory, a question that is too long), cancelled (a checkpoint was
// written), those of Twin::load and Ranks.
Result<RunEnd> train_grpo(const GrpoModel& model, std::span<const Question> questions,
                          const GrpoOptions& options, const Judge& judge, const std::string& folder,
                          Ranks& ranks, TrainObserver& observer);

}  // namespace pith::train
