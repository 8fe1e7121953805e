// hone bench train: training steps of known shapes with random weights, an adapter's and whole models'.
#include <algorithm>

#include "cli/bench/bench_verbs.h"
#include "cli/bench/process_memory.h"
#include "cli/bench/training_workload.h"
#include "cli/bench/workloads.h"

namespace hone::cli {
namespace {

struct TrainFlags {
    ModelOptions model;  // threads and ISA
    OutputFlags output;
    TrainingShape shape;
    std::string filter;
    std::string activation_memory = kActivationMemory;
    int repeats = 3;
};

struct TrainCase {
    const char *shape, *weights;
    int32_t rank;  // 0: all weights

    std::string name() const {
        const std::string method = rank ? fmt::format("lora{}", rank) : "full";
        return fmt::format("train/{}/{}/{}", method, shape, weights);
    }
};

constexpr TrainCase kCases[] = {
    {"olmoe-1b-7b", "int4", 16}, {"moe-100m", "bf16", 0}, {"dense-100m", "bf16", 0}, {"moe-100m", "bf16", 16}};

// Tokens a second of a document from an empty cache: what an adapter's limit is made of.
Result<double> prefill_rate(const OpenModel& open, LimitMeter& meter, const std::string& name, const TrainFlags& flags,
                            std::vector<BenchRow>& rows) {
    const int32_t tokens = flags.shape.tokens;
    auto workloads = BenchWorkloads::create(open, meter, engine::pages_for(tokens), flags.output.hides_progress());
    if (!workloads) return workloads.error();
    rows.push_back((*workloads)->prefill(name, tokens, tokens, flags.repeats).front());
    return rows.back().value;
}

Status run_case(const TrainCase& one, const TrainFlags& flags, LimitMeter& meter, OpenModel& open,
                std::vector<BenchRow>& rows) {
    double prefill = 0;
    if (one.rank > 0) {
        const std::string name = fmt::format("prefill/{}/{}/{}", one.shape, one.weights, flags.shape.tokens);
        const auto rate = prefill_rate(open, meter, name, flags, rows);
        if (!rate) return rate.error();
        prefill = *rate;
    }
    const double base = status_bytes("RssAnon:") - static_cast<double>(meter.memory_bytes());
    TrainingShape shape = flags.shape;
    shape.rank = one.rank;
    auto workload = TrainingWorkload::create(open, meter, shape);
    if (!workload) return workload.error();
    restart_peak();
    auto measured = (*workload)->measure(one.name(), prefill, flags.repeats, flags.output.hides_progress());
    rows.insert(rows.end(), measured.begin(), measured.end());
    const double peak = status_bytes("VmHWM:") - status_bytes("RssFile:") - static_cast<double>(meter.memory_bytes());
    const double allowed = base + (*workload)->trained_bytes() + 2 * 0x1p30;
    const Repetition size{.value = peak / 0x1p30, .limit = allowed / 0x1p30};
    rows.push_back(summarise("memory/" + one.name(), "GiB", {&size, 1}, 1));
    return ok();
}

Status bench_train(TrainFlags& flags) {
    if (const Status read = read_earlier(flags.output); !read) return read;
    const auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    const auto activation_bytes = activation_bytes_of(flags.activation_memory);
    if (!activation_bytes) return activation_bytes.error();
    flags.shape.options.activation_bytes = *activation_bytes;
    BenchReport report{
        .machine = this_machine(math::name_of((*kernels)->isa), thread_count(flags.model)), .limits = {}, .rows = {}};
    bool found = false;
    for (const TrainCase& one : kCases) {
        if (one.name().find(flags.filter) == std::string::npos) continue;
        found = true;
        ModelOptions options = flags.model;
        options.shape = one.shape;
        options.weights = one.weights;
        auto open = open_model(options, flags.output.hides_progress());
        if (!open) return open.error();
        auto meter = LimitMeter::create(*open->pool, *open->kernels);
        if (!meter) return meter.error();
        if (const Status run = run_case(one, flags, *meter, *open, report.rows); !run) return run;
        report.limits = meter->medians();
    }
    if (!found)
        return error("--filter '{}': no row's name has that in it; names are such as {}", flags.filter,
                     kCases[0].name());
    print_report(report, flags.output);
    return ok();
}

}  // namespace

void add_bench_train(CLI::App& bench, int& status) {
    auto flags = std::make_shared<TrainFlags>();
    CLI::App* verb = bench.add_subcommand("train", "Training steps of known shapes, an adapter's and whole models'");
    verb->footer(
        "Rows: train/loraR/MODEL/WEIGHTS, train/full/MODEL/WEIGHTS: whole steps, from tokens to packed new weights;\n"
        "indented below each, its parts in ms of one step: WAY-PHASE (forward; again: computed once more for the way\n"
        "back; back), phases as in hone bench prefill, lora being the products with an adapter's factors, and step:\n"
        "clipping, AdamW, clearing gradients and packing. The limit of an adapter's row is two passes at the rate of\n"
        "prefill, measured in the same run, and 2 operations for each token and active weight at the bf16 peak; that\n"
        "of a whole model's three times the operations of a forward pass at their peaks. What is computed again does\n"
        "not count there.\n"
        "memory/...: the largest that the process had, without files and the benchmark's own; limit: weights, values,\n"
        "gradients and moments of what is trained, and 2 GiB.");
    verb->add_option("--filter", flags->filter, "Only rows with this text in their names");
    verb->add_option("--documents", flags->shape.documents, "Documents in a batch")
        ->check(CLI::Range(1, 1 << 16))
        ->capture_default_str();
    verb->add_option("--tokens", flags->shape.tokens, "Tokens of a document")
        ->check(CLI::Range(1, 1 << 16))
        ->capture_default_str();
    verb->add_option("--repeats", flags->repeats, "Repetitions of a row")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add_activation_memory_option(*verb, flags->activation_memory);
    add_threads_option(*verb, flags->model);
    add_isa_option(*verb, flags->model);
    add_output_flags(*verb, flags->output);
    verb->callback([flags, &status] { status = report(bench_train(*flags)); });
}

}  // namespace hone::cli
