// hone bench soak: streams that join and leave at random, and what becomes of the server's memory and pages.
#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>

#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/progress.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/load/load_run.h"
#include "cli/bench/load/measured_server.h"
#include "cli/bench/load/soak_rows.h"
#include "cli/engine_flags.h"

namespace hone::cli {
namespace {

struct SoakFlags {
    ModelOptions model;
    std::string server_flags = "--kv-memory 64M";
    int32_t streams = 64, most_prompt = 600, most_output = 600;
    double seconds = 600;
    uint64_t seed = 1;
    bool json = false, quiet = false;
};

class Soak {
  public:
    Soak(const SoakFlags& flags, MeasuredServer& server)
        : flags_(flags), server_(server), random_(flags.seed), slots_(static_cast<size_t>(flags.streams)) {
        for (std::vector<int32_t>& prefix : prefixes_)
            prefix = random_tokens(random_, flags_.most_prompt / 2, server_.vocabulary);
    }

    Result<SoakResult> run();

  private:
    // A place for a stream: empty until `next`, or held by one that leaves at `next` if it has not ended before.
    struct Slot {
        std::shared_ptr<Exchange> exchange;
        double next = 0;
    };

    void turn(Slot& slot, double now);
    void join(Slot& slot, double now);
    Result<SoakSample> sample(double started);
    Result<SoakSample> wait_until_empty(double started);

    const SoakFlags& flags_;
    MeasuredServer& server_;
    Random random_;
    std::array<std::vector<int32_t>, 4> prefixes_;
    std::vector<Slot> slots_;
    SoakResult result_;
};

// A prompt of its own, or one that goes on from a beginning that others have too; three of ten leave before their end.
void Soak::join(Slot& slot, double now) {
    constexpr double kLeaving = 0.3, kMostSeconds = 2;
    const auto most = static_cast<uint64_t>(flags_.most_prompt);
    std::vector<int32_t> prompt;
    if (random_.below(2) == 0) prompt = prefixes_[random_.below(prefixes_.size())];
    const int64_t own = 1 + static_cast<int64_t>(random_.below(std::max<uint64_t>(1, most - prompt.size())));
    const std::vector<int32_t> tokens = random_tokens(random_, own, server_.vocabulary);
    prompt.insert(prompt.end(), tokens.begin(), tokens.end());
    const auto output = 1 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(flags_.most_output)));
    const RequestFormat format{.model = server_.model};
    slot.exchange = server_.client.post(format.path(), format.body(prompt, output));
    slot.next = random_.uniform() < kLeaving ? now + kMostSeconds * random_.uniform() : kForever;
    result_.joined++;
}

void Soak::turn(Slot& slot, double now) {
    constexpr double kMeanPause = 0.05;
    if (!slot.exchange) {
        if (now >= slot.next) join(slot, now);
        return;
    }
    const StreamRecord& record = slot.exchange->record();
    if (!record.is_done && now >= slot.next) slot.exchange->abandon();
    if (!record.is_done) return;
    if (record.was_abandoned) {
        result_.left++;
    } else if (record.succeeded()) {
        result_.finished++;
    } else if (result_.failed++ == 0) {
        result_.first_failure = record.error;
    }
    slot = {.exchange = nullptr, .next = now - kMeanPause * std::log1p(-random_.uniform())};
}

Result<SoakSample> Soak::sample(double started) {
    const auto metrics = server_.client.get("/metrics");
    if (!metrics) return metrics.error();
    const auto own = server_.process->private_bytes();
    if (!own) return own.error();
    SoakSample sample{.seconds = monotonic_seconds() - started, .private_bytes = static_cast<double>(*own)};
    struct Metric {
        std::vector<const char*> names;  // the first that is there
        double& value;
    };
    const Metric wanted[] = {{{"hone_kv_pages_in_use"}, sample.pages_in_use},
                             {{"hone_kv_pages_cached"}, sample.pages_cached},
                             {{"vllm:num_requests_running", "hone_num_requests_running"}, sample.running}};
    for (const Metric& metric : wanted) {
        std::optional<double> value;
        for (const char* name : metric.names) value = value ? value : metric_in(*metrics, name);
        if (!value) return error("the server's /metrics do not tell {}", metric.names.front());
        metric.value = *value;
    }
    return sample;
}

// Streams that are abandoned leave within a step; what is still there after a while has been forgotten.
Result<SoakSample> Soak::wait_until_empty(double started) {
    constexpr double kSeconds = 10;
    const double deadline = monotonic_seconds() + kSeconds;
    for (;;) {
        auto last = sample(started);
        if (!last || (last->pages_in_use == 0 && last->running == 0) || monotonic_seconds() > deadline) return last;
        server_.client.run_until(monotonic_seconds() + 0.1);
    }
}

Result<SoakResult> Soak::run() {
    constexpr double kTurn = 0.02;
    const double started = monotonic_seconds(), every = std::clamp(flags_.seconds / 600, 0.1, 10.0);
    Progress progress("soaking, s", static_cast<uint64_t>(flags_.seconds), Progress::Unit::items,
                      flags_.quiet || flags_.json);
    double next_sample = started;
    uint64_t shown = 0;
    for (double now = started; now < started + flags_.seconds; now = monotonic_seconds()) {
        for (Slot& slot : slots_) turn(slot, now);
        server_.client.run_until(now + kTurn);
        if (now < next_sample) continue;
        next_sample = now + every;
        auto one = sample(started);
        if (!one) return one.error();
        result_.samples.push_back(*one);
        const auto passed = static_cast<uint64_t>(now - started);
        progress.advance(passed - std::exchange(shown, passed));
    }
    progress.finish();
    for (Slot& slot : slots_) {
        if (slot.exchange) slot.exchange->abandon();
        turn(slot, 0);
    }
    auto after = wait_until_empty(started);
    if (!after) return after.error();
    result_.after = *after;
    return result_;
}

Status bench_soak(const SoakFlags& flags) {
    if (flags.model.path.empty() && flags.model.shape.empty()) return error("give either MODEL or --shape NAME");
    auto server = start_server(flags.model, words_of(flags.server_flags), {});
    if (!server) return server.error();
    if (server->context > 0 && server->context < flags.most_prompt + flags.most_output)
        return error("the server's context is {} tokens; ask for a smaller --prompt or --output", server->context);
    auto result = Soak(flags, *server).run();
    if (!result) return result.error();
    if (flags.json) {
        std::cout << boost::json::serialize(to_json(*result)) << "\n";
    } else {
        std::cout << to_table(*result);
    }
    const auto faults = faults_of(*result);
    if (!faults.empty()) return error("{}", fmt::join(faults, "; "));
    return ok();
}

}  // namespace

void add_bench_soak(CLI::App& bench, int& status) {
    auto flags = std::make_shared<SoakFlags>();
    CLI::App* verb =
        bench.add_subcommand("soak", "Streams that join and leave at random: does the server's memory grow?");
    add_model_or_shape(*verb, flags->model);
    const auto add = [&](const char* name, int32_t& value, const char* help) {
        verb->add_option(name, value, help)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    };
    add("--streams", flags->streams, "Most streams at once");
    add("--prompt", flags->most_prompt, "Most tokens of a prompt; half of them begin like others");
    add("--output", flags->most_output, "Most tokens of an answer");
    verb->add_option("--seconds", flags->seconds, "How long")->check(number_within(0.5, 1e7))->capture_default_str();
    verb->add_option("--seed", flags->seed, "Of who comes when, and asks what")->capture_default_str();
    verb->add_option("--server-flags", flags->server_flags, "Further flags for the server")->capture_default_str();
    add_model_options(*verb, flags->model);
    verb->add_flag("--json", flags->json, "Print JSON, with every sample, and no progress");
    verb->add_flag("--quiet", flags->quiet, "Show no progress");
    verb->footer(
        "A server is started. Streams come at random, ask for answers of random lengths, and three of ten hang up in\n"
        "between. Its private memory (RssAnon) and its KV pages are sampled; the slope is that of the last two "
        "thirds,\n"
        "because caches fill in the first. Keep --kv-memory small: its pages count as memory when they are first "
        "used.\n"
        "Fails if a request does, if memory grows by more than 4 MiB and 2 %, or if pages or sequences stay behind.");
    verb->callback([flags, &status] { status = report(bench_soak(*flags)); });
}

}  // namespace hone::cli
