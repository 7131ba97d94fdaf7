// What samples of many questions say about a model. Pure functions; all that is
// random in them is drawn from a seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pith {

// One sample of a question, as a vote sees it.
struct Vote {
  int32_t group = -1;  // samples with the same answer have the same; -1: it gave none
  bool correct = false;
  double weight = 1;  // 0 to 1; 1 for a majority vote
};

// A count of votes, which grows.
class Tally {
 public:
  explicit Tally(size_t groups) : groups_(groups) {}  // the votes' numbers are below that

  void add(const Vote& vote);

  size_t answered() const { return answered_; }  // votes with an answer
  double leader() const { return leader_; }      // weight of the heaviest answer
  double second() const { return second_; }      // of the next; 0 where there is none
  // The leader's part of all weight; 0 when nothing weighs.
  double leader_share() const { return weight_ > 0 ? leader_ / weight_ : 0; }
  // The chance that the heaviest answer is right, a tie being broken by lot. 0 when
  // nobody votes.
  double accuracy() const;

 private:
  struct Group {
    double weight = 0;
    double members = 0;
    double correct = 0;
  };

  std::vector<Group> groups_;
  size_t answered_ = 0;
  double weight_ = 0;
  double leader_ = 0;
  double second_ = 0;
  int32_t leading_ = -1;  // a group whose weight is leader_
};

// One more than the highest group.
size_t count_groups(std::span<const Vote> votes);
Tally tally(std::span<const Vote> votes);

// Mean of Tally::accuracy() over subsets of `k` votes, 1 <= k <= votes.size(): over all of
// them where there are at most kMostSubsets, else over that many drawn at random.
inline constexpr int kMostSubsets = 2000;
double vote_accuracy_at(std::span<const Vote> votes, int k, uint64_t seed);

// The numbers below n, shuffled; each (seed, number) has an order of its own.
std::vector<size_t> random_order(size_t n, uint64_t seed, uint64_t number);

// The chance that at least one of k samples is right, without bias, when `correct` of
// `samples` are: 1 - C(samples - correct, k) / C(samples, k). 1 <= k <= samples.
double pass_at(int samples, int correct, int k);

double mean(std::span<const double> values);  // 0 without values

// The value below which the share `q` in [0, 1] lies, between neighbours by
// interpolation. `values` need no order; one at least.
double quantile(std::vector<double> values, double q);

struct Estimate {
  double value = 0;
  double low = 0;  // to `high`: the 95 % interval
  double high = 0;
};

// The mean, with a percentile bootstrap interval over kResamples resamples.
inline constexpr int kResamples = 4000;
Estimate bootstrap_mean(std::span<const double> values, uint64_t seed);

// How often answers given with a certain confidence are right.
struct Judgement {
  double confidence = 0;  // 0 to 1
  double correct = 0;     // 0 to 1: the chance, where a tie is broken by lot
};
struct ReliabilityBin {
  int count = 0;
  double confidence = 0;  // means over the bin
  double accuracy = 0;
};
struct Reliability {
  std::vector<ReliabilityBin> bins;  // of equal width from 0 to 1; some may be empty
  double calibration_error = 0;      // mean |confidence - accuracy| over bins, by count
  // Mean squared distance from the confidence to 1 where it is right, to 0 where not; a tie
  // counts both with their chances.
  double brier = 0;
};
inline constexpr int kReliabilityBins = 10;
Reliability reliability(std::span<const Judgement> judgements);

}  // namespace pith
