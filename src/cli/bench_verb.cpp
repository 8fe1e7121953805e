// hone bench: prefill, decode and batched decode of a model, or of a known shape with random weights, against the
// limits of the machine measured in the same run.
#include <cmath>
#include <iostream>

#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/rng.h"
#include "cli/machine_limits.h"
#include "cli/model_options.h"
#include "engine/cache/page_pool.h"
#include "engine/executor.h"
#include "model/checkpoint/random_weights.h"
#include "model/checkpoint/shapes.h"

namespace hone::cli {
namespace {

struct BenchFlags {
    ModelOptions model;
    std::string shape;
    int32_t prompt = 512, steps = 32, repeats = 3;
    std::vector<int32_t> streams{1, 8, 32};
    bool json = false;
};

// Work of one token's matrix products, by the numeric class that bounds it.
struct TokenCost {
    double i8_ops = 0, bf16_ops = 0;           // multiplications and additions
    double dense_bytes = 0, expert_bytes = 0;  // weights that every token reads; all experts of all layers
    double expert_share = 0;                   // experts a token chooses / experts

    // Expected bytes of weights that a step of `rows` tokens reads, if routing is uniform.
    double step_bytes(int32_t rows) const {
        return dense_bytes + expert_bytes * (1 - std::pow(1 - expert_share, rows));
    }
    // Lower bound of a token's time in seconds when the arithmetic is the limit.
    double compute_seconds(const MachineLimits& limits) const {
        return i8_ops / limits.i8_ops + bf16_ops / limits.bf16_ops;
    }
};

TokenCost token_cost(model::Model& model, math::NumericClass int4_class) {
    const auto& spec = model.spec();
    TokenCost cost;
    cost.expert_share = spec.experts ? static_cast<double>(spec.experts_per_token) / spec.experts : 0;
    model.visit([&](const model::WeightSlot& slot) {
        if (!slot.matrix || slot.role == model::WeightRole::embedding || slot.role == model::WeightRole::router) return;
        const bool is_expert = slot.role == model::WeightRole::expert;
        const bool is_i8 =
            slot.matrix->format == math::WeightFormat::int4_g32 && int4_class == math::NumericClass::i8g32;
        const double operations = 2.0 * slot.n * slot.k * (is_expert ? cost.expert_share : 1);
        (is_i8 ? cost.i8_ops : cost.bf16_ops) += operations;
        (is_expert ? cost.expert_bytes : cost.dense_bytes) +=
            static_cast<double>(math::packed_bytes(slot.matrix->format, slot.n, slot.k));
    });
    return cost;
}

// One measured workload; rates in tokens a second.
struct BenchResult {
    std::string workload;
    double rate = 0, slowest = 0, fastest = 0;  // median and range of the repeats
    double limit = 0;                           // by weights read or arithmetic alone, attention left out
    const char* bound = "";
};

class BenchRun {
  public:
    static Result<BenchRun> create(model::LoadedModel& loaded, const math::KernelTable& kernels,
                                   math::NumericClass int4_class, ThreadPool& pool, const BenchFlags& flags) {
        const int32_t most = *std::max_element(flags.streams.begin(), flags.streams.end());
        const int32_t pages_each = engine::pages_for(kDecodePrompt + flags.steps * flags.repeats + 1);
        auto pages = engine::PagePool::create(loaded.model->cache_spec().page_bytes,
                                              std::max(most * pages_each, engine::pages_for(flags.prompt)));
        if (!pages) return pages.error();
        return BenchRun(loaded, kernels, int4_class, pool, flags, std::move(*pages));
    }

    BenchResult prefill(const MachineLimits& limits) {
        std::vector<double> rates;
        for (int32_t i = 0; i < flags_.repeats; i++) {
            std::vector<Stream> streams(1);
            const double started = monotonic_seconds();
            extend(streams, flags_.prompt);
            rates.push_back(flags_.prompt / (monotonic_seconds() - started));
            release(streams);
        }
        return result(fmt::format("prefill {}", flags_.prompt), rates, 1 / cost_.compute_seconds(limits), "arithmetic");
    }

    BenchResult decode(int32_t count, const MachineLimits& limits) {
        std::vector<Stream> streams(static_cast<size_t>(count));
        extend(streams, kDecodePrompt);
        std::vector<double> rates;
        for (int32_t i = 0; i < flags_.repeats; i++) {
            const double started = monotonic_seconds();
            for (int32_t step = 0; step < flags_.steps; step++) extend(streams, 1);
            rates.push_back(count * flags_.steps / (monotonic_seconds() - started));
        }
        release(streams);
        const double read_seconds = cost_.step_bytes(count) / limits.read_bytes;
        const double compute_seconds = count * cost_.compute_seconds(limits);
        const bool reads = read_seconds > compute_seconds;
        return result(count == 1 ? "decode" : fmt::format("decode, {} streams", count), rates,
                      count / std::max(read_seconds, compute_seconds), reads ? "memory" : "arithmetic");
    }

  private:
    static constexpr int32_t kDecodePrompt = 16;  // tokens in the cache before decoding is timed

    struct Stream {
        std::vector<int32_t> pages;
        int32_t length = 0;
    };

    BenchRun(model::LoadedModel& loaded, const math::KernelTable& kernels, math::NumericClass int4_class,
             ThreadPool& pool, const BenchFlags& flags, engine::PagePool pages)
        : model_(*loaded.model),
          flags_(flags),
          cost_(token_cost(*loaded.model, int4_class)),
          pages_(std::move(pages)),
          workspace_(std::make_unique<math::Workspace>()),
          ops_(std::make_unique<math::OpContext>(math::OpContext{pool, *workspace_, kernels, int4_class})) {}

    // Appends `tokens` random tokens to every stream in one pass, through the head for the last of each.
    void extend(std::vector<Stream>& streams, int32_t tokens) {
        std::vector<int32_t> ids;
        for (size_t i = 0; i < streams.size() * static_cast<size_t>(tokens); i++) {
            ids.push_back(static_cast<int32_t>(random_.below(static_cast<uint64_t>(model_.spec().vocabulary))));
        }
        std::vector<engine::ExecutorSegment> segments;
        for (size_t i = 0; i < streams.size(); i++) {
            Stream& stream = streams[i];
            while (std::ssize(stream.pages) < engine::pages_for(stream.length + tokens))
                stream.pages.push_back(*pages_.take());
            segments.push_back(
                {.ids = std::span(ids).subspan(i * static_cast<size_t>(tokens), static_cast<size_t>(tokens)),
                 .first_position = stream.length,
                 .pages = stream.pages,
                 .end_layer = model_.spec().layers,
                 .logits_begin = tokens - 1,
                 .logits_end = tokens});
            stream.length += tokens;
        }
        engine::Executor(model_, *ops_, pages_.data()).run(segments, [](auto, auto) {});
    }

    void release(std::vector<Stream>& streams) {
        for (const auto& stream : streams) {
            for (const int32_t page : stream.pages) pages_.release(page);
        }
    }

    static BenchResult result(std::string workload, const std::vector<double>& rates, double limit, const char* bound) {
        const auto [slowest, fastest] = std::minmax_element(rates.begin(), rates.end());
        return {std::move(workload), median(rates), *slowest, *fastest, limit, bound};
    }

    const model::Model& model_;
    const BenchFlags& flags_;
    TokenCost cost_;
    engine::PagePool pages_;
    std::unique_ptr<math::Workspace> workspace_;
    std::unique_ptr<math::OpContext> ops_;
    Random random_{1};
};

void print_table(const std::string& name, const MachineLimits& limits, const std::vector<BenchResult>& results) {
    fmt::print("{}; limits of this run: int8 {:.0f} GOP/s, bf16 {:.0f} GFLOP/s, memory {:.1f} GB/s\n\n", name,
               limits.i8_ops / 1e9, limits.bf16_ops / 1e9, limits.read_bytes / 1e9);
    fmt::print("{:<22} {:>10} {:>19} {:>10} {:>8}  {}\n", "workload", "tokens/s", "range", "limit", "of it",
               "bound by");
    for (const auto& r : results) {
        fmt::print("{:<22} {:>10.1f} {:>19} {:>10.1f} {:>6.0f} %  {}\n", r.workload, r.rate,
                   fmt::format("{:.1f} - {:.1f}", r.slowest, r.fastest), r.limit, 100 * r.rate / r.limit, r.bound);
    }
    fmt::print(
        "\nLimits count the weights' bytes or matrix products alone: attention and elementwise work are left out.\n");
}

void print_json(const std::string& name, const MachineLimits& limits, const std::vector<BenchResult>& results) {
    boost::json::array rows;
    for (const auto& r : results) {
        rows.push_back({{"workload", r.workload},
                        {"tokens_per_second", r.rate},
                        {"slowest", r.slowest},
                        {"fastest", r.fastest},
                        {"limit", r.limit},
                        {"bound", r.bound}});
    }
    std::cout << boost::json::serialize(boost::json::object{{"model", name},
                                                            {"limits",
                                                             {{"i8_ops", limits.i8_ops},
                                                              {"bf16_ops", limits.bf16_ops},
                                                              {"f32_ops", limits.f32_ops},
                                                              {"read_bytes", limits.read_bytes}}},
                                                            {"results", rows}})
              << "\n";
}

Result<model::LoadedModel> random_shape(const BenchFlags& flags, ThreadPool& pool) {
    auto config = model::shape_config(flags.shape);
    if (!config) return config.error().within("--shape");
    auto weights = model::weight_choice_named(flags.model.weights);
    if (!weights) return weights.error().within("--weights");
    return model::random_model(*config, flags.shape, {.weights = *weights, .quiet = flags.json}, pool);
}

Status bench(BenchFlags& flags) {
    if (flags.model.path.empty() == flags.shape.empty()) return error("give either MODEL or --shape NAME");
    auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    ThreadPool pool(thread_count(flags.model));
    Result<model::LoadedModel> loaded = error("no model");
    if (flags.shape.empty()) {
        auto weights = model::weight_choice_named(flags.model.weights);
        if (!weights) return weights.error().within("--weights");
        loaded = model::load_model(flags.model.path, {.weights = *weights, .quiet = flags.json}, pool);
    } else {
        loaded = random_shape(flags, pool);
    }
    if (!loaded) return loaded.error();
    const math::NumericClass int4_class = int4_class_for(flags.model);
    auto run = BenchRun::create(*loaded, **kernels, int4_class, pool, flags);
    if (!run) return run.error();

    const MachineLimits limits = measure_limits(pool, **kernels);
    std::vector<BenchResult> results{run->prefill(limits)};
    for (const int32_t streams : flags.streams) results.push_back(run->decode(streams, limits));
    const std::string name = fmt::format("{}, weights {}, class {}, {} threads, {}", loaded->name, flags.model.weights,
                                         math::name_of(int4_class), pool.threads(), math::name_of((*kernels)->isa));
    (flags.json ? print_json : print_table)(name, limits, results);
    return ok();
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
    auto flags = std::make_shared<BenchFlags>();
    CLI::App* verb = app.add_subcommand("bench", "Prefill, decode and batched decode against the machine's limits");
    verb->add_option("MODEL", flags->model.path, "Checkpoint folder or pack file");
    verb->add_option("--shape", flags->shape,
                     fmt::format("A known shape with random weights: {}", fmt::join(model::shape_names(), ", ")));
    verb->add_option("--prompt", flags->prompt, "Tokens of the prefill")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    verb->add_option("--steps", flags->steps, "Decode steps a repeat")
        ->check(CLI::Range(1, 1 << 16))
        ->capture_default_str();
    verb->add_option("--repeats", flags->repeats, "Repeats; the median and the range are shown")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    verb->add_option("--streams", flags->streams, "Sequences that decode together, a row of the table each")
        ->check(CLI::Range(1, 4096))
        ->delimiter(',')
        ->capture_default_str();
    verb->add_flag("--json", flags->json, "Print JSON, and no progress");
    add_model_options(*verb, flags->model);
    verb->callback([flags, &status] { status = report(bench(*flags)); });
}

}  // namespace hone::cli
