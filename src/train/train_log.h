// What a run of training leaves for people: a table of its steps and a page with curves.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace pith::train {

struct TrainStep {
  int64_t step = 0;  // from 1
  double loss = 0;   // mean over the tokens of the step, before it
  double learning_rate = 0;
  double gradient_norm = 0;  // before it is clipped
  int64_t tokens = 0;        // that were to be predicted
  double seconds = 0;
};

// A CSV file with a line for each step. One process at a time (the run's lock).
class TrainLog {
 public:
  // Keeps of the file, if there is one, the steps up to `last_step`: those after a
  // checkpoint are done again. Errors: io; corrupt (a line that is none of ours).
  static Result<TrainLog> open(const std::string& path, int64_t last_step);

  Status append(const TrainStep& step);
  const std::vector<TrainStep>& steps() const { return steps_; }

 private:
  TrainLog(std::string path, std::vector<TrainStep> steps, UniqueFd fd)
      : path_(std::move(path)), steps_(std::move(steps)), fd_(std::move(fd)) {}

  std::string path_;
  std::vector<TrainStep> steps_;
  UniqueFd fd_;
};

// One HTML page that needs nothing else.
std::string train_page(const std::vector<TrainStep>& steps, int64_t all_steps,
                       const nlohmann::ordered_json& settings);

}  // namespace pith::train
