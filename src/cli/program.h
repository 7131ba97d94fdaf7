// What the programs have in common: standard streams, command line, exit status.
#pragma once

#include <CLI/CLI.hpp>

#include "base/clock.h"

namespace pith::cli {

// Exit statuses: 0 done, 1 failed, 2 bad usage, 130 stopped by Ctrl-C.
struct Context {
  Clock::time_point start = Clock::now();  // of the program
  int exit_status = 0;
};

// Parses, which runs the command that is chosen, and writes out what is buffered. The exit
// status: the command's, 2 after one line for every misuse of the command line.
int run_program(CLI::App& app, const Context& context, int argc, char** argv);

}  // namespace pith::cli
