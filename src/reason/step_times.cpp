#include "reason/step_times.h"

#include <algorithm>
#include <limits>

namespace pith {
namespace {

// A multiplication of attention takes about twice as long as one by a weight
// (docs/performance.md).
constexpr double kAttentionWeight = 2;

// Attention is an estimate: no more than this share of a measured step is taken for it.
constexpr double kMostAttention = 0.5;

int32_t next_count(int32_t rows) { return rows < 4 ? 4 : 2 * rows; }

}  // namespace

void StepTimes::add(int32_t rows, double context_tokens, double seconds) {
  PITH_CHECK(rows >= 1);
  auto count = std::lower_bound(counts_.begin(), counts_.end(), rows,
                                [](const Count& c, int32_t r) { return c.rows < r; });
  if (count == counts_.end() || count->rows != rows) {
    count = counts_.insert(count, {rows, {}, {}});
  }
  std::vector<Sample>& samples = count->samples;
  if (samples.size() == kKeptSteps) samples.erase(samples.begin());
  samples.push_back({seconds, context_tokens});
  std::vector<Sample> sorted = samples;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end(),
                   [](const Sample& a, const Sample& b) { return a.seconds < b.seconds; });
  count->typical = *middle;
}

double StepTimes::seconds(int32_t rows, double context_tokens) const {
  return rows_seconds(rows) + rows * context_tokens * attention_seconds();
}

double StepTimes::attention_seconds() const {
  double least = std::numeric_limits<double>::infinity();  // per row
  for (const Count& count : counts_) least = std::min(least, count.typical.seconds / count.rows);
  return counts_.empty() ? 0 : attention_share_ * least;
}

double StepTimes::rows_seconds(const Count& count) const {
  const Sample& typical = count.typical;
  const double attention = count.rows * typical.context_tokens * attention_seconds();
  return typical.seconds - std::min(attention, kMostAttention * typical.seconds);
}

// Where noise has it that more rows took less, the longer time counts.
double StepTimes::rows_seconds(int32_t rows) const {
  double below = 0;
  int32_t below_rows = 0;
  for (const Count& count : counts_) {
    const double here = std::max(rows_seconds(count), below);
    if (rows <= count.rows) {
      if (below_rows == 0) return here;
      return below + (here - below) * (rows - below_rows) / (count.rows - below_rows);
    }
    below = here;
    below_rows = count.rows;
  }
  return below_rows == 0 ? 0 : below * rows / below_rows;
}

double attention_share(const ModelConfig& config) {
  const double width = config.width;
  const double layer =
      width * (2 * config.query_width() + 2 * config.kv_width()) + 3 * width * config.mlp_width;
  const double weights = config.layers * layer + width * config.vocabulary;
  const double attention = 2.0 * config.layers * config.query_width();  // scores, mix of values
  return kAttentionWeight * attention / weights;
}

Status measure_steps(Engine& engine, const OwnedSequence& prompt, TokenId token, AdapterId adapter,
                     int32_t most_rows, double most_seconds, const TimeSource& now,
                     DecodeObserver& observer, StepTimes& times) {
  PITH_CHECK(most_rows >= 1);
  const int32_t context = engine.length(prompt.id());
  std::vector<OwnedSequence> forks;
  std::vector<Row> rows;
  double spent = 0;
  for (int32_t count = 1;; count = std::min(next_count(count), most_rows)) {
    const auto start = now();
    if (observer.cancelled()) return fail(ErrorCode::cancelled, "stopped");
    while (rows.size() < static_cast<size_t>(count)) {
      forks.push_back(prompt.fork());
      rows.push_back(
          {token, forks.back().id(), /*want_logits=*/true, /*want_hidden=*/false, adapter});
    }
    const Status status = engine.step(rows);
    if (!status && status.error().code == ErrorCode::exhausted) return {};
    PITH_TRY_VOID(status);
    const double seconds = seconds_between(start, now());
    times.add(count, context, seconds);
    spent += seconds;
    const int32_t next = std::min(next_count(count), most_rows);
    if (count == most_rows || spent + times.seconds(next, context) > most_seconds) return {};
  }
}

}  // namespace pith
