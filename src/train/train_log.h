// What a run of training leaves for people: a table of its steps and a page with curves.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "train/step_file.h"

namespace pith::train {

struct TrainStep {
  int64_t step = 0;  // from 1
  double loss = 0;   // of the step's tokens, before it
  double learning_rate = 0;
  double gradient_norm = 0;  // before it is clipped
  int64_t tokens = 0;        // that were to be predicted
  double seconds = 0;
  std::vector<double> more;  // what else a kind of training measures; NaN: nothing this time
};

// The names of TrainStep::more. Curves of names that are alike before an '@' share a plot:
// "length@100", "length@200".
using TrainColumns = std::vector<std::string>;

// A CSV file with a line for each step. One process at a time (the run's lock).
class TrainLog {
 public:
  // As StepFile::open.
  static Result<TrainLog> open(const std::string& path, TrainColumns columns, int64_t last_step);

  Status append(const TrainStep& step);
  const std::vector<TrainStep>& steps() const { return steps_; }
  const TrainColumns& columns() const { return columns_; }

 private:
  TrainLog(StepFile file, TrainColumns columns)
      : file_(std::move(file)), columns_(std::move(columns)) {}

  StepFile file_;
  TrainColumns columns_;
  std::vector<TrainStep> steps_;
};

// One HTML page that needs nothing else. `more`: HTML, between curves and settings.
std::string train_page(const std::vector<TrainStep>& steps, const TrainColumns& columns,
                       int64_t all_steps, const nlohmann::ordered_json& settings,
                       const std::string& more = "");

}  // namespace pith::train
