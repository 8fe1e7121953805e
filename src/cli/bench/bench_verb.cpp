// hone bench: how fast this machine, the kernels and a model are, as fractions of what the machine can do at that
// moment.
#include <iostream>

#include <boost/json/serialize.hpp>

#include "cli/bench/bench_verbs.h"
#include "cli/bench/compare.h"

namespace hone::cli {

void add_output_flags(CLI::App& verb, OutputFlags& flags) {
    verb.add_flag("--json", flags.json, "Print JSON, and no progress");
    verb.add_option("--compare", flags.compare_path,
                    "A file that --json wrote: how much better each row is than there, and what of that may be noise");
    verb.add_flag("--quiet", flags.quiet, "Show no progress");
}

Status read_earlier(OutputFlags& flags) {
    if (flags.compare_path.empty()) return ok();
    auto earlier = read_report(flags.compare_path);
    if (!earlier) return earlier.error().within("--compare");
    flags.earlier = std::move(*earlier);
    return ok();
}

void print_report(const BenchReport& report, const OutputFlags& flags) {
    std::cout << (flags.json ? boost::json::serialize(to_json(report)) + "\n" : to_table(report));
    if (!flags.earlier) return;
    // Beside JSON, which others read, the comparison is for the person at the terminal.
    (flags.json ? std::cerr : std::cout) << "\n" << to_table(compare(report.rows, flags.earlier->rows));
}

void add_bench(CLI::App& app, int& status) {
    CLI::App* verb = app.add_subcommand("bench", "How fast this machine, the kernels and a model are");
    verb->require_subcommand(0, 1);
    verb->footer(
        "Without a sub-verb: prefill, decode and batch of one model.\n"
        "Every repetition is measured between two samples of the machine's limits, and the share of them that it\n"
        "reaches is what counts: the median over the repetitions; spread is the range of their middle half.\n"
        "Repetitions in which others, the hypervisor included, took more than 5 % of the CPUs are left out, and up to\n"
        "twice as many are made. Where the system's ticks say that of the whole row (by more than a tick a CPU), only\n"
        "those repetitions count whose own ticks prove the contrary. A row is VOID if fewer than half are left, or\n"
        "than two of several. 'foreign load unknown' means that the system does not tell, and all count.");
    add_bench_model(*verb, status);
    add_bench_limits(*verb, status);
    add_bench_kernels(*verb, status);
    add_bench_grammar(*verb, status);
    add_bench_train(*verb, status);
    add_bench_start(*verb, status);
    add_bench_serve(*verb, status);
    add_bench_interference(*verb, status);
    add_bench_soak(*verb, status);
    add_bench_agents(*verb, status);
    add_bench_beside_training(*verb, status);
}

}  // namespace hone::cli
