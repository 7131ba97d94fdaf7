// Text files with lines for steps, that a run which goes on cuts back to its checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/function_ref.h"

namespace pith::train {

// One process at a time (the run's lock).
class StepFile {
 public:
  // Keeps of the file, if there is one, the lines of steps up to `last_step`: those after a
  // checkpoint are done again. A last line without an end was being written when the run was
  // killed. `step_of` hands over a line's step, or 0 where it is no line of such a file.
  // `header`: the first line; empty: none. Errors: io; corrupt (a line that is none of ours).
  static Result<StepFile> open(const std::string& path, std::string_view header, int64_t last_step,
                               FunctionRef<int64_t(std::string_view line)> step_of);

  // Without its end.
  Status append(const std::string& line);
  const std::vector<std::string>& lines() const { return lines_; }  // without the header

 private:
  StepFile(std::string path, std::vector<std::string> lines, UniqueFd fd)
      : path_(std::move(path)), lines_(std::move(lines)), fd_(std::move(fd)) {}

  std::string path_;
  std::vector<std::string> lines_;
  UniqueFd fd_;
};

}  // namespace pith::train
