// hone bench start: how long a server needs from its process's start to the first token it serves, and what memory is
// its own then. A process of its own is measured from outside, with the model's files in the page cache and without.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/progress.h"
#include "base/rng.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/page_cache.h"
#include "cli/bench/server_process.h"
#include "cli/model_options.h"
#include "engine/cache/page_pool.h"
#include "model/checkpoint/inspect.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

constexpr int kPromptTokens = 16;
constexpr double kWarm = 0.999, kCold = 0.01;  // shares of the files that count as in memory, and as out of it

struct StartFlags {
    ModelOptions model;
    OutputFlags output;
    int repeats = 3;
};

// One start.
struct Start {
    double listening = 0, first_token = 0;  // seconds from the process's start
    double private_bytes = 0;               // after the first token
    bool counts = true;                     // it found the files in the page cache, or out of it, as it should
};

class StartBench {
  public:
    StartBench(const StartFlags& flags, model::Inspection inspection, std::vector<std::filesystem::path> files)
        : flags_(flags), inspection_(std::move(inspection)), files_(std::move(files)) {}

    Result<std::vector<BenchRow>> run();

  private:
    Result<Start> start_once(bool warm);
    Result<std::vector<Start>> start_often(bool warm);
    std::vector<std::string> server_arguments() const;
    std::string request_body();
    std::string prefix() const;
    void add_times(std::string_view kind, std::span<const Start> starts, std::vector<BenchRow>& rows) const;
    void add_memory(std::span<const Start> starts, std::vector<BenchRow>& rows) const;

    const StartFlags& flags_;
    const model::Inspection inspection_;
    const std::vector<std::filesystem::path> files_;
    Random random_{1};
};

// A row of what `value` makes of each start.
BenchRow row_of(std::string name, std::string unit, std::span<const Start> starts,
                FunctionRef<double(const Start&)> value) {
    std::vector<Repetition> repetitions;
    for (const Start& start : starts) repetitions.push_back({.value = value(start), .is_clean = start.counts});
    return summarise(std::move(name), std::move(unit), repetitions);
}

std::vector<std::string> StartBench::server_arguments() const {
    const ModelOptions& model = flags_.model;
    return {model.path,
            "--weights",
            model.weights,
            "--class",
            model.numeric_class,
            "--threads",
            std::to_string(model.threads),
            "--isa",
            model.isa};
}

// Another prompt each time, so that other experts are asked for.
std::string StartBench::request_body() {
    json::array prompt;
    for (int i = 0; i < kPromptTokens; i++)
        prompt.push_back(random_.below(static_cast<uint64_t>(inspection_.spec.vocabulary)));
    // The ids are told so that a token without text has its event too.
    return json::serialize(json::object{
        {"prompt", prompt}, {"max_tokens", 1}, {"stream", true}, {"temperature", 0}, {"return_token_ids", true}});
}

Result<Start> StartBench::start_once(bool warm) {
    const Status prepared = warm ? warm_page_cache(files_) : drop_page_cache(files_);
    if (!prepared) return prepared.error();
    const auto cached = cached_share(files_);
    if (!cached) return cached.error();
    const std::string body = request_body();
    const double started = monotonic_seconds();
    auto server = ServerProcess::start(server_arguments());
    if (!server) return server.error();
    if (const Status listens = server->wait_until_listening(); !listens) return listens.error();
    const double listening = monotonic_seconds();
    const auto first_token = server->complete(body);
    if (!first_token) return first_token.error();
    const auto own = server->private_bytes();
    if (!own) return own.error();
    return Start{.listening = listening - started,
                 .first_token = *first_token - started,
                 .private_bytes = static_cast<double>(*own),
                 .counts = warm ? *cached >= kWarm : *cached <= kCold};
}

Result<std::vector<Start>> StartBench::start_often(bool warm) {
    std::vector<Start> starts;
    Progress progress(warm ? "warm starts" : "cold starts", static_cast<uint64_t>(flags_.repeats),
                      Progress::Unit::items, flags_.output.hides_progress());
    for (int i = 0; i < flags_.repeats; i++) {
        auto start = start_once(warm);
        if (!start) return start.error();
        starts.push_back(*start);
        progress.advance(1);
    }
    progress.finish();
    if (const auto others = std::ranges::count(starts, false, &Start::counts); others > 0)
        fmt::print(stderr, "{} of {} {} starts do not count: {} of the model was in the page cache\n", others,
                   starts.size(), warm ? "warm" : "cold", warm ? "not all" : "some");
    return starts;
}

// "start/NAME/WEIGHTS", the weights as --weights calls them.
std::string StartBench::prefix() const {
    const std::string int4(math::name_of(math::WeightFormat::int4_g32));
    const auto has_int4 = [&](model::WeightRole role) {
        return std::ranges::any_of(inspection_.totals,
                                   [&](const auto& total) { return total.role == role && total.format == int4; });
    };
    const bool dense = has_int4(model::WeightRole::linear), experts = has_int4(model::WeightRole::expert);
    const std::filesystem::path path = std::filesystem::absolute(flags_.model.path).lexically_normal();
    const std::string name = (path.has_filename() ? path : path.parent_path()).stem().string();
    return fmt::format("start/{}/{}", name, dense ? "int4" : experts ? "int4-experts" : "bf16");
}

void StartBench::add_times(std::string_view kind, std::span<const Start> starts, std::vector<BenchRow>& rows) const {
    const std::string name = fmt::format("{}/{}", prefix(), kind);
    rows.push_back(row_of(name, "s", starts, [](const Start& start) { return start.first_token; }));
    rows.push_back(row_of(name + "/listening", "s", starts, [](const Start& start) { return start.listening; }));
    rows.push_back(row_of(name + "/first_token", "s", starts,
                          [](const Start& start) { return start.first_token - start.listening; }));
}

void StartBench::add_memory(std::span<const Start> starts, std::vector<BenchRow>& rows) const {
    constexpr double kMiB = 1 << 20;
    const auto pages = static_cast<double>(engine::pages_for(kPromptTokens));
    const double page_bytes = static_cast<double>(inspection_.kv_bytes_per_token) * engine::kPageTokens;
    const Repetition kv_pages{.value = pages * page_bytes / kMiB};
    rows.push_back(row_of(prefix() + "/private_memory", "MiB", starts,
                          [](const Start& start) { return start.private_bytes / kMiB; }));
    rows.push_back(summarise(prefix() + "/private_memory/kv_pages", "MiB", {&kv_pages, 1}));
}

Result<std::vector<BenchRow>> StartBench::run() {
    const auto warm = start_often(true);
    if (!warm) return warm.error();
    const auto cold = start_often(false);
    if (!cold) return cold.error();
    std::vector<BenchRow> rows;
    add_times("warm", *warm, rows);
    add_times("cold", *cold, rows);
    add_memory(*warm, rows);
    return rows;
}

Status bench_start(StartFlags& flags) {
    if (const Status read = read_earlier(flags.output); !read) return read;
    auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    auto weights = model::weight_choice_named(flags.model.weights);
    if (!weights) return weights.error().within("--weights");
    auto inspection = model::inspect_model(flags.model.path, *weights);
    if (!inspection) return inspection.error();
    auto files = model_files(flags.model.path);
    if (!files) return files.error();
    auto rows = StartBench(flags, std::move(*inspection), std::move(*files)).run();
    if (!rows) return rows.error();

    ThreadPool pool(thread_count(flags.model));
    auto meter = LimitMeter::create(pool, **kernels);
    if (!meter) return meter.error();
    print_report({.machine = this_machine(math::name_of((*kernels)->isa), pool.threads()),
                  .limits = meter->medians(),
                  .rows = std::move(*rows)},
                 flags.output);
    return ok();
}

}  // namespace

void add_bench_start(CLI::App& bench, int& status) {
    auto flags = std::make_shared<StartFlags>();
    CLI::App* verb = bench.add_subcommand(
        "start", "From a server's start to its first served token, with a cold and a warm page cache; its memory");
    verb->add_option("MODEL", flags->model.path, "Checkpoint folder or pack file")->required();
    verb->add_option("--repeats", flags->repeats, "Starts of each kind; medians are shown")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add_model_options(*verb, flags->model);
    add_output_flags(*verb, flags->output);
    verb->footer(fmt::format(
        "Rows: start/MODEL/WEIGHTS/warm and /cold, seconds from the start of a process to its first served token of a\n"
        "prompt of {} ids; below, what of it passed until it listened. Private memory is anonymous memory after that\n"
        "token, key and value pages of the cache included.",
        kPromptTokens));
    verb->callback([flags, &status] { status = report(bench_start(*flags)); });
}

}  // namespace hone::cli
