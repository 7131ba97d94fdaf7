// Running another program, without a shell.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"

namespace pith {

struct ProcessRequest {
  std::vector<std::string> arguments;    // the program first, looked up in PATH
  std::string folder;                    // where it runs
  std::vector<std::string> environment;  // "NAME=value", over this process's own
};

struct ProcessResult {
  int exit_status = 0;      // 128 + the signal's number when one ended it
  std::string output_tail;  // the last few KiB of standard output and error together
};

// Runs to the end, with an empty standard input. `keep_going` is asked about five
// times a second; once it says no, the program and its children are killed and the
// call returns (cancelled). Errors: not_found (no such program), io, cancelled.
Result<ProcessResult> run_process(const ProcessRequest& request, FunctionRef<bool()> keep_going);

}  // namespace pith
