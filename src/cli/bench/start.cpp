#include "cli/bench/start.h"

#include <algorithm>
#include <iostream>
#include <optional>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/cpu_features.h"
#include "base/progress.h"
#include "base/rng.h"
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
    int repeats = 3;
    bool json = false;
};

// One start.
struct Start {
    double listening = 0, first_token = 0;  // seconds from the process's start
    double private_bytes = 0;               // after the first token
    double cached = 0;                      // share of the files in memory before it
};

struct Row {
    std::string name;
    double value = 0;
    std::string unit;
    double spread = 0;     // (largest - smallest) / median
    bool is_void = false;  // no start found the files in the page cache, or out of it, as it should
};

class StartBench {
  public:
    StartBench(const StartFlags& flags, model::Inspection inspection, std::vector<std::filesystem::path> files)
        : flags_(flags), inspection_(std::move(inspection)), files_(std::move(files)) {}

    Result<std::vector<Row>> run();

  private:
    Result<Start> start_once(bool warm);
    Result<std::vector<Start>> start_often(bool warm);
    std::vector<std::string> server_arguments() const;
    std::string request_body();
    std::string prefix() const;
    void add_times(std::string_view kind, const std::vector<Start>& starts, bool is_void, std::vector<Row>& rows) const;
    void add_memory(const std::vector<Start>& starts, std::vector<Row>& rows) const;

    const StartFlags& flags_;
    const model::Inspection inspection_;
    const std::vector<std::filesystem::path> files_;
    Random random_{1};
};

Row row_of(std::string name, std::string unit, std::vector<double> values, bool is_void) {
    std::ranges::sort(values);
    const double median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
    const double spread = median > 0 ? (values.back() - values.front()) / median : 0;
    return {std::move(name), median, std::move(unit), spread, is_void};
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
    return Start{listening - started, *first_token - started, static_cast<double>(*own), *cached};
}

Result<std::vector<Start>> StartBench::start_often(bool warm) {
    std::vector<Start> starts;
    Progress progress(warm ? "warm starts" : "cold starts", static_cast<uint64_t>(flags_.repeats),
                      Progress::Unit::items, flags_.json);
    for (int i = 0; i < flags_.repeats; i++) {
        auto start = start_once(warm);
        if (!start) return start.error();
        starts.push_back(*start);
        progress.advance(1);
    }
    progress.finish();
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

void StartBench::add_times(std::string_view kind, const std::vector<Start>& starts, bool is_void,
                           std::vector<Row>& rows) const {
    std::vector<double> whole, listening, first;
    for (const Start& start : starts) {
        whole.push_back(start.first_token);
        listening.push_back(start.listening);
        first.push_back(start.first_token - start.listening);
    }
    const std::string name = fmt::format("{}/{}", prefix(), kind);
    rows.push_back(row_of(name, "s", whole, is_void));
    rows.push_back(row_of(name + "/listening", "s", listening, is_void));
    rows.push_back(row_of(name + "/first_token", "s", first, is_void));
}

void StartBench::add_memory(const std::vector<Start>& starts, std::vector<Row>& rows) const {
    constexpr double kMiB = 1 << 20;
    std::vector<double> whole;
    for (const Start& start : starts) whole.push_back(start.private_bytes / kMiB);
    const auto pages = static_cast<double>(engine::pages_for(kPromptTokens));
    const double page_bytes = static_cast<double>(inspection_.kv_bytes_per_token) * engine::kPageTokens;
    rows.push_back(row_of(prefix() + "/private_memory", "MiB", whole, false));
    rows.push_back(row_of(prefix() + "/private_memory/kv_pages", "MiB", {pages * page_bytes / kMiB}, false));
}

// Keeps the starts that found the files where they should be; all, and false, where none did. Says what was left out.
bool keep_fitting(std::vector<Start>& starts, bool warm) {
    std::vector<Start> fitting;
    for (const Start& start : starts)
        if (warm ? start.cached >= kWarm : start.cached <= kCold) fitting.push_back(start);
    const size_t others = starts.size() - fitting.size();
    if (others > 0)
        fmt::print(stderr, "{} of {} {} starts do not count: {} of the model was in the page cache\n", others,
                   starts.size(), warm ? "warm" : "cold", warm ? "not all" : "some");
    if (fitting.empty()) return false;
    starts = std::move(fitting);
    return true;
}

Result<std::vector<Row>> StartBench::run() {
    auto warm = start_often(true);
    if (!warm) return warm.error();
    auto cold = start_often(false);
    if (!cold) return cold.error();
    std::vector<Row> rows;
    const bool has_warm = keep_fitting(*warm, true), has_cold = keep_fitting(*cold, false);
    add_times("warm", *warm, !has_warm, rows);
    add_times("cold", *cold, !has_cold, rows);
    add_memory(*warm, rows);
    return rows;
}

void print_table(const std::vector<Row>& rows) {
    fmt::print("{:<48} {:>10} {:<5} {:>8}\n", "", "value", "unit", "spread");
    for (const Row& row : rows)
        fmt::print("{:<48} {:>10.3f} {:<5} {:>6.1f} %{}\n", row.name, row.value, row.unit, 100 * row.spread,
                   row.is_void ? "  VOID" : "");
    fmt::print(
        "\nSeconds from the start of a process to its first served token of a prompt of {} ids. Private memory is\n"
        "anonymous memory after that token, key and value pages of the cache included.\n",
        kPromptTokens);
}

void print_json(const std::vector<Row>& rows, const StartFlags& flags) {
    json::array out;
    for (const Row& row : rows) {
        out.push_back({{"name", row.name},
                       {"value", row.value},
                       {"unit", row.unit},
                       {"limit", nullptr},
                       {"fraction", nullptr},
                       {"spread", row.spread},
                       {"void", row.is_void}});
    }
    const json::object machine{{"processor", cpu_model_name()}, {"threads", thread_count(flags.model)}};
    std::cout << json::serialize(json::object{{"machine", machine}, {"limits", json::object{}}, {"rows", out}}) << "\n";
}

Status bench_start(const StartFlags& flags) {
    auto weights = model::weight_choice_named(flags.model.weights);
    if (!weights) return weights.error().within("--weights");
    auto inspection = model::inspect_model(flags.model.path, *weights);
    if (!inspection) return inspection.error();
    auto files = model_files(flags.model.path);
    if (!files) return files.error();
    const auto rows = StartBench(flags, std::move(*inspection), std::move(*files)).run();
    if (!rows) return rows.error();
    if (flags.json)
        print_json(*rows, flags);
    else
        print_table(*rows);
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
    verb->add_flag("--json", flags->json, "Print JSON, and no progress");
    add_model_options(*verb, flags->model);
    verb->callback([flags, &status] { status = report(bench_start(*flags)); });
}

}  // namespace hone::cli
