#include "heads/switcher_training.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "base/rng.h"
#include "eval/metrics.h"
#include "heads/folds.h"
#include "heads/perceptron.h"

namespace pith {
namespace {

constexpr uint64_t kSwitcherAucSeed = 4;
constexpr size_t kNoiseNumbers = size_t{1} << 17;  // drawn once; a row begins anywhere in them
constexpr uint64_t kNoiseStream = 1;
constexpr uint64_t kPlaceStream = 2;
constexpr uint64_t kMaskStream = 3;
constexpr int kCurvePoints = 40;

// Normally distributed (Box and Muller 1958).
std::vector<double> normal_numbers(size_t count, uint64_t seed) {
  std::vector<double> numbers;
  for (uint64_t i = 0; numbers.size() < count; ++i) {
    const double radius = std::sqrt(-2 * std::log(1 - random_unit(seed, kNoiseStream, 2 * i)));
    const double angle = 2 * std::numbers::pi * random_unit(seed, kNoiseStream, 2 * i + 1);
    numbers.push_back(radius * std::cos(angle));
    numbers.push_back(radius * std::sin(angle));
  }
  return numbers;
}

// Which examples a fit learns from, and which say when it stops.
struct Split {
  std::vector<size_t> train;
  std::vector<size_t> validation;
};

// The same function of inputs as they are.
Switcher unnormalised(const Perceptron& perceptron, const Normaliser& normaliser) {
  const auto& p = perceptron.parameters;
  Switcher switcher{{perceptron.inputs, perceptron.units, {}, {}}, {perceptron.units, 1, {}, {}}};
  for (size_t unit = 0; unit < perceptron.units; ++unit) {
    const auto row = p.begin() + static_cast<std::ptrdiff_t>(unit * perceptron.inputs);
    std::vector<double> weights(row, row + static_cast<std::ptrdiff_t>(perceptron.inputs));
    const double bias = p[perceptron.hidden_bias() + unit] + normaliser.unfold(weights);
    for (const double weight : weights) {
      switcher.hidden.weight.push_back(static_cast<float>(weight));
    }
    switcher.hidden.bias.push_back(static_cast<float>(bias));
    switcher.output.weight.push_back(static_cast<float>(p[perceptron.output_weight() + unit]));
  }
  switcher.output.bias.push_back(static_cast<float>(p[perceptron.output_bias()]));
  return switcher;
}

class SwitcherFits {
 public:
  SwitcherFits(const FeatureMatrix& matrix, std::span<const SwitcherExample> examples,
               const SwitcherTraining& options, const SwitcherProgress& progress)
      : matrix_(matrix),
        examples_(examples),
        options_(options),
        progress_(progress),
        total_(static_cast<double>((kHeadFolds + 1) * options.restarts)),
        noise_(normal_numbers(kNoiseNumbers + matrix.width, options.seed)) {}

  Result<Switcher> fit(const Split& split) {
    const Normaliser normaliser = Normaliser::over(matrix_, split.train);
    std::vector<std::vector<double>> rows(examples_.size());
    for (const auto* part : {&split.train, &split.validation}) {
      for (const size_t example : *part) {
        rows[example] = normaliser.normalised(matrix_.row(example));
      }
    }
    Perceptron best;
    double least = std::numeric_limits<double>::infinity();
    for (int restart = 0; restart < options_.restarts; ++restart, ++done_) {
      PITH_TRY(auto found, descend(split, rows, static_cast<uint64_t>(restart)));
      if (found.second >= least && !best.parameters.empty()) continue;
      best = std::move(found.first);
      least = found.second;
    }
    return unnormalised(best, normaliser);
  }

 private:
  // Each class as much as the other.
  std::vector<double> class_weights(std::span<const size_t> part) const {
    const auto positives =
        static_cast<double>(std::count_if(part.begin(), part.end(), [&](size_t example) {
          return examples_[example].needs_thinking;
        }));
    const double negatives = static_cast<double>(part.size()) - positives;
    return {negatives > 0 ? 0.5 / negatives : 0, positives > 0 ? 0.5 / positives : 0};
  }

  // The weights with the least loss on the examples for choices, and that loss.
  Result<std::pair<Perceptron, double>> descend(const Split& split,
                                                const std::vector<std::vector<double>>& rows,
                                                uint64_t restart) {
    const uint64_t seed = mix64(options_.seed + 1 + restart);
    Perceptron now = Perceptron::random(matrix_.width, options_.hidden, seed);
    PerceptronAdam adam(now.size(), options_.learning_rate, options_.weight_decay);
    const auto weights = class_weights(split.train);
    const auto judging = class_weights(split.validation);
    Perceptron best = now;
    double least = std::numeric_limits<double>::infinity();
    int worse = 0;
    for (int epoch = 0; epoch < options_.most_epochs && worse < options_.patience; ++epoch) {
      const double share = static_cast<double>(epoch) / options_.most_epochs;
      if (!progress_(done_ + share, total_)) return fail(ErrorCode::cancelled, "stopped");
      descend_once(split.train, rows, weights, seed, static_cast<uint64_t>(epoch), now, adam);
      double loss = 0;
      for (const size_t example : split.validation) {
        const double logit = now.logit(rows[example]);
        const bool positive = examples_[example].needs_thinking;
        loss += judging[positive ? 1 : 0] * logistic_loss(positive ? logit : -logit);
      }
      ++worse;
      if (loss >= least) continue;
      least = loss;
      best = now;
      worse = 0;
    }
    return std::pair(std::move(best), least);
  }

  // One time through the examples.
  void descend_once(std::span<const size_t> train, const std::vector<std::vector<double>>& rows,
                    const std::vector<double>& weights, uint64_t seed, uint64_t epoch,
                    Perceptron& now, PerceptronAdam& adam) {
    const std::vector<size_t> order = random_order(train.size(), seed, epoch);
    std::vector<double> x(matrix_.width);
    std::vector<double> mask(options_.hidden);
    for (size_t begin = 0; begin < order.size(); begin += options_.batch) {
      const size_t end = std::min(begin + options_.batch, order.size());
      std::vector<double> gradient(now.size());
      for (size_t i = begin; i < end; ++i) {
        const size_t example = train[order[i]];
        const uint64_t draw = epoch * order.size() + i;
        const size_t place = random_bits(seed, kPlaceStream, draw) % kNoiseNumbers;
        for (size_t c = 0; c < x.size(); ++c) {
          x[c] = rows[example][c] + options_.noise * noise_[place + c];
        }
        for (size_t unit = 0; unit < mask.size(); ++unit) {
          const bool kept =
              random_unit(seed, kMaskStream, draw * mask.size() + unit) >= options_.dropout;
          mask[unit] = kept ? 1 / (1 - options_.dropout) : 0;
        }
        const bool positive = examples_[example].needs_thinking;
        // A batch's mean, had the classes the same number.
        const double weight = weights[positive ? 1 : 0] * static_cast<double>(train.size()) /
                              static_cast<double>(end - begin);
        add_gradient(now, x, positive, weight, mask, gradient);
      }
      adam.step(now.parameters, gradient);
    }
  }

  const FeatureMatrix& matrix_;
  std::span<const SwitcherExample> examples_;
  const SwitcherTraining& options_;
  const SwitcherProgress& progress_;
  double done_ = 0;  // restarts
  double total_;
  std::vector<double> noise_;
};

// An example as routing sees it.
struct Routed {
  double probability = 0;
  ModeOutcome thinking;
  ModeOutcome direct;
  size_t example = 0;
};

// What comes of each share that thinks, the likeliest to need it first; a tie is not broken.
std::vector<RoutedShare> all_shares(std::vector<Routed> routed) {
  std::stable_sort(routed.begin(), routed.end(),
                   [](const Routed& a, const Routed& b) { return a.probability > b.probability; });
  const auto count = static_cast<double>(routed.size());
  RoutedShare now;
  for (const Routed& one : routed) {
    now.accuracy += one.direct.right / count;
    now.tokens += one.direct.tokens / count;
  }
  std::vector<RoutedShare> shares = {now};
  for (size_t i = 0; i < routed.size(); ++i) {
    const Routed& one = routed[i];
    now.share = static_cast<double>(i + 1) / count;
    now.accuracy += (one.thinking.right - one.direct.right) / count;
    now.tokens += (one.thinking.tokens - one.direct.tokens) / count;
    const double below = i + 1 < routed.size() ? routed[i + 1].probability : 0;
    if (below == one.probability) continue;
    now.threshold = (one.probability + below) / 2;
    shares.push_back(now);
  }
  return shares;
}

// The least tokens that keep the share of the accuracy of always thinking.
double threshold_of(const std::vector<RoutedShare>& shares, double keep) {
  const RoutedShare* best = &shares.back();
  const double needed = keep * shares.back().accuracy - 1e-12;
  for (const RoutedShare& share : shares) {
    if (share.accuracy >= needed && share.tokens < best->tokens) best = &share;
  }
  return best->threshold;
}

// The largest difference between the shares of both classes above it.
double youden_threshold(std::span<const ScoredRow> rows) {
  std::vector<Routed> as_routed;  // "right" by thinking where it is needed, else without
  double positives = 0;
  for (const ScoredRow& row : rows) positives += row.positive ? 1 : 0;
  const double negatives = static_cast<double>(rows.size()) - positives;
  for (const ScoredRow& row : rows) {
    const double weight = 1 / (row.positive ? positives : negatives);
    as_routed.push_back(
        {row.score, {row.positive ? weight : 0, 0}, {row.positive ? 0 : weight, 0}, 0});
  }
  const std::vector<RoutedShare> shares = all_shares(std::move(as_routed));
  return std::max_element(shares.begin(), shares.end(),
                          [](const auto& a, const auto& b) { return a.accuracy < b.accuracy; })
      ->threshold;
}

Status check_examples(std::span<const SwitcherExample> examples, const FoldPlan& folds) {
  const auto positives = std::count_if(examples.begin(), examples.end(),
                                       [](const auto& example) { return example.needs_thinking; });
  if (positives == 0 || positives == static_cast<std::ptrdiff_t>(examples.size())) {
    return fail(ErrorCode::usage,
                "{} of {} questions need reasoning: a switcher needs some of both kinds", positives,
                examples.size());
  }
  for (size_t test = 0; test < kHeadFolds; ++test) {
    bool train = false;
    bool validation = false;
    for (const SwitcherExample& example : examples) {
      const FoldPart part = folds.part_of(example.question, test);
      train = train || part == FoldPart::train;
      validation = validation || part == FoldPart::validation;
    }
    if (!train || !validation) {
      return fail(ErrorCode::usage, "{} questions are too few to train on", examples.size());
    }
  }
  return {};
}

std::vector<Routed> routed_of(std::span<const SwitcherExample> examples,
                              const std::vector<double>& probabilities) {
  std::vector<Routed> routed;
  for (size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].thinking && examples[i].direct) {
      routed.push_back({probabilities[i], *examples[i].thinking, *examples[i].direct, i});
    }
  }
  return routed;
}

std::vector<RoutedShare> thinned(const std::vector<RoutedShare>& shares) {
  std::vector<RoutedShare> curve;
  for (const RoutedShare& share : shares) {
    const bool last = &share == &shares.back();
    if (curve.empty() || last || share.share - curve.back().share >= 1.0 / kCurvePoints) {
      curve.push_back(share);
    }
  }
  return curve;
}

void describe_routing(std::span<const SwitcherExample> examples, const FoldPlan& folds, double keep,
                      TrainedSwitcher& trained) {
  const std::vector<Routed> routed = routed_of(examples, trained.probabilities);
  trained.routed = routed.size();
  if (routed.empty()) {
    trained.threshold = youden_threshold(trained.judged);
    return;
  }
  const std::vector<RoutedShare> shares = all_shares(routed);
  trained.threshold = threshold_of(shares, keep);
  trained.curve = thinned(shares);
  trained.never_tokens = shares.front().tokens;
  trained.always_tokens = shares.back().tokens;
  std::vector<double> always;
  std::vector<double> never;
  std::vector<double> accuracy;
  std::vector<double> kept;
  std::vector<double> token_share;
  for (size_t fold = 0; fold < kHeadFolds; ++fold) {
    std::vector<Routed> others;
    for (const Routed& one : routed) {
      if (folds.fold_of(examples[one.example].question) != fold) others.push_back(one);
    }
    if (others.empty()) continue;
    const double threshold = threshold_of(all_shares(std::move(others)), keep);
    for (const Routed& one : routed) {
      if (folds.fold_of(examples[one.example].question) != fold) continue;
      const ModeOutcome& taken = one.probability >= threshold ? one.thinking : one.direct;
      always.push_back(one.thinking.right);
      never.push_back(one.direct.right);
      accuracy.push_back(taken.right);
      kept.push_back(taken.right - keep * one.thinking.right);
      token_share.push_back(taken.tokens / std::max(trained.always_tokens, 1e-9));
    }
  }
  trained.always = estimate_of(always);
  trained.never = estimate_of(never);
  trained.accuracy = estimate_of(accuracy);
  trained.kept = estimate_of(kept);
  trained.token_share = estimate_of(token_share);
}

}  // namespace

bool needs_thinking(const ModeOutcome& thinking, const ModeOutcome& direct, double margin) {
  return thinking.right > direct.right && thinking.right - direct.right >= margin;
}

Result<TrainedSwitcher> train_switcher(const FeatureMatrix& matrix,
                                       std::span<const SwitcherExample> examples,
                                       const SwitcherTraining& options,
                                       const SwitcherProgress& progress) {
  PITH_CHECK(matrix.values.size() == examples.size() * matrix.width);
  size_t questions = 0;
  for (const SwitcherExample& example : examples) {
    questions = std::max(questions, example.question + 1);
  }
  const FoldPlan folds(questions, options.seed);
  PITH_TRY_VOID(check_examples(examples, folds));
  SwitcherFits fits(matrix, examples, options, progress);
  TrainedSwitcher trained;
  trained.probabilities.resize(examples.size());
  for (size_t test = 0; test < kHeadFolds; ++test) {
    Split split;
    for (size_t i = 0; i < examples.size(); ++i) {
      const FoldPart part = folds.part_of(examples[i].question, test);
      if (part == FoldPart::train) split.train.push_back(i);
      if (part == FoldPart::validation) split.validation.push_back(i);
    }
    PITH_TRY(const Switcher switcher, fits.fit(split));
    for (size_t i = 0; i < examples.size(); ++i) {
      if (folds.fold_of(examples[i].question) == test) {
        trained.probabilities[i] = switcher.probability(matrix.row(i));
      }
    }
  }
  Split whole;
  for (size_t i = 0; i < examples.size(); ++i) {
    (folds.fold_of(examples[i].question) == 0 ? whole.validation : whole.train).push_back(i);
  }
  PITH_TRY(trained.switcher, fits.fit(whole));

  std::vector<Judgement> judgements;
  for (size_t i = 0; i < examples.size(); ++i) {
    const bool positive = examples[i].needs_thinking;
    trained.positives += positive ? 1 : 0;
    trained.judged.push_back({trained.probabilities[i], positive, examples[i].question});
    judgements.push_back({trained.probabilities[i], positive ? 1.0 : 0.0});
  }
  trained.auc = auc(trained.judged, kSwitcherAucSeed);
  trained.reliability = reliability(judgements);
  describe_routing(examples, folds, options.keep, trained);
  return trained;
}

}  // namespace pith
