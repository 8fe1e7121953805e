// hone bench limits: what this machine can do, by threads.
#include "base/progress.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/stopwatch.h"
#include "cli/model_options.h"

namespace hone::cli {
namespace {

struct LimitsFlags {
    ModelOptions model;  // threads and ISA
    OutputFlags output;
    int repeats = 9;
};

struct NamedLimit {
    Limit limit;
    const char *name, *unit;
};
constexpr NamedLimit kNamedLimits[] = {{Limit::i8, "int8", "GOP/s"},
                                       {Limit::bf16, "bf16", "GFLOP/s"},
                                       {Limit::f32, "fp32", "GFLOP/s"},
                                       {Limit::read, "dram", "GB/s"}};

BenchRow measure(LimitMeter& meter, const NamedLimit& named, int repeats) {
    constexpr int kSamples = 10;  // in a repetition, of which the median counts
    std::vector<Repetition> repetitions;
    const Work nothing_beside;
    const auto timings = Stopwatch(meter).time(repeats, nothing_beside, [&] {
        std::vector<double> rates;
        for (int i = 0; i < kSamples; i++) rates.push_back(meter.sample(named.limit));
        repetitions.push_back({.value = median(std::move(rates)) / 1e9});
    });
    for (size_t i = 0; i < timings.size(); i++) {
        repetitions[i].is_clean = timings[i].is_clean;
        MachineLimits rates;
        rates[named.limit] = repetitions[i].value * 1e9;
        meter.record(rates, timings[i].is_clean);
    }
    return summarise(fmt::format("limits/{}/threads{}", named.name, meter.pool().threads()), named.unit, repetitions,
                     repeats);
}

Status bench_limits(LimitsFlags& flags) {
    if (const Status read = read_earlier(flags.output); !read) return read;
    const auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    const int most = thread_count(flags.model);
    BenchReport report{.machine = this_machine(math::name_of((*kernels)->isa), most), .limits = {}, .rows = {}};
    Progress progress("measuring limits", static_cast<uint64_t>(most) * kLimits, Progress::Unit::items,
                      flags.output.hides_progress());
    for (int threads = 1; threads <= most; threads++) {
        ThreadPool pool(threads);
        auto meter = LimitMeter::create(pool, **kernels);
        if (!meter) return meter.error();
        for (const NamedLimit& named : kNamedLimits) {
            report.rows.push_back(measure(*meter, named, flags.repeats));
            progress.advance(1);
        }
        report.limits = meter->medians();
    }
    progress.finish();
    print_report(report, flags.output);
    return ok();
}

}  // namespace

void add_bench_limits(CLI::App& bench, int& status) {
    auto flags = std::make_shared<LimitsFlags>();
    CLI::App* verb =
        bench.add_subcommand("limits", "Peaks of int8, bf16 and fp32, and the memory's read rate, by threads");
    verb->footer(
        "Rows: limits/KIND/threadsN. Peaks are those of the dot instruction that the kernels of --isa use, on "
        "registers;\n"
        "a multiplication and an addition count as two. The memory is read through a block larger than the caches.");
    verb->add_option("--repeats", flags->repeats, "Samples of each")->check(CLI::Range(1, 1000))->capture_default_str();
    add_threads_option(*verb, flags->model);
    add_isa_option(*verb, flags->model);
    add_output_flags(*verb, flags->output);
    verb->callback([flags, &status] { status = report(bench_limits(*flags)); });
}

}  // namespace hone::cli
