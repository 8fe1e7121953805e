// The sub-verbs of `hone bench`, one file each, and the flags that they share. add_bench_NAME registers it as add_NAME
// does a verb (cli/verbs.h).
#pragma once

#include <optional>
#include <string>

#include "cli/bench/report.h"
#include "cli/verbs.h"

namespace hone::cli {

void add_bench_limits(CLI::App& bench, int& status);
void add_bench_kernels(CLI::App& bench, int& status);
void add_bench_grammar(CLI::App& bench, int& status);
void add_bench_train(CLI::App& bench, int& status);
void add_bench_start(CLI::App& bench, int& status);
void add_bench_serve(CLI::App& bench, int& status);
void add_bench_interference(CLI::App& bench, int& status);
void add_bench_soak(CLI::App& bench, int& status);
void add_bench_beside_training(CLI::App& bench, int& status);
void add_bench_agents(CLI::App& bench, int& status);
// prefill, decode and batch; and all three for `hone bench MODEL`.
void add_bench_model(CLI::App& bench, int& status);

// What becomes of a report.
struct OutputFlags {
    bool json = false, quiet = false;
    std::string compare_path;            // --compare
    std::optional<BenchReport> earlier;  // what lies there

    bool hides_progress() const { return json || quiet; }
};

void add_output_flags(CLI::App& verb, OutputFlags& flags);
// Reads the file of --compare, before anything is measured in vain.
Status read_earlier(OutputFlags& flags);
void print_report(const BenchReport& report, const OutputFlags& flags);

}  // namespace hone::cli
