#include "reason/calibration.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace pith {
namespace {

// Votes that share one accuracy.
struct Pool {
  double count = 0;
  double agreement = 0;  // sums
  double right = 0;

  double accuracy() const { return right / count; }
  double mean_agreement() const { return agreement / count; }
  void add(const Pool& other) {
    count += other.count;
    agreement += other.agreement;
    right += other.right;
  }
};

bool is_probability(double value) { return value >= 0 && value <= 1; }  // NaN is none

// One pool for each agreement, rising.
std::vector<Pool> pools_by_agreement(std::span<const JudgedVote> votes) {
  std::vector<Pool> sorted;
  for (const JudgedVote& vote : votes) {
    sorted.push_back({1, smoothed_agreement(vote.share, vote.votes), vote.right});
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Pool& a, const Pool& b) { return a.agreement < b.agreement; });
  std::vector<Pool> pools;
  double last = -1;
  for (const Pool& vote : sorted) {
    if (vote.agreement == last) {
      pools.back().add(vote);
    } else {
      pools.push_back(vote);
    }
    last = vote.agreement;
  }
  return pools;
}

}  // namespace

double smoothed_agreement(double share, size_t votes) {
  const auto n = static_cast<double>(votes);
  return (share * n + 1) / (n + 2);
}

Result<Calibration> Calibration::from_points(std::vector<CalibrationPoint> points) {
  if (points.empty()) return fail(ErrorCode::corrupt, "a calibration without points");
  for (size_t i = 0; i < points.size(); ++i) {
    const auto [agreement, accuracy] = points[i];
    if (!is_probability(agreement) || !is_probability(accuracy)) {
      return fail(ErrorCode::corrupt, "point {} of the calibration is not from 0 to 1", i + 1);
    }
    if (i > 0 && (agreement <= points[i - 1].agreement || accuracy < points[i - 1].accuracy)) {
      return fail(ErrorCode::corrupt, "point {} of the calibration is not above the one before it",
                  i + 1);
    }
  }
  return Calibration(std::move(points));
}

Result<Calibration> Calibration::from_json(const nlohmann::json& json) {
  if (!json.is_array()) return fail(ErrorCode::corrupt, "a calibration that is no list of points");
  std::vector<CalibrationPoint> points;
  for (const nlohmann::json& point : json) {
    if (!point.is_array() || point.size() != 2 || !point[0].is_number() || !point[1].is_number()) {
      return fail(ErrorCode::corrupt, "point {} of the calibration is not two numbers",
                  points.size() + 1);
    }
    points.push_back({point[0].get<double>(), point[1].get<double>()});
  }
  return from_points(std::move(points));
}

nlohmann::ordered_json Calibration::to_json() const {
  auto json = nlohmann::ordered_json::array();
  for (const CalibrationPoint& point : points_) {
    json.push_back(nlohmann::ordered_json::array({point.agreement, point.accuracy}));
  }
  return json;
}

// Pool adjacent violators.
Calibration Calibration::fit(std::span<const JudgedVote> votes) {
  PITH_CHECK(!votes.empty());
  std::vector<Pool> pools = pools_by_agreement(votes);
  pools.front().add({1, pools.front().mean_agreement(), 1});
  pools.back().add({1, pools.back().mean_agreement(), 0});
  std::vector<Pool> rising;
  for (const Pool& pool : pools) {
    rising.push_back(pool);
    while (rising.size() > 1 && rising.back().accuracy() <= rising[rising.size() - 2].accuracy()) {
      rising[rising.size() - 2].add(rising.back());
      rising.pop_back();
    }
  }
  std::vector<CalibrationPoint> points;
  for (const Pool& pool : rising) points.push_back({pool.mean_agreement(), pool.accuracy()});
  return Calibration(std::move(points));
}

double Calibration::probability(double share, size_t votes) const {
  const double agreement = smoothed_agreement(share, votes);
  const auto above = std::upper_bound(
      points_.begin(), points_.end(), agreement,
      [](double value, const CalibrationPoint& point) { return value < point.agreement; });
  if (above == points_.begin()) return points_.front().accuracy;
  if (above == points_.end()) return points_.back().accuracy;
  const CalibrationPoint& below = *(above - 1);
  const double place = (agreement - below.agreement) / (above->agreement - below.agreement);
  return std::lerp(below.accuracy, above->accuracy, place);
}

}  // namespace pith
