// The commands of the `pith` binary: one file each. `add_NAME` registers the
// command with its options; the callback stores the exit status.
#pragma once

#include <CLI/CLI.hpp>

#include "base/clock.h"

namespace pith::cli {

// Exit statuses: 0 done, 1 failed, 2 bad usage, 130 stopped by Ctrl-C.
struct Context {
  Clock::time_point start = Clock::now();  // of the program
  int exit_status = 0;
};

void add_ask(CLI::App& app, Context& context);
void add_bench(CLI::App& app, Context& context);
void add_chat(CLI::App& app, Context& context);
void add_describe(CLI::App& app, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_list(CLI::App& app, Context& context);
void add_perplexity(CLI::App& app, Context& context);
void add_pull(CLI::App& app, Context& context);
void add_rm(CLI::App& app, Context& context);
void add_sample(CLI::App& app, Context& context);
void add_serve(CLI::App& app, Context& context);
void add_show(CLI::App& app, Context& context);
void add_tokenize(CLI::App& app, Context& context);

}  // namespace pith::cli
