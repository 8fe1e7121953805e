// hone bench: prefill, decode and batched decode of a model, or of a known shape with random weights, against the limits
// of the machine measured in the same run.
#include <iostream>

#include <boost/json/serialize.hpp>

#include "base/cpu_features.h"
#include "cli/bench/start.h"
#include "cli/bench_workloads.h"
#include "cli/model_options.h"

namespace hone::cli {
namespace {

struct BenchFlags {
    ModelOptions model;
    std::vector<int32_t> prompts{512};
    std::vector<int32_t> streams{1, 8, 32};
    int32_t steps = 32, repeats = 3;
    bool json = false;
};

struct BenchReport {
    std::string model, weights, numeric_class, isa;
    int threads = 0;
    MachineLimits limits;
    std::vector<BenchRow> rows;
};

void print_table(const BenchReport& report) {
    fmt::print(
        "{}, weights {}, class {}, {} threads, {}; limits of this run: int8 {:.0f} GOP/s, bf16 {:.0f} GFLOP/s, "
        "memory {:.1f} GB/s\n\n",
        report.model, report.weights, report.numeric_class, report.threads, report.isa, report.limits.i8_ops / 1e9,
        report.limits.bf16_ops / 1e9, report.limits.read_bytes / 1e9);
    fmt::print("{:<18} {:>10} {:>19} {:>10} {:>8}  {}\n", "workload", "tokens/s", "range", "limit", "of it",
               "bound by");
    for (const BenchRow& row : report.rows) {
        fmt::print("{:<18} {:>10.1f} {:>19} {:>10.1f} {:>6.0f} %  {}\n", row.kind + "/" + row.detail, row.rate,
                   fmt::format("{:.1f} - {:.1f}", row.slowest, row.fastest), row.limit, 100 * row.fraction, row.bound);
    }
    fmt::print(
        "\nThe limit is what reading the weights that the step needs, or its matrix products, allow at the rates "
        "measured "
        "around it;\nattention and elementwise work are left out. Value and share are medians of the repeats.\n");
}

void print_json(const BenchReport& report) {
    boost::json::array rows;
    for (const BenchRow& row : report.rows) {
        rows.push_back({{"name", fmt::format("{}/{}/{}/{}", row.kind, report.model, report.weights, row.detail)},
                        {"value", row.rate},
                        {"unit", "tokens/s"},
                        {"limit", row.limit},
                        {"fraction", row.fraction},
                        {"spread", (row.fastest - row.slowest) / row.rate}});
    }
    const boost::json::object machine{{"processor", cpu_model_name()},
                                      {"threads", report.threads},
                                      {"isa", report.isa},
                                      {"class", report.numeric_class}};
    const boost::json::object limits{{"int8_gops", report.limits.i8_ops / 1e9},
                                     {"bf16_gflops", report.limits.bf16_ops / 1e9},
                                     {"fp32_gflops", report.limits.f32_ops / 1e9},
                                     {"dram_gbps", report.limits.read_bytes / 1e9}};
    std::cout << boost::json::serialize(boost::json::object{{"machine", machine}, {"limits", limits}, {"rows", rows}})
              << "\n";
}

// Whether the model has positions for what the flags ask.
Status check_lengths(const BenchFlags& flags, int32_t max_positions) {
    for (const int32_t prompt : flags.prompts) {
        if (prompt > max_positions) return error("--prompt {}: the model has {} positions", prompt, max_positions);
    }
    const int64_t decoded = BenchWorkloads::kDecodePrompt + int64_t{flags.steps} * flags.repeats;
    if (decoded > max_positions)
        return error("--steps {} times --repeats {}: the model has {} positions", flags.steps, flags.repeats,
                     max_positions);
    return ok();
}

Status bench(BenchFlags& flags) {
    auto open = open_model(flags.model, flags.json);
    if (!open) return open.error();
    if (auto fits = check_lengths(flags, open->loaded.model->spec().max_positions); !fits) return fits;

    int64_t pages = 0;
    for (const int32_t prompt : flags.prompts) pages = std::max<int64_t>(pages, engine::pages_for(prompt));
    for (const int32_t streams : flags.streams)
        pages = std::max(pages, BenchWorkloads::decode_pages(streams, flags.steps, flags.repeats));
    auto meter = LimitMeter::create(*open->pool, *open->kernels);
    if (!meter) return meter.error();
    auto workloads = BenchWorkloads::create(*open, *meter, pages);
    if (!workloads) return workloads.error();

    BenchReport report{.model = open->loaded.name,
                       .weights = flags.model.weights,
                       .numeric_class = numeric_class_name(*open),
                       .isa = std::string(math::name_of(open->kernels->isa)),
                       .threads = open->pool->threads(),
                       .limits = {},
                       .rows = {}};
    for (const int32_t prompt : flags.prompts) report.rows.push_back((*workloads)->prefill(prompt, flags.repeats));
    for (const int32_t streams : flags.streams)
        report.rows.push_back((*workloads)->decode(streams, flags.steps, flags.repeats));
    report.limits = meter->medians();
    (flags.json ? print_json : print_table)(report);
    return ok();
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
    auto flags = std::make_shared<BenchFlags>();
    CLI::App* verb = app.add_subcommand("bench", "Prefill, decode and batched decode against the machine's limits");
    add_model_or_shape(*verb, flags->model);
    verb->add_option("--prompt", flags->prompts, "Tokens of the prefill, a row of the table each")
        ->check(CLI::Range(1, 1 << 20))
        ->delimiter(',')
        ->capture_default_str();
    verb->add_option("--streams", flags->streams, "Sequences that decode together, a row of the table each")
        ->check(CLI::Range(1, 4096))
        ->delimiter(',')
        ->capture_default_str();
    verb->add_option("--steps", flags->steps, "Decode steps a repeat")
        ->check(CLI::Range(1, 1 << 16))
        ->capture_default_str();
    verb->add_option("--repeats", flags->repeats, "Repeats; medians and the range are shown")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    verb->add_flag("--json", flags->json, "Print JSON, and no progress");
    add_model_options(*verb, flags->model);
    add_bench_start(*verb, status);
    verb->callback([verb, flags, &status] {
        if (verb->get_subcommands().empty()) status = report(bench(*flags));
    });
}

}  // namespace hone::cli
