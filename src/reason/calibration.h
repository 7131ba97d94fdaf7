// How often a vote with a certain agreement is right. Pure functions.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pith {

// The share of `votes` ballots that a winner has, drawn towards one half where the votes
// are few: (share * votes + 1) / (votes + 2), Laplace's rule. So 2 of 2 is less than 16 of
// 16, and a table made with one number of votes can be read with another.
double smoothed_agreement(double share, size_t votes);

struct CalibrationPoint {
  double agreement = 0;  // smoothed, 0 to 1
  double accuracy = 0;   // 0 to 1
};

// A vote whose right answer is known.
struct JudgedVote {
  double share = 0;  // the winner's weight share
  size_t votes = 0;  // ballots with an answer
  double right = 0;  // 0 to 1; between them where a tie was broken by lot
};

// A monotone table from agreement to accuracy. Immutable.
class Calibration {
 public:
  // The table with these points: one at least, agreements rising, accuracies not falling,
  // all from 0 to 1. Errors: corrupt, with the point that is wrong.
  static Result<Calibration> from_points(std::vector<CalibrationPoint> points);
  // What to_json() gives. Errors: corrupt (not that), those of from_points().
  static Result<Calibration> from_json(const nlohmann::json& json);
  // The one closest by squares (isotonic regression) to the votes, one at least, and to two
  // more: a right one with their least agreement, a wrong one with their greatest. So no chance
  // is 0 or 1, and n votes with one agreement that all were right make (n + 1) / (n + 2), as
  // in Laplace's rule.
  static Calibration fit(std::span<const JudgedVote> votes);

  // The chance that a winner with this share of so many ballots is right: between two
  // points by interpolation, beyond the ends as at the ends.
  double probability(double share, size_t votes) const;
  const std::vector<CalibrationPoint>& points() const { return points_; }
  // [[agreement, accuracy], ..], as reports have it (docs/eval.md).
  nlohmann::ordered_json to_json() const;

 private:
  explicit Calibration(std::vector<CalibrationPoint> points) : points_(std::move(points)) {}

  std::vector<CalibrationPoint> points_;
};

}  // namespace pith
