// hone bench start: how long a server needs from its process's start to the first token it serves, and what memory is
// its own then. A process of its own is measured from outside, with the model's files in the page cache and without.
#pragma once

#include "cli/verbs.h"

namespace hone::cli {

void add_bench_start(CLI::App& bench, int& status);

}  // namespace hone::cli
