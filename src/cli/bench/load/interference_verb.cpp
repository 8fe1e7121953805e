// hone bench interference: what a long prompt does to streams that are running, under each prefill policy.
#include <algorithm>
#include <cmath>
#include <iostream>

#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/load/interference_rows.h"
#include "cli/bench/load/measured_server.h"
#include "cli/engine_flags.h"

namespace hone::cli {
namespace {

struct InterferenceFlags {
    ModelOptions model;
    std::string server_flags;
    std::vector<std::string> policies = {"chunked-512", "chunked-128", "chunked-32", "chunked-16",         "layered",
                                         "layered-16",  "auto",        "auto-off",   "auto-as-chunked-128"};
    int32_t streams = 4, short_prompt = 64, long_prompt = 8192, stream_tokens = 16384;
    double quiet_seconds = 10;
    int attempts = 3;
    uint64_t seed = 1;
    bool json = false;
};

// Measures a server that was started for it.
class InterferenceRun {
  public:
    InterferenceRun(const InterferenceFlags& flags, MeasuredServer& server)
        : flags_(flags), server_(server), random_(flags.seed), load_(server.foreign_load()) {}

    // Makes attempts until one is not void. `prepare` is called before each, on an idle server.
    Result<InterferenceRow> measure(const InterferencePolicy& policy, FunctionRef<void()> prepare);

  private:
    using Streams = std::vector<std::shared_ptr<Exchange>>;

    Result<InterferenceRow> attempt();
    std::shared_ptr<Exchange> send(int32_t prompt_tokens, int32_t output_tokens);
    // Works until the prompt's first token; its time to it.
    Result<double> first_token(const Exchange& exchange);
    Status start_streams(Streams& streams);
    static Status check_running(const Streams& streams);
    // Notes whether others used the machine since `before`.
    void judge(const LoadReading& before, InterferenceRow& row) const;

    const InterferenceFlags& flags_;
    MeasuredServer& server_;
    Random random_;  // every prompt is another, so that none is found in the prefix cache
    const ForeignLoad load_;
};

std::shared_ptr<Exchange> InterferenceRun::send(int32_t prompt_tokens, int32_t output_tokens) {
    const RequestFormat format{.model = server_.model};
    return server_.client.post(format.path(),
                               format.body(random_tokens(random_, prompt_tokens, server_.vocabulary), output_tokens));
}

Result<double> InterferenceRun::first_token(const Exchange& exchange) {
    const StreamRecord& record = exchange.record();
    server_.client.run_until([&] { return record.is_done || !record.arrivals.empty(); });
    if (record.arrivals.empty()) return error("a prompt of {} tokens: {}", flags_.long_prompt, record.error);
    return record.first_token_seconds();
}

Status InterferenceRun::check_running(const Streams& streams) {
    for (const auto& stream : streams) {
        const StreamRecord& record = stream->record();
        if (!record.error.empty()) return error("a stream failed: {}", record.error);
        if (record.is_done)
            return error("a stream ended after {} tokens, before the prompt's first; raise --stream-tokens",
                         record.output_tokens());
    }
    return ok();
}

Status InterferenceRun::start_streams(Streams& streams) {
    constexpr size_t kSettled = 5;  // pieces of each stream before the undisturbed gaps count
    const int32_t room = server_.context > 0 ? server_.context - flags_.short_prompt : flags_.stream_tokens;
    const int32_t tokens = std::min(flags_.stream_tokens, room);
    for (int32_t i = 0; i < flags_.streams; i++) streams.push_back(send(flags_.short_prompt, tokens));
    server_.client.run_until([&] {
        return std::ranges::all_of(streams, [](const auto& stream) {
            return stream->record().is_done || stream->record().arrivals.size() >= kSettled;
        });
    });
    return check_running(streams);
}

void InterferenceRun::judge(const LoadReading& before, InterferenceRow& row) const {
    if (!load_.is_known()) return;
    const ForeignShare share = load_.share(before, load_.read());
    row.is_void = row.is_void.value_or(false) || !is_clean(share, share);
}

Result<InterferenceRow> InterferenceRun::attempt() {
    InterferenceRow row;
    LoadReading before = load_.read();
    const auto alone = send(flags_.long_prompt, 2);
    const auto idle_ttft = first_token(*alone);
    if (!idle_ttft) return idle_ttft.error();
    judge(before, row);
    row.idle_ttft = *idle_ttft;
    server_.client.run_until([&] { return alone->record().is_done; });

    Streams streams;
    if (const Status started = start_streams(streams); !started) return started.error();
    before = load_.read();
    const double quiet = monotonic_seconds();
    server_.client.run_until(quiet + flags_.quiet_seconds);
    judge(before, row);

    before = load_.read();
    const auto prompt = send(flags_.long_prompt, 2);
    const auto ttft = first_token(*prompt);
    if (!ttft) return ttft.error();
    judge(before, row);
    if (const Status running = check_running(streams); !running) return running.error();
    row.ttft = *ttft;
    const double sent = prompt->record().sent, first = prompt->record().arrivals.front();
    // The gaps that the prompt lies in have ended when every stream has one more.
    server_.client.run_until([&] {
        return prompt->record().is_done && std::ranges::all_of(streams, [&](const auto& stream) {
                   return stream->record().is_done || stream->record().arrivals.back() > prompt->record().ended;
               });
    });
    before = load_.read();
    const double quiet_again = monotonic_seconds();
    server_.client.run_until(quiet_again + flags_.quiet_seconds);
    judge(before, row);
    std::vector<const StreamRecord*> records;
    for (const auto& stream : streams) records.push_back(&stream->record());
    row.undisturbed = stream_gaps(records, {{quiet, sent}, {quiet_again, quiet_again + flags_.quiet_seconds}});
    row.during = stream_gaps(records, {{sent, first}});
    for (const auto& stream : streams) stream->abandon();
    return row;
}

Result<InterferenceRow> InterferenceRun::measure(const InterferencePolicy& policy, FunctionRef<void()> prepare) {
    constexpr double kSettleSeconds = 0.5;  // in which the server notices that streams were abandoned
    const auto warm = send(flags_.short_prompt, 8);
    server_.client.run_until([&] { return warm->record().is_done; });
    if (!warm->record().succeeded()) return error("the first request failed: {}", warm->record().error);
    for (int attempts = 1;; attempts++) {
        server_.client.run_until(monotonic_seconds() + kSettleSeconds);
        prepare();
        auto row = attempt();
        if (!row) return row.error();
        row->policy = policy;
        row->attempts = attempts;
        if (!flags_.json)
            fmt::print(stderr, "  first token {:.3g} s, gaps {:.3g} ms, longest {:.3g}, undisturbed {:.3g}{}\n",
                       row->ttft, 1e3 * row->during.gaps.p50, 1e3 * row->during.gaps.max,
                       1e3 * row->undisturbed.gaps.p50,
                       row->is_void.value_or(false) ? "; void: others used the machine" : "");
        if (!row->is_void.value_or(false) || attempts >= flags_.attempts) return row;
    }
}

// The flags of a policy whose target is another's gap are known when that one was measured.
Status settle_target(InterferencePolicy& policy, std::span<const InterferenceRow> rows) {
    if (policy.gap_of.empty()) return ok();
    for (const InterferenceRow& row : rows) {
        if (row.policy.name != policy.gap_of) continue;
        policy.flags.insert(policy.flags.end(),
                            {"--token-gap", fmt::format("{}ms", std::lround(1e3 * row.during.gaps.p50))});
        return ok();
    }
    return error("--policies: {} takes the gap of {}, which must come before it", policy.name, policy.gap_of);
}

Result<InterferenceRow> measure_policy(const InterferenceFlags& flags, const InterferencePolicy& policy,
                                       LimitMeter& meter) {
    std::vector<std::string> words = policy.flags;
    const std::vector<std::string> more = words_of(flags.server_flags);
    words.insert(words.end(), more.begin(), more.end());
    auto server = start_server(flags.model, words, {});
    if (!server) return server.error();
    if (server->context > 0 && server->context < flags.long_prompt + 2)
        return error("the server's context is {} tokens; ask for a shorter --long", server->context);
    const Work everything{.i8_ops = 1, .bf16_ops = 1, .f32_ops = 1, .bytes = 1};
    return InterferenceRun(flags, *server).measure(policy, [&] { meter.record(meter.sample(everything), true); });
}

Result<std::vector<InterferencePolicy>> policies_of(const InterferenceFlags& flags) {
    std::vector<InterferencePolicy> policies;
    for (const std::string& name : flags.policies) {
        auto policy = interference_policy(name);
        if (!policy) return policy.error();
        const bool is_told =
            policy->gap_of.empty() || std::ranges::any_of(policies, [&](const InterferencePolicy& other) {
                return other.name == policy->gap_of;
            });
        if (!is_told)
            return error("--policies: {} takes the gap of {}, which must come before it", name, policy->gap_of);
        policies.push_back(std::move(*policy));
    }
    return policies;
}

Status bench_interference(InterferenceFlags& flags) {
    auto policies = policies_of(flags);
    if (!policies) return policies.error();
    if (flags.model.path.empty() && flags.model.shape.empty())
        return error("give MODEL or --shape NAME; bench/interference.sh has those that are compared");
    const auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    ThreadPool pool(thread_count(flags.model));
    auto meter = LimitMeter::create(pool, **kernels);
    if (!meter) return meter.error();
    std::vector<InterferenceRow> rows;
    for (InterferencePolicy& policy : *policies) {
        if (const Status settled = settle_target(policy, rows); !settled) return settled;
        if (!flags.json) fmt::print(stderr, "{}: hone serve {}\n", policy.name, fmt::join(policy.flags, " "));
        auto row = measure_policy(flags, policy, *meter);
        if (!row) return row.error().within(policy.name);
        rows.push_back(std::move(*row));
    }
    const BenchReport report{.machine = this_machine(math::name_of((*kernels)->isa), pool.threads()),
                             .limits = meter->medians(),
                             .rows = {}};
    const std::vector<InterferenceBar> bars = interference_bars(rows);
    if (flags.json) {
        boost::json::object out = to_json(report);
        out["rows"] = rows_json(rows);
        out["bars"] = bars_json(bars);
        std::cout << boost::json::serialize(out) << "\n";
    } else {
        std::cout << to_header(report) << to_table(rows, bars);
    }
    const auto missed = missed_among(bars);
    if (!missed.empty()) return error("missed: {}", fmt::join(missed, "; "));
    return ok();
}

}  // namespace

void add_bench_interference(CLI::App& bench, int& status) {
    auto flags = std::make_shared<InterferenceFlags>();
    CLI::App* verb =
        bench.add_subcommand("interference", "A long prompt beside running streams, under each prefill policy");
    add_model_or_shape(*verb, flags->model);
    verb->add_option(
            "--policies", flags->policies,
            "What to compare, in this order: chunked-TOKENS, layered, layered-TOKENS, auto, auto-GAP (2x, 80ms, off), "
            "auto-as-POLICY (the median gap that POLICY gave before)")
        ->delimiter(',')
        ->capture_default_str();
    const auto add = [&](const char* name, auto& value, auto least, auto most, const char* help) {
        verb->add_option(name, value, help)->check(CLI::Range(least, most))->capture_default_str();
    };
    add("--streams", flags->streams, 1, 4096, "Streams that decode");
    add("--short", flags->short_prompt, 1, 1 << 20, "Prompt tokens of each");
    add("--long", flags->long_prompt, 1, 1 << 24, "Prompt tokens of the newcomer");
    add("--stream-tokens", flags->stream_tokens, 16, 1 << 24, "Most tokens of a stream; it must outlast the newcomer");
    add("--attempts", flags->attempts, 1, 100, "Most measurements of a policy, until one is not void");
    verb->add_option("--quiet-seconds", flags->quiet_seconds,
                     "Undisturbed decoding before the newcomer, and again after it")
        ->check(number_within(0.1, 3600))
        ->capture_default_str();
    verb->add_option("--seed", flags->seed, "Of all prompts")->capture_default_str();
    verb->add_option("--server-flags", flags->server_flags, "Further flags for every server: \"--kv-memory 8G\"");
    add_model_options(*verb, flags->model);
    verb->add_flag("--json", flags->json, "Print JSON");
    verb->footer(
        "For each policy a server is started and warmed up. Then: one prompt of --long fresh tokens alone (idle "
        "TTFT);\n"
        "--streams streams for --quiet-seconds; another such prompt beside them; the streams for --quiet-seconds "
        "more.\n"
        "The undisturbed gap is that of both quiet times, since streams slow down as they grow. The other gaps are\n"
        "those that overlap the time from the prompt's sending to its first token; decode work is the steps that the\n"
        "streams made in it, each at the undisturbed median gap. A measurement is void if others took more than 5 % "
        "of\n"
        "the CPUs in one of the four parts, and is made again. Below the table: what is expected of the policies, and\n"
        "whether it holds; chunked prefill at another's median gap is interpolated between the chunked rows. Fails if\n"
        "one does not; what cannot be judged, because a measurement is void or missing, does not fail.");
    verb->callback([flags, &status] { status = report(bench_interference(*flags)); });
}

}  // namespace hone::cli
