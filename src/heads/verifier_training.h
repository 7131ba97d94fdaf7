// From samples and their hidden states to a verifier's head (arXiv 2603.16867, section 5), and
// what it is worth on questions that it did not see.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "eval/results.h"
#include "eval/summary.h"
#include "heads/feature_cache.h"
#include "heads/roc.h"
#include "heads/samples.h"
#include "reason/linear_head.h"

namespace pith {

// What samples weigh while the head is fitted.
enum class SampleWeights {
  samples,    // each the same
  questions,  // each question the same
  classes,    // and in it its right samples as much as its wrong ones
};

struct VerifierTraining {
  SampleWeights weights = SampleWeights::classes;
  std::vector<double> penalties = {100, 30,   10,   3,     1,    0.3,
                                   0.1, 0.03, 0.01, 0.003, 0.001};  // falling
  std::vector<int32_t> branches = {2, 4, 8};  // sizes of the votes that are reported
  uint64_t seed = 0;                          // of the folds
};

// The validation loss of a penalty, mean over folds.
struct PenaltyLoss {
  double penalty = 0;
  double loss = 0;
};

// A way to score samples, judged on questions that its fit did not see.
struct ScoreVariant {
  std::string name;     // of the features; "likelihood", "brevity" and "vote share" have no fit
  bool in_pack = true;  // whether a pack can have it
  Estimate auc;
  Estimate auc_within;            // among the samples of each question
  std::vector<PenaltyLoss> path;  // empty without a fit
  double penalty = 0;             // of the least loss
  double validation_loss = 0;     // there
  std::vector<double> scores;     // by row, 0 to 1
};

// A vote of k by the head's scores, less the majority's, over the same questions and subsets.
struct VoteGain {
  int32_t branches = 0;
  Estimate majority;
  Estimate weighted;
  Estimate gain;
};

struct TrainedVerifier {
  LinearHead head;       // fitted to all questions
  std::string features;  // that it reads: a name of VerifierFeatures
  std::vector<ScoreVariant> variants;
  size_t chosen = 0;                       // of the variants
  size_t rows = 0;                         // samples it was fitted to
  size_t positives = 0;                    // of these right
  size_t questions = 0;                    // of these
  std::vector<ScoredRow> judged;           // the chosen one's, for curves
  Reliability reliability;                 // likewise
  size_t vote_questions = 0;               // prompts that have as many samples as most
  std::vector<VoteGain> votes;             // none where prompts have one sample
  std::optional<Calibration> calibration;  // of votes over all samples by its scores
};

// Told how far it is, of `total`; false ends it with `cancelled`.
using TrainingProgress = std::function<bool(double done, double total)>;

// `features` has a row for each sample in order. Of each kind a head is fitted and judged by
// cross-fitting (heads/folds.h), the penalty being the best on the fold that is for choices;
// the kind with the least loss there is taken. A sample without an answer has no vote, and one
// that was cut off is none that the verifier is asked about: neither is trained on.
// Errors: usage (too few questions; samples that are all right or all wrong), cancelled.
Result<TrainedVerifier> train_verifier(const SampleSet& set, const Features& features,
                                       const VerifierTraining& options, ThreadPool& pool,
                                       const TrainingProgress& progress);

}  // namespace pith
