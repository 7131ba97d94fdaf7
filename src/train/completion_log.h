// The completions that a report shows: one of each step.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "train/groups.h"
#include "train/step_file.h"

namespace pith::train {

// A JSONL file with a line for each step. One process at a time (the run's lock).
class CompletionLog {
 public:
  // As StepFile::open.
  static Result<CompletionLog> open(const std::string& path, int64_t last_step);

  // Of the group the first one, and what it was worth.
  Status append(int64_t step, const Group& group, double reward);

  // HTML with some of them, the last one among them.
  std::string page() const;

 private:
  explicit CompletionLog(StepFile file) : file_(std::move(file)) {}

  StepFile file_;
};

}  // namespace pith::train
