// hone bench serve: an open-loop load on a server, and what its users see.
#include <cmath>
#include <iostream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/atomic_file.h"
#include "base/progress.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/load/energy.h"
#include "cli/bench/load/load_summary.h"
#include "cli/bench/load/measured_server.h"
#include "cli/engine_flags.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

struct ServeFlags {
    ModelOptions model;
    std::string server_flags;
    std::string url, model_name;
    ClientOptions client;
    double rate = 1, burstiness = 1;
    int64_t requests = 0, max_concurrency = 0, warmup = 1;
    double seconds = 0;
    std::string prompt = "512", output = "64";
    int32_t prefixes = 0, prefix_tokens = 0, vocabulary = 0;
    uint64_t seed = 1;
    bool chat = false;
    double temperature = 1;
    std::string body;
    std::optional<double> ttft_target, gap_target;  // milliseconds
    std::string save;
    bool json = false, quiet = false;

    LatencyTargets targets() const {
        const auto seconds_of = [](std::optional<double> ms) { return ms ? std::optional(1e-3 * *ms) : std::nullopt; };
        return {seconds_of(ttft_target), seconds_of(gap_target)};
    }
};

// A load that was sent, and what else was measured meanwhile.
struct Measured {
    LoadRun run;
    std::optional<double> joules;
    std::string energy_note;      // why there are none
    std::optional<bool> is_void;  // others used the machine; nothing: not known
};

Result<MeasuredServer> open_server(const ServeFlags& flags) {
    const bool has_model = !flags.model.path.empty() || !flags.model.shape.empty();
    if (flags.url.empty() == !has_model)
        return error("give either --url of a running server, or MODEL or --shape NAME to start one of our own");
    if (!flags.url.empty() && !flags.server_flags.empty())
        return error("--server-flags are for a server that is started here; leave out --url or them");
    return flags.url.empty() ? start_server(flags.model, words_of(flags.server_flags), flags.client)
                             : reach_server(flags.url, flags.model_name, flags.client);
}

Result<json::object> extra_fields(const std::string& text) {
    if (text.empty()) return json::object();
    boost::system::error_code failure;
    const json::value value = json::parse(text, failure);
    if (failure || !value.is_object()) return error("--body is no JSON object: {}", text);
    return value.get_object();
}

// What can be said of the load before there is a server.
Result<LoadOptions> load_options(const ServeFlags& flags) {
    const auto prompt = LengthDistribution::parse(flags.prompt, LengthOf::prompt);
    if (!prompt) return prompt.error().within("--prompt");
    const auto output = LengthDistribution::parse(flags.output, LengthOf::output);
    if (!output) return output.error().within("--output");
    LoadOptions options{.prompt = *prompt,
                        .output = *output,
                        .rate = flags.rate,
                        .burstiness = flags.burstiness,
                        .prefixes = flags.prefixes,
                        .prefix_tokens = flags.prefix_tokens,
                        .seed = flags.seed};
    if (const auto plan = LoadPlan::create(options); !plan) return plan.error();
    return options;
}

// Requests that are not counted: the first ones find a cold server.
void warm_up(LoadClient& client, const RequestFormat& format, const ServeFlags& flags, const LoadPlan& plan) {
    for (int64_t i = 0; i < flags.warmup; i++) {
        const PlannedRequest small{.index = -1 - i, .prompt_tokens = 16 + flags.prefix_tokens, .output_tokens = 4};
        const auto exchange = client.post(format.path(), format.body(plan, small));
        client.run_until([&] { return exchange->record().is_done; });
    }
}

Measured measure(MeasuredServer& server, LoadPlan& plan, const RequestFormat& format, const ServeFlags& flags) {
    Measured measured;
    const bool is_here = server.process || server.client.address().host == "127.0.0.1" ||
                         server.client.address().host == "localhost" || server.client.address().host == "::1";
    auto energy = is_here ? EnergyMeter::open() : error("the server is on another machine");
    if (!energy) measured.energy_note = energy.error().message;
    const LoadLimits limits{
        .requests = flags.requests, .seconds = flags.seconds, .max_concurrency = flags.max_concurrency};
    const ForeignLoad load = server.foreign_load();
    const LoadReading before = load.read();
    Progress progress("sending requests", static_cast<uint64_t>(flags.requests), Progress::Unit::items,
                      flags.json || flags.quiet);
    measured.run = run_load(server.client, plan, format, limits, [&, shown = int64_t{0}](int64_t sent) mutable {
        progress.advance(static_cast<uint64_t>(sent - std::exchange(shown, sent)));
        if (energy) energy->sample();
    });
    progress.finish();
    if (energy) {
        energy->sample();
        measured.joules = energy->joules();
    }
    // Another's server on this machine cannot be told from what disturbs it.
    if (server.process && load.is_known()) {
        const ForeignShare share = load.share(before, load.read());
        measured.is_void = !is_clean(share, share);
    }
    return measured;
}

json::object load_json(const ServeFlags& flags) {
    const auto count = [](int64_t value) { return value > 0 ? json::value(value) : json::value(nullptr); };
    return {{"rate", std::isfinite(flags.rate) ? json::value(flags.rate) : json::value("inf")},
            {"burstiness", flags.burstiness},
            {"requests", count(flags.requests)},
            {"seconds", flags.seconds > 0 ? json::value(flags.seconds) : json::value(nullptr)},
            {"max_concurrency", count(flags.max_concurrency)},
            {"prompt", flags.prompt},
            {"output", flags.output},
            {"prefixes", flags.prefixes},
            {"prefix_tokens", flags.prefix_tokens},
            {"chat", flags.chat},
            {"temperature", flags.temperature},
            {"seed", flags.seed}};
}

json::object to_json(const Measured& measured, const LoadSummary& summary, const MeasuredServer& server,
                     const ServeFlags& flags) {
    const auto tokens = static_cast<double>(summary.input_tokens + summary.output_tokens);
    json::object energy{{"joules", nullptr}, {"joules_per_token", nullptr}, {"note", measured.energy_note}};
    if (measured.joules) {
        energy["joules"] = *measured.joules;
        if (tokens > 0) energy["joules_per_token"] = *measured.joules / tokens;
    }
    return {{"server", json::object{{"url", server.client.address().url()},
                                    {"model", server.model},
                                    {"flags", flags.server_flags},
                                    {"own", server.process.has_value()}}},
            {"load", load_json(flags)},
            {"void", measured.is_void ? json::value(*measured.is_void) : json::value(nullptr)},
            {"energy", std::move(energy)},
            {"summary", to_json(summary, flags.targets())}};
}

void print_table(const Measured& measured, const LoadSummary& summary, const MeasuredServer& server,
                 const ServeFlags& flags) {
    fmt::print("{} at {}\n\n{}", server.model, server.client.address().url(), to_table(summary, flags.targets()));
    const auto tokens = static_cast<double>(summary.input_tokens + summary.output_tokens);
    if (measured.joules && tokens > 0) {
        fmt::print("\nenergy: {:.1f} J, {:.4f} J a token (input and output; processor packages and memory)\n",
                   *measured.joules, *measured.joules / tokens);
    } else {
        fmt::print("\nenergy: {}\n", measured.energy_note.empty() ? "no tokens" : measured.energy_note);
    }
    if (measured.is_void.value_or(false))
        fmt::print("\nVOID: others took more than {:.0f} % of the CPUs; measure it again on a quiet machine.\n",
                   100 * kForeignShare);
}

Status bench_serve(ServeFlags& flags) {
    if (flags.requests == 0 && flags.seconds == 0) flags.requests = 100;
    if (flags.requests == 0 && std::isinf(flags.rate) && flags.max_concurrency == 0)
        return error("--rate inf with --seconds alone would never stop sending; add --max-concurrency or --requests");
    auto extra = extra_fields(flags.body);
    if (!extra) return extra.error();
    auto options = load_options(flags);
    if (!options) return options.error();
    std::optional<AtomicFile> file;
    if (!flags.save.empty()) {
        auto created = AtomicFile::create(flags.save);
        if (!created) return created.error().within("--save");
        file.emplace(std::move(*created));
    }
    auto server = open_server(flags);
    if (!server) return server.error();
    options->vocabulary = flags.vocabulary > 0 ? flags.vocabulary : server->vocabulary;
    options->context = server->context;
    auto plan = LoadPlan::create(*options);
    if (!plan) return plan.error();
    const RequestFormat format{
        .model = server->model, .chat = flags.chat, .temperature = flags.temperature, .extra = std::move(*extra)};
    warm_up(server->client, format, flags, *plan);
    const Measured measured = measure(*server, *plan, format, flags);
    const LoadSummary summary = summarise(measured.run, flags.targets());
    json::object report = to_json(measured, summary, *server, flags);
    if (flags.json) {
        std::cout << json::serialize(report) << "\n";
    } else {
        print_table(measured, summary, *server, flags);
    }
    if (file) {
        report["requests"] = requests_json(measured.run);
        if (const Status written = file->write(json::serialize(report) + "\n"); !written) return written;
        if (const Status committed = file->commit(); !committed) return committed;
    }
    if (summary.successful == 0) {
        const auto& failures = summary.failures;
        return error("no request succeeded{}",
                     failures.empty() ? "" : fmt::format("; the first said: {}", failures.begin()->second.message));
    }
    return ok();
}

void add_load_flags(CLI::App& verb, ServeFlags& flags) {
    verb.add_option("--rate", flags.rate, "Requests a second, whatever the server does; inf sends all at once")
        ->check(number_within(0, HUGE_VAL))
        ->capture_default_str();
    verb.add_option("--burstiness", flags.burstiness,
                    "Shape of the gamma distribution of the time between arrivals: 1 is a Poisson process, below 1 "
                    "comes in bursts, far above 1 is even")
        ->check(number_within(0, 1e9))
        ->capture_default_str();
    verb.add_option("--requests", flags.requests, "Requests to send; 100 unless --seconds is given")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
    verb.add_option("--seconds", flags.seconds, "Time in which requests are sent")->check(number_within(0, 1e9));
    verb.add_option("--max-concurrency", flags.max_concurrency,
                    "Most requests on their way; what is due beyond them waits here, unmeasured")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
    verb.add_option("--prompt", flags.prompt,
                    "Tokens of prompts: 512, 100-200, lognormal:MEAN,P50, exponential:MEAN, sharegpt or arxiv")
        ->capture_default_str();
    verb.add_option("--output", flags.output, "Tokens of answers, in the same words")->capture_default_str();
    verb.add_option("--prefixes", flags.prefixes, "Distinct beginnings that prompts share")
        ->check(CLI::Range(0, 1 << 20));
    verb.add_option("--prefix-tokens", flags.prefix_tokens, "Tokens of each beginning, beside the prompt's own")
        ->check(CLI::Range(0, 1 << 24));
    verb.add_option("--seed", flags.seed, "Of arrivals, lengths and prompts")->capture_default_str();
    verb.add_option("--warmup", flags.warmup, "Small requests before the measurement")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
}

void add_request_flags(CLI::App& verb, ServeFlags& flags) {
    verb.add_flag(
        "--chat", flags.chat,
        "Ask /v1/chat/completions with text of common words (a token each, more or less), not /v1/completions "
        "with token ids");
    verb.add_option("--vocabulary", flags.vocabulary,
                    "Prompts take token ids below this; the model's own for a server of ours, 32000 otherwise")
        ->check(CLI::Range(2, 1 << 30));
    verb.add_option("--temperature", flags.temperature, "Of every request")
        ->check(number_within(0, 100))
        ->capture_default_str();
    verb.add_option("--body", flags.body,
                    "A JSON object of further fields for every request; null takes away one of ours, for servers that "
                    "refuse it: '{\"return_token_ids\": null}'");
    verb.add_option("--ttft-target", flags.ttft_target, "Goodput: most milliseconds to the first token")
        ->check(number_within(0, 1e9));
    verb.add_option("--gap-target", flags.gap_target, "Goodput: most milliseconds between two tokens, each of them")
        ->check(number_within(0, 1e9));
    verb.add_option("--timeout", flags.client.timeout_seconds, "Seconds after which a request has failed")
        ->check(number_within(0.001, 1e6))
        ->capture_default_str();
}

}  // namespace

void add_bench_serve(CLI::App& bench, int& status) {
    auto flags = std::make_shared<ServeFlags>();
    CLI::App* verb = bench.add_subcommand("serve", "A load on any OpenAI-compatible server, and what its users see");
    add_model_or_shape(*verb, flags->model);
    verb->add_option("--url", flags->url,
                     "A running server to measure, http://HOST:PORT; without it one of MODEL or --shape is started");
    verb->add_option("--api-key", flags->client.api_key, "Key that the server of --url wants")
        ->envname("OPENAI_API_KEY");
    verb->add_option("--model-name", flags->model_name,
                     "What the server of --url calls the model; its first otherwise");
    verb->add_option("--server-flags", flags->server_flags,
                     "Further flags for the server that is started: \"--prefill layered --kv-memory 8G\"");
    add_load_flags(*verb, *flags);
    add_request_flags(*verb, *flags);
    add_model_options(*verb, flags->model);
    verb->add_option("--save", flags->save, "Write the report and every request's times to this file, as JSON");
    verb->add_flag("--json", flags->json, "Print JSON, and no progress");
    verb->add_flag("--quiet", flags->quiet, "Show no progress");
    verb->footer(
        "Every request asks for a stream of exactly so many tokens (ignore_eos). Its clock starts before the "
        "connection\n"
        "is made; a gap is the time between two events with output, as their bytes arrive, in one thread of this\n"
        "process. Requests are sent when they are due, however many are running, so that a server that falls behind "
        "is\n"
        "seen to; with --max-concurrency they wait here first, and the last line of the table says how long. Failed\n"
        "requests count in nothing but goodput, which is the share of all requests whose first token and every later\n"
        "gap meet the targets. sharegpt and arxiv are drawn from the published moments of the workloads of layered\n"
        "prefill; requests that do not fit the server's context are drawn again. Energy covers this whole machine.\n"
        "\n"
        "  hone bench serve MODEL --rate 0.5 --prompt sharegpt --output sharegpt --requests 50\n"
        "  hone bench serve --url http://127.0.0.1:8000 --rate inf --max-concurrency 8 --seconds 60 \\\n"
        "      --ttft-target 5000 --gap-target 125 --save run.json\n"
        "  hone bench serve --shape olmoe-1b-7b --weights int4 --prefixes 4 --prefix-tokens 2000 --prompt 100-300");
    verb->callback([flags, &status] { status = report(bench_serve(*flags)); });
}

}  // namespace hone::cli
