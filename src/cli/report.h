// How commands talk about failures.
#pragma once

#include <string_view>

#include "base/error.h"

namespace pith::cli {

// Prints the error as one line on standard error ("pith: ...", in red on a
// colour terminal) and returns the exit status that goes with it: 2 for usage,
// 130 for cancelled, 1 for all else.
int report_error(const Error& error);

// The exit status of a command that ended so; reports its error. Memory that runs out is
// reported by run_program().
int exit_status_of(const Result<int>& end);

// Prints a line on standard error.
void report_line(std::string_view line);

}  // namespace pith::cli
