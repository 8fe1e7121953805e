// hone bench start: how long a server needs from its process's start to the first token it serves, and what memory is
// its own then. A process of its own is measured from outside, with the model's files in the page cache and without.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/progress.h"
#include "base/rng.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/load/load_client.h"
#include "cli/bench/page_cache.h"
#include "cli/bench/server_process.h"
#include "cli/bench/start_rows.h"
#include "cli/model_options.h"
#include "engine/cache/page_pool.h"
#include "model/checkpoint/inspect.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

constexpr int kPromptTokens = 16;

struct StartFlags {
    ModelOptions model;
    OutputFlags output;
    int repeats = 3;
};

// Starts of one kind, and the load over all of them.
struct Starts {
    std::vector<Start> each;
    ForeignShare load;
};

class StartBench {
  public:
    StartBench(const StartFlags& flags, model::Inspection inspection, std::vector<std::filesystem::path> files)
        : flags_(flags), inspection_(std::move(inspection)), files_(std::move(files)) {}

    Result<std::vector<BenchRow>> run();

  private:
    Result<Start> start_once(PageCache cache);
    // The server's times alone, from its process's start to its end.
    Result<Start> measure(const std::string& body);
    Result<Starts> start_often(PageCache cache);
    std::string request_body();
    std::string prefix() const;
    BenchRow kv_pages() const;

    const StartFlags& flags_;
    const model::Inspection inspection_;
    const std::vector<std::filesystem::path> files_;
    const ForeignLoad load_;
    Random random_{1};
};

// Another prompt each time, so that other experts are asked for.
std::string StartBench::request_body() {
    json::array prompt;
    for (int i = 0; i < kPromptTokens; i++)
        prompt.push_back(random_.below(static_cast<uint64_t>(inspection_.spec.vocabulary)));
    // The ids are told so that a token without text has its event too.
    return json::serialize(json::object{
        {"prompt", prompt}, {"max_tokens", 1}, {"stream", true}, {"temperature", 0}, {"return_token_ids", true}});
}

Result<Start> StartBench::measure(const std::string& body) {
    const double started = monotonic_seconds();
    auto server = ServerProcess::start(server_arguments(flags_.model));
    if (!server) return server.error();
    if (const Status listens = server->wait_until_listening(); !listens) return listens.error();
    const double listening = monotonic_seconds();
    auto client = LoadClient::create({.host = "127.0.0.1", .port = server->port()}, {});
    if (!client) return client.error();
    const auto exchange = client->post("/v1/completions", body);
    const StreamRecord& record = exchange->record();
    client->run_until([&] { return record.is_done; });
    if (!record.succeeded() || record.arrivals.empty()) return error("the server answered: {}", record.error);
    const auto own = server->private_bytes();
    if (!own) return own.error();
    return Start{.listening = listening - started,
                 .first_token = record.arrivals.front() - started,
                 .private_bytes = static_cast<double>(*own)};
}

Result<Start> StartBench::start_once(PageCache cache) {
    const Status prepared = cache == PageCache::warm ? warm_page_cache(files_) : drop_page_cache(files_);
    if (!prepared) return prepared.error();
    const auto cached = cached_share(files_);
    if (!cached) return cached.error();
    const std::string body = request_body();
    const LoadReading before = load_.read();
    auto start = measure(body);
    if (!start) return start.error();
    start->cached = *cached;
    start->load = load_.share(before, load_.read());  // the server has ended, so that its time is known as ours
    return start;
}

Result<Starts> StartBench::start_often(PageCache cache) {
    Starts starts;
    Progress progress(fmt::format("{} starts", name_of(cache)), static_cast<uint64_t>(flags_.repeats),
                      Progress::Unit::items, flags_.output.hides_progress());
    const LoadReading before = load_.read();
    for (int i = 0; i < flags_.repeats; i++) {
        auto start = start_once(cache);
        if (!start) return start.error();
        starts.each.push_back(*start);
        progress.advance(1);
    }
    starts.load = load_.share(before, load_.read());
    progress.finish();
    const auto others = std::ranges::count_if(starts.each, [&](const Start& start) { return !found(cache, start); });
    const auto counting =
        std::ranges::count_if(starts.each, [&](const Start& start) { return counts(cache, start, starts.load); });
    const auto disturbed = std::ssize(starts.each) - others - counting;
    if (others > 0)
        fmt::print(stderr, "{} of {} {} starts do not count: {} of the model was in the page cache\n", others,
                   starts.each.size(), name_of(cache), cache == PageCache::warm ? "not all" : "some");
    if (disturbed > 0)
        fmt::print(stderr, "{} of {} {} starts do not count: others used the machine\n", disturbed, starts.each.size(),
                   name_of(cache));
    return starts;
}

// "start/NAME/WEIGHTS".
std::string StartBench::prefix() const {
    const std::string int4(math::name_of(math::WeightFormat::int4_g32));
    const auto has_int4 = [&](model::WeightRole role) {
        return std::ranges::any_of(inspection_.totals,
                                   [&](const auto& total) { return total.role == role && total.format == int4; });
    };
    const std::filesystem::path path = std::filesystem::absolute(flags_.model.path).lexically_normal();
    const std::string name = (path.has_filename() ? path : path.parent_path()).stem().string();
    return fmt::format("start/{}/{}", name,
                       weights_name(has_int4(model::WeightRole::linear), has_int4(model::WeightRole::expert),
                                    int4_class_for(flags_.model)));
}

// Of the private memory: the cache's pages that the prompt takes.
BenchRow StartBench::kv_pages() const {
    const auto pages = static_cast<double>(engine::pages_for(kPromptTokens));
    const double page_bytes = static_cast<double>(inspection_.kv_bytes_per_token) * engine::kPageTokens;
    const Repetition size{.value = pages * page_bytes / 0x1p20};
    return summarise(prefix() + "/private_memory/kv_pages", "MiB", {&size, 1}, 1);
}

Result<std::vector<BenchRow>> StartBench::run() {
    const auto warm = start_often(PageCache::warm);
    if (!warm) return warm.error();
    const auto cold = start_often(PageCache::cold);
    if (!cold) return cold.error();
    std::vector<BenchRow> rows = time_rows(prefix(), PageCache::warm, warm->each, warm->load);
    const auto cold_rows = time_rows(prefix(), PageCache::cold, cold->each, cold->load);
    rows.insert(rows.end(), cold_rows.begin(), cold_rows.end());
    rows.push_back(memory_row(prefix(), warm->each));
    rows.push_back(kv_pages());
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
    add_model_option(*verb, flags->model)->required();
    verb->add_option("--repeats", flags->repeats, "Starts of each kind; medians are shown")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add_model_options(*verb, flags->model);
    add_output_flags(*verb, flags->output);
    verb->footer(fmt::format(
        "Rows: start/MODEL/WEIGHTS/warm and /cold, seconds from the start of a process to its first served token of a\n"
        "prompt of {} ids; below, what of it passed until it listened. Private memory is anonymous memory after that\n"
        "token, key and value pages of the cache included. A warm start does not count if it did not find all of the\n"
        "model in the page cache, or others used the machine; a cold one, which waits for the disk, if it found some.",
        kPromptTokens));
    verb->callback([flags, &status] { status = report(bench_start(*flags)); });
}

}  // namespace hone::cli
