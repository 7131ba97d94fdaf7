// How long this machine takes for a step of a model, measured while it runs: what a plan
// that keeps a deadline is made from.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "reason/decode.h"

namespace pith {

// A step takes what its rows take, with the weights that are read for all of them, and a
// little attention for each row and each token of its context. Numbers of rows between two
// that were measured lie on a line between these, larger ones in proportion to the largest;
// attention is estimated from the model's shape.
class StepTimes {
 public:
  // `attention_share`: see below.
  explicit StepTimes(double attention_share) : attention_share_(attention_share) {}

  // A step of `rows` rows, 1 or more (CHECKed), whose contexts held `context_tokens` in the
  // mean, took `seconds`. Of the last kKeptSteps of as many rows the median counts.
  void add(int32_t rows, double context_tokens, double seconds);

  // 0 before anything was measured. Falls neither with more rows nor with more context.
  double seconds(int32_t rows, double context_tokens) const;

  static constexpr size_t kKeptSteps = 9;

 private:
  struct Sample {
    double seconds;
    double context_tokens;
  };
  struct Count {
    int32_t rows;
    std::vector<Sample> samples;  // the last ones, in their order
    Sample typical;               // the median by seconds, of two in the middle the lower
  };

  // Of one token of context and one row.
  double attention_seconds() const;
  // What is left of the typical step without attention.
  double rows_seconds(const Count& count) const;
  double rows_seconds(int32_t rows) const;

  double attention_share_;
  std::vector<Count> counts_;  // by rows
};

// What attention to one token of context adds to a row, as a share of the time that all
// other products of a row take.
double attention_share(const ModelConfig& config);

// Measures steps of 1, 4, 8, 16, .. and `most_rows` rows (1 or more, CHECKed), in this
// order: each row reads `token` with `adapter` on a fork of `prompt` of its own. The first
// is measured in any case, the others while `times` says that they fit into what is left of
// `most_seconds`. Stops early where the KV cache or the context has no room. The engine's
// last step is then one of these. Errors: those of Engine::step but `exhausted`; cancelled.
Status measure_steps(Engine& engine, const OwnedSequence& prompt, TokenId token, AdapterId adapter,
                     int32_t most_rows, double most_seconds, const TimeSource& now,
                     DecodeObserver& observer, StepTimes& times);

}  // namespace pith
