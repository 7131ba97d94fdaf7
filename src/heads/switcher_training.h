// From prompts and their pooled hidden states to a switcher (arXiv 2603.16867, section 3), and
// what it is worth on prompts that it did not see.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/statistics.h"
#include "heads/normaliser.h"
#include "heads/roc.h"
#include "reason/switcher.h"

namespace pith {

// How right a question's answers are in one mode, and what they cost.
struct ModeOutcome {
  double right = 0;   // share of its samples
  double tokens = 0;  // of a sample, in the mean
};

// A prompt whose need is known.
struct SwitcherExample {
  size_t question = 0;  // examples of one question are in the same fold
  bool needs_thinking = false;
  // By need: both; by source: none.
  std::optional<ModeOutcome> thinking;
  std::optional<ModeOutcome> direct;
};

// By need (docs/training.md): whether thinking is right more often by at least `margin`.
bool needs_thinking(const ModeOutcome& thinking, const ModeOutcome& direct, double margin);

struct SwitcherTraining {
  size_t hidden = 8;     // units
  double dropout = 0.2;  // share of them that a pass leaves out
  double noise = 0.5;    // standard deviation of what is added to normalised inputs
  double learning_rate = 3e-3;
  double weight_decay = 1e-2;
  size_t batch = 64;
  int most_epochs = 200;
  int patience = 20;   // epochs without a better loss on the fold for choices
  int restarts = 3;    // first weights; those with the best loss there are taken
  double keep = 0.97;  // share of the accuracy of always thinking that the threshold keeps
  uint64_t seed = 0;
};

struct RoutedShare {
  double threshold = 1;  // least probability with which it thinks
  double share = 0;      // of the questions that do
  double accuracy = 0;
  double tokens = 0;
};

struct TrainedSwitcher {
  Switcher switcher;  // fitted to all but one fold, which says when to stop
  double threshold = 0.5;
  std::vector<double> probabilities;  // by example, from fits that did not see it
  std::vector<ScoredRow> judged;      // these, with the need
  Estimate auc;
  Reliability reliability;
  size_t positives = 0;
  // Of the examples with outcomes, in the mean; none where there are none.
  size_t routed = 0;
  Estimate always;  // right when all think
  Estimate never;
  double always_tokens = 0;
  double never_tokens = 0;
  std::vector<RoutedShare> curve;  // rising shares, 0 to 1
  // With the threshold that the other folds choose: an estimate for new questions.
  Estimate kept;  // accuracy less `keep` x that of always thinking
  Estimate accuracy;
  Estimate token_share;  // of the tokens of always thinking
};

using SwitcherProgress = std::function<bool(double done, double total)>;

// A multilayer perceptron as docs/packs.md has it, fitted by AdamW with class weights, judged
// by cross-fitting (heads/folds.h). What normalises the inputs is part of `switcher.hidden`.
// `matrix` has a row for each example. Where no example has outcomes the threshold is the one
// that tells the classes apart best (Youden's). The same for the same seed.
// Errors: usage (too few questions; examples of one class alone), cancelled.
Result<TrainedSwitcher> train_switcher(const FeatureMatrix& matrix,
                                       std::span<const SwitcherExample> examples,
                                       const SwitcherTraining& options,
                                       const SwitcherProgress& progress);

}  // namespace pith
