// The commands of the `pith` binary: one file each. `add_NAME` registers the
// command with its options; the callback stores the exit status.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/program.h"

namespace pith::cli {

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
void add_train(CLI::App& app, Context& context);

}  // namespace pith::cli
