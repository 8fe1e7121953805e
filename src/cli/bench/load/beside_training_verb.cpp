// hone bench beside-training: what a training job in the server does to the gaps of streams, and what they leave it.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include <boost/json/serialize.hpp>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/load/interference_rows.h"
#include "cli/bench/load/load_plan.h"
#include "cli/bench/load/measured_server.h"
#include "cli/bench/load/soak_rows.h"
#include "cli/engine_flags.h"

namespace hone::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// Of --token-gap 2x, which the servers have: what streams may wait, of their undisturbed median.
constexpr double kTarget = 2;

struct BesideFlags {
    ModelOptions model;
    std::string server_flags;
    std::vector<int32_t> streams = {0, 1, 4};
    int32_t rank = 16, tokens = 512, prompt = 64, stream_tokens = 16384;
    double seconds = 30;
    int attempts = 3;
    uint64_t seed = 1;
    bool json = false;
};

// A folder of random documents and a recipe that trains an adapter on them, for as long as it is there.
class RandomJob {
  public:
    static Result<RandomJob> create(const BesideFlags& flags, int32_t vocabulary);
    ~RandomJob() {
        std::error_code ignored;
        if (!folder_.empty()) fs::remove_all(folder_, ignored);
    }
    RandomJob(RandomJob&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
    RandomJob& operator=(RandomJob&&) = delete;

    std::string recipe() const { return (folder_ / "recipe.toml").string(); }

  private:
    RandomJob() = default;
    fs::path folder_;
};

Result<RandomJob> RandomJob::create(const BesideFlags& flags, int32_t vocabulary) {
    constexpr int kDocuments = 256;
    std::string folder = (fs::temp_directory_path() / "hone-beside-XXXXXX").string();
    if (!::mkdtemp(folder.data())) return error("{}: cannot be made", folder);
    RandomJob job;
    job.folder_ = folder;
    Random random(flags.seed);
    std::string data;
    for (int i = 0; i < kDocuments; i++)
        data += fmt::format("{{\"tokens\": [{}]}}\n", fmt::join(random_tokens(random, flags.tokens, vocabulary), ", "));
    if (const Status written = write_file(job.folder_ / "data.jsonl", data); !written) return written.error();
    const std::string recipe = fmt::format(
        "kind = \"pretrain\"\nmodel = \"{}\"\noutput = \"trained\"\n[train]\nsteps = 1000000\ntokens = {}\n"
        "[data]\nfiles = [\"data.jsonl\"]\nappend_eos = false\n[lora]\nrank = {}\n"
        "[checkpoint]\nevery_steps = 0\nevery_minutes = 0\n",
        fs::absolute(flags.model.path).string(), flags.tokens, flags.rank);
    if (const Status written = write_file(job.recipe(), recipe); !written) return written.error();
    return job;
}

// Streams for some seconds, with or without training.
struct Window {
    StreamGaps streams;
    double seconds = 0;
    double training_seconds = 0;  // that the job had
    std::optional<bool> is_void;
};

struct BesideRow {
    int32_t streams = 0;
    Window without, with;
};

class BesideRun {
  public:
    BesideRun(const BesideFlags& flags, MeasuredServer& server)
        : flags_(flags), server_(server), random_(flags.seed), load_(server.foreign_load()) {}

    // Attempts until one is not void.
    Result<Window> measure(int32_t streams);
    // A counter or gauge of the server; 0 if it does not tell.
    Result<double> metric(std::string_view name);

  private:
    Result<Window> attempt(int32_t count);

    const BesideFlags& flags_;
    MeasuredServer& server_;
    Random random_;
    const ForeignLoad load_;
};

Result<double> BesideRun::metric(std::string_view name) {
    const auto metrics = server_.client.get("/metrics");
    if (!metrics) return metrics.error();
    return metric_in(*metrics, name).value_or(0);
}

Result<Window> BesideRun::attempt(int32_t count) {
    constexpr size_t kSettled = 10;  // pieces of each stream before gaps count
    std::vector<std::shared_ptr<Exchange>> streams;
    const RequestFormat format{.model = server_.model};
    const int32_t room = server_.context > 0 ? server_.context - flags_.prompt : flags_.stream_tokens;
    for (int32_t i = 0; i < count; i++) {
        streams.push_back(
            server_.client.post(format.path(), format.body(random_tokens(random_, flags_.prompt, server_.vocabulary),
                                                           std::min(room, flags_.stream_tokens))));
    }
    server_.client.run_until([&] {
        return std::ranges::all_of(streams, [](const auto& stream) {
            return stream->record().is_done || stream->record().arrivals.size() >= kSettled;
        });
    });
    const LoadReading load = load_.read();
    const auto before = metric("hone_training_seconds_total");
    if (!before) return before.error();
    const double begin = monotonic_seconds();
    server_.client.run_until(begin + flags_.seconds);
    const double end = monotonic_seconds();
    const auto after = metric("hone_training_seconds_total");
    if (!after) return after.error();
    Window window{.streams = {}, .seconds = end - begin, .training_seconds = *after - *before, .is_void = {}};
    if (load_.is_known()) {
        const ForeignShare share = load_.share(load, load_.read());
        window.is_void = !is_clean(share, share);
    }
    std::vector<const StreamRecord*> records;
    for (const auto& stream : streams) {
        if (stream->record().is_done)
            return error("a stream ended within its --seconds: {}",
                         stream->record().error.empty() ? "it had all its tokens" : stream->record().error);
        records.push_back(&stream->record());
    }
    window.streams = stream_gaps(records, {{begin, end}});
    for (const auto& stream : streams) stream->abandon();
    server_.client.run_until(monotonic_seconds() + 0.5);  // until the server has noticed
    return window;
}

Result<Window> BesideRun::measure(int32_t streams) {
    for (int attempts = 1;; attempts++) {
        auto window = attempt(streams);
        if (!window || !window->is_void.value_or(false) || attempts >= flags_.attempts) return window;
    }
}

Status measure_windows(const BesideFlags& flags, const std::vector<std::string>& more, std::vector<BesideRow>& rows,
                       Window BesideRow::*which, double* tokens_per_second) {
    std::vector<std::string> words = words_of(flags.server_flags);
    words.insert(words.end(), more.begin(), more.end());
    if (!flags.json) fmt::print(stderr, "hone serve {}\n", fmt::join(words, " "));
    auto server = start_server(flags.model, words, {});
    if (!server) return server.error();
    BesideRun run(flags, *server);
    for (BesideRow& row : rows) {
        if (row.streams == 0 && !tokens_per_second) continue;
        auto window = run.measure(row.streams);
        if (!window) return window.error();
        row.*which = *window;
    }
    if (!tokens_per_second) return ok();
    const auto tokens = run.metric("hone_training_tokens_total"), seconds = run.metric("hone_training_seconds_total");
    if (!tokens) return tokens.error();
    if (!seconds) return seconds.error();
    if (*tokens == 0) return error("no training step ended; ask for more --seconds or fewer --tokens");
    *tokens_per_second = *tokens / *seconds;
    return ok();
}

bool is_void(const BesideRow& row) {
    return row.with.is_void.value_or(false) || row.without.is_void.value_or(false);
}

std::string to_table(std::span<const BesideRow> rows, double tokens_per_second) {
    std::string table =
        fmt::format("{:>8}{:>24}{:>32}{:>14}{:>12}{:>12}\n{:>8}{:>8}{:>8}{:>8}{:>11}{:>8}{:>8}{:>13}{:>14}{:>12}\n", "",
                    "undisturbed gap, ms", "gap beside training, ms", "p99 of", "its share", "training", "streams",
                    "p50", "p99", "max", "p50", "p99", "max", "undist. p50", "of time, %", "tokens/s");
    for (const BesideRow& row : rows) {
        const LatencySpread &without = row.without.streams.gaps, &with = row.with.streams.gaps;
        const double share = row.with.training_seconds / row.with.seconds;
        table += fmt::format("{:>8}{:>8.1f}{:>8.1f}{:>8.1f}{:>11.1f}{:>8.1f}{:>8.1f}{:>12.2f}x{:>14.1f}{:>12.1f}{}\n",
                             row.streams, 1e3 * without.p50, 1e3 * without.p99, 1e3 * without.max, 1e3 * with.p50,
                             1e3 * with.p99, 1e3 * with.max, without.p50 > 0 ? with.p99 / without.p50 : 0, 100 * share,
                             share * tokens_per_second, is_void(row) ? "  VOID" : "");
    }
    return table;
}

json::object to_json(const BesideRow& row, double tokens_per_second) {
    const double share = row.with.training_seconds / row.with.seconds;
    const LatencySpread &without = row.without.streams.gaps, &with = row.with.streams.gaps;
    return {{"streams", row.streams},
            {"undisturbed_gap_p50_ms", 1e3 * without.p50},
            {"undisturbed_gap_p99_ms", 1e3 * without.p99},
            {"undisturbed_gap_max_ms", 1e3 * without.max},
            {"gap_p50_ms", 1e3 * with.p50},
            {"gap_p99_ms", 1e3 * with.p99},
            {"gap_max_ms", 1e3 * with.max},
            {"training_share", share},
            {"training_tok_s", share * tokens_per_second},
            {"void", is_void(row)}};
}

Status bench_beside(const BesideFlags& flags) {
    if (flags.model.path.empty()) return error("give MODEL: a folder or a pack, which the training job opens too");
    std::vector<BesideRow> rows;
    for (const int32_t streams : flags.streams) rows.push_back({.streams = streams, .without = {}, .with = {}});
    auto server = start_server(flags.model, {"--verify", "never"}, {});
    if (!server) return server.error();
    auto job = RandomJob::create(flags, server->vocabulary);
    server->process.reset();
    if (!job) return job.error();
    if (const Status done = measure_windows(flags, {}, rows, &BesideRow::without, nullptr); !done) return done;
    double tokens_per_second = 0;
    if (const Status done =
            measure_windows(flags, {"--train", job->recipe()}, rows, &BesideRow::with, &tokens_per_second);
        !done)
        return done;
    if (flags.json) {
        json::array out;
        for (const BesideRow& row : rows) out.push_back(to_json(row, tokens_per_second));
        std::cout << json::serialize(json::object{{"training_tok_s_alone", tokens_per_second}, {"rows", out}}) << "\n";
    } else {
        std::cout << to_table(rows, tokens_per_second);
    }
    for (const BesideRow& row : rows) {
        const double limit = kTarget * row.without.streams.gaps.p50, p99 = row.with.streams.gaps.p99;
        if (row.streams > 0 && !is_void(row) && p99 > limit)
            return error("missed: {} streams: 99 of 100 gaps within {:.1f} ms, twice the undisturbed median is {:.1f}",
                         row.streams, 1e3 * p99, 1e3 * limit);
    }
    return ok();
}

}  // namespace

void add_bench_beside_training(CLI::App& bench, int& status) {
    auto flags = std::make_shared<BesideFlags>();
    CLI::App* verb = bench.add_subcommand("beside-training", "Streams beside a training job on the same threads");
    add_model_or_shape(*verb, flags->model);
    verb->add_option("--streams", flags->streams, "Numbers of streams that decode")
        ->delimiter(',')
        ->capture_default_str();
    const auto add = [&](const char* name, int32_t& value, int32_t most, const char* help) {
        verb->add_option(name, value, help)->check(CLI::Range(1, most))->capture_default_str();
    };
    add("--rank", flags->rank, 1024, "Of the adapter that is trained, on all matrices");
    add("--tokens", flags->tokens, 1 << 16, "Tokens of a training step: one document of random ids");
    add("--prompt", flags->prompt, 1 << 16, "Prompt tokens of each stream");
    verb->add_option("--seconds", flags->seconds, "Of each measurement")
        ->check(number_within(1, 3600))
        ->capture_default_str();
    verb->add_option("--attempts", flags->attempts, "Most measurements of a row, until one is not void")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    verb->add_option("--seed", flags->seed, "Of documents and prompts")->capture_default_str();
    verb->add_option("--server-flags", flags->server_flags, "Further flags for both servers");
    add_model_options(*verb, flags->model);
    verb->add_flag("--json", flags->json, "Print JSON, and no progress");
    verb->footer(
        "Two servers are started, one without and one with --train. Streams decode in each for --seconds; the second\n"
        "tells what time its job had. Training tokens/s are that share times the tokens a second of the job's own "
        "time,\n"
        "over the whole run. Misses its bar where one gap in a hundred is longer than twice the undisturbed median\n"
        "(--token-gap 2x, what the servers promise).");
    verb->callback([flags, &status] { status = report(bench_beside(*flags)); });
}

}  // namespace hone::cli
