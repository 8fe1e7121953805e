// hone bench prefill, decode and batch: one model, or a known shape with random weights, end to end.
#include <algorithm>

#include "base/topology.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/process_memory.h"
#include "cli/bench/workloads.h"
#include "cli/model_options.h"

namespace hone::cli {
namespace {

constexpr int32_t kMostPositions = 1 << 20;

struct ModelFlags {
    ModelOptions model;
    OutputFlags output;
    std::vector<int32_t> prompts{512}, depths{0}, streams{8, 32};
    int32_t chunk = 512, steps = 32, repeats = 3;
};

// Which of the workloads run.
struct Kinds {
    bool prefill = false, decode = false, batch = false;
};

std::string weights_of(const OpenModel& open) {
    bool int4_experts = false, int4_linear = false;
    open.loaded.model->visit([&](const model::WeightSlot& slot) {
        if (!slot.matrix || slot.matrix->format != math::WeightFormat::int4_g32) return;
        (slot.role == model::WeightRole::expert ? int4_experts : int4_linear) = true;
    });
    return weights_name(int4_linear, int4_experts, open.int4_class);
}

// Rows of this process's memory, less what belongs to the benchmark. The peak may have been while the model was loaded,
// when there was nothing of the benchmark yet.
void add_memory(const std::string& model, double loading_peak, double own_bytes, std::vector<BenchRow>& rows) {
    const std::pair<const char*, double> sizes[] = {
        {"peak", std::max(loading_peak, status_bytes("VmHWM:") - own_bytes)},
        {"private", std::max(0.0, status_bytes("RssAnon:") - own_bytes)},
        {"file", status_bytes("RssFile:")}};
    for (const auto& [name, bytes] : sizes) {
        const Repetition size{.value = bytes / 0x1p30};
        rows.push_back(summarise(fmt::format("memory/{}/{}", model, name), "GiB", {&size, 1}, 1));
    }
}

int64_t pages_needed(const ModelFlags& flags, const Kinds& kinds) {
    int64_t pages = 1;
    for (const int32_t prompt : flags.prompts) {
        if (kinds.prefill) pages = std::max<int64_t>(pages, engine::pages_for(prompt));
    }
    const int32_t most_streams = kinds.batch ? std::ranges::max(flags.streams) : 1;
    for (const int32_t depth : flags.depths) {
        if (kinds.decode || kinds.batch)
            pages = std::max(pages, BenchWorkloads::decode_pages(most_streams, depth, flags.steps));
    }
    return pages;
}

void run_workloads(BenchWorkloads& workloads, const std::string& model, const ModelFlags& flags, const Kinds& kinds,
                   std::vector<BenchRow>& rows) {
    const auto add = [&](std::vector<BenchRow> more) { rows.insert(rows.end(), more.begin(), more.end()); };
    for (const int32_t prompt : flags.prompts) {
        if (kinds.prefill)
            add(workloads.prefill(fmt::format("prefill/{}/{}", model, prompt), prompt, flags.chunk, flags.repeats));
    }
    for (const int32_t depth : flags.depths) {
        if (kinds.decode)
            add(workloads.decode(fmt::format("decode/{}/depth{}", model, depth), 1, depth, flags.steps, flags.repeats));
    }
    for (const int32_t depth : flags.depths) {
        for (const int32_t streams : flags.streams) {
            if (!kinds.batch) continue;
            std::string name = fmt::format("batch/{}/streams{}", model, streams);
            if (depth > 0) name += fmt::format("-depth{}", depth);
            add(workloads.decode(name, streams, depth, flags.steps, flags.repeats));
        }
    }
}

Status bench_model(ModelFlags& flags, const Kinds& kinds) {
    if (flags.model.shape.empty() && flags.model.path.empty())
        return error("give MODEL, --shape NAME or a sub-verb; hone bench --help tells them");
    if (const Status read = read_earlier(flags.output); !read) return read;
    const bool quiet = flags.output.hides_progress();
    auto open = open_model(flags.model, quiet);
    if (!open) return open.error();
    const double loading_peak = status_bytes("VmHWM:");
    auto meter = LimitMeter::create(*open->pool, *open->kernels);
    if (!meter) return meter.error();
    const int64_t pages = pages_needed(flags, kinds);
    const double cache_bytes =
        static_cast<double>(pages) * static_cast<double>(open->loaded.model->cache_spec().page_bytes);
    if (const size_t free = available_memory_bytes(); free > 0 && cache_bytes > static_cast<double>(free))
        return error(
            "keys and values of the largest row take {}, and {} of memory are free; ask for a smaller --prompt, "
            "--depth or --streams",
            format_bytes(cache_bytes), format_bytes(static_cast<double>(free)));
    auto workloads = BenchWorkloads::create(*open, *meter, pages, quiet);
    if (!workloads) return workloads.error();

    BenchReport report{
        .machine = this_machine(math::name_of(open->kernels->isa), open->pool->threads()), .limits = {}, .rows = {}};
    report.machine.numeric_class = numeric_class_name(*open);
    const std::string model = fmt::format("{}/{}", open->loaded.name, weights_of(*open));
    run_workloads(**workloads, model, flags, kinds, report.rows);
    add_memory(model, loading_peak, static_cast<double>(meter->memory_bytes()), report.rows);
    report.limits = meter->medians();
    print_report(report, flags.output);
    return ok();
}

void add_list(CLI::App& verb, const char* flag, std::vector<int32_t>& values, const char* help, int32_t least) {
    verb.add_option(flag, values, help)
        ->check(CLI::Range(least, kMostPositions))
        ->delimiter(',')
        ->capture_default_str();
}

void add_flags(CLI::App& verb, ModelFlags& flags, const Kinds& kinds) {
    add_model_or_shape(verb, flags.model);
    if (kinds.prefill) {
        add_list(verb, "--prompt", flags.prompts, "Tokens of the prompt, a row each", 1);
        verb.add_option("--chunk", flags.chunk, "Most tokens of the prompt in a pass (as hone serve --token-budget)")
            ->check(CLI::Range(1, kMostPositions))
            ->capture_default_str();
    }
    if (kinds.decode || kinds.batch) {
        add_list(verb, "--depth", flags.depths, "Tokens that are in the cache before the first step, a row each", 0);
        verb.add_option("--steps", flags.steps, "Tokens that each sequence decodes in a repetition")
            ->check(CLI::Range(1, 1 << 16))
            ->capture_default_str();
    }
    if (kinds.batch) add_list(verb, "--streams", flags.streams, "Sequences that decode together, a row each", 1);
    verb.add_option("--repeats", flags.repeats, "Repetitions of a row")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add_model_options(verb, flags.model);
    add_output_flags(verb, flags.output);
}

}  // namespace

void add_bench_model(CLI::App& bench, int& status) {
    // One set of flags for all: `hone bench --shape NAME decode` is as good as `hone bench decode --shape NAME`.
    auto flags = std::make_shared<ModelFlags>();
    constexpr const char* kFooter =
        "Rows: prefill/MODEL/WEIGHTS/PROMPT, decode/MODEL/WEIGHTS/depthD, batch/MODEL/WEIGHTS/streamsN; indented\n"
        "below each, its phases in ms, of the whole prompt or of one step, which add up to its time: attention,\n"
        "experts (their products), dense (the other products, the head apart), head, router, quantise (preparing\n"
        "activations for them outside experts), sampling (a token at temperature 1), other (norms, rotary, the rest).\n"
        "The limit of a phase is what it takes at least at the rates measured around it: its matrix products (in\n"
        "attention, products of bf16 with every key that a row sees) at the peak, or its weights, chosen experts,\n"
        "keys and values at the memory's read rate, whichever is longer. The limit of a row is the sum over its\n"
        "phases. Left out: norms, rotary, elementwise work, preparing activations, sampling, the embedding, writing\n"
        "keys and values. The scheduler does not run; keys and values before --depth are random; positions may go\n"
        "beyond what the model was made for. Memory is the process's, less the benchmark's own.";
    struct Verb {
        const char *name, *help;
        Kinds kinds;
    };
    constexpr Verb kVerbs[] = {{"prefill", "Prompts of one model, from an empty cache", {.prefill = true}},
                               {"decode", "One sequence of one model, token by token", {.decode = true}},
                               {"batch", "Several sequences of one model that decode together", {.batch = true}}};
    for (const Verb& one : kVerbs) {
        CLI::App* verb = bench.add_subcommand(one.name, one.help);
        verb->footer(kFooter);
        add_flags(*verb, *flags, one.kinds);
        verb->callback([flags, &status, kinds = one.kinds] { status = report(bench_model(*flags, kinds)); });
    }
    const Kinds all{true, true, true};
    add_flags(bench, *flags, all);
    bench.callback([flags, &status, &bench, all] {
        if (bench.get_subcommands().empty()) status = report(bench_model(*flags, all));
    });
}

}  // namespace hone::cli
