// The log of a long run: what has been finished is on the disk, so that a killed run
// goes on where it was.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/function_ref.h"

namespace pith {

// A JSONL file: the first line is {"run": settings}, each other one an entry. One
// process at a time holds it.
class RunLog {
 public:
  // Opens the log for appending, or begins it. Hands each entry that it has to `read`,
  // in order; a last line that was being written when the run was killed is cut off.
  //
  // Errors: io; usage (another run's log: names the settings that differ; another
  // process has it open); corrupt (a line that is no JSON object); those of `read`.
  static Result<RunLog> open(const std::string& path, const nlohmann::ordered_json& settings,
                             FunctionRef<Status(const nlohmann::ordered_json& entry)> read);

  // Appends the entry; it is on the disk when this returns.
  Status append(const nlohmann::ordered_json& entry);

  const std::string& path() const { return path_; }

 private:
  RunLog(std::string path, FileLock lock, UniqueFd fd)
      : path_(std::move(path)), lock_(std::move(lock)), fd_(std::move(fd)) {}

  std::string path_;
  FileLock lock_;
  UniqueFd fd_;
};

// The double that is written with the digits of the float: 0.7, not 0.69999998807907.
double json_number(float value);

}  // namespace pith
