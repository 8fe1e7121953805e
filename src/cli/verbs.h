// The verbs of the command line, one file each. add_NAME registers the subcommand; its callback returns the exit status
// through `status`: 0 success, 1 failure (the reason is on stderr), 2 wrong usage.
#pragma once

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace hone::cli {

void add_serve(CLI::App& app, int& status);
void add_chat(CLI::App& app, int& status);
void add_score(CLI::App& app, int& status);
void add_pack(CLI::App& app, int& status);
void add_eval(CLI::App& app, int& status);
void add_export(CLI::App& app, int& status);
void add_inspect(CLI::App& app, int& status);
void add_bench(CLI::App& app, int& status);
void add_train(CLI::App& app, int& status);
void add_simulate(CLI::App& app, int& status);
void add_help(CLI::App& app, int& status);

// Prints the reason on stderr; the exit status that goes with it.
int report(const Status& result);

}  // namespace hone::cli
