// hone simulate: the scheduler on a fake clock.
#include <boost/json/serialize.hpp>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "cli/engine_flags.h"
#include "cli/simulate/chart.h"
#include "cli/simulate/policies.h"
#include "cli/simulate/summary.h"
#include "cli/simulate/timeline.h"
#include "cli/verbs.h"

namespace hone::cli {
namespace {

struct SimulateFlags {
    std::string costs, trace, chart;
    std::vector<std::string> policies = {"chunked", "layered", "auto"};
    std::string token_gap = "2x";
    PolicyOptions policy;
    WorkloadOptions workload;
    double target_ttft = 10, target_gap_ms = 125, chart_from = 0, chart_seconds = 3;
    int32_t kv_pages = 0;
    bool json = false, no_prefix_cache = false;

    LatencyTargets targets() const { return {.ttft = target_ttft, .gap = target_gap_ms / 1000}; }
};

// What all policies are given alike.
struct Scenario {
    CostFile machine;
    std::vector<SimulatedRequest> requests;
    int32_t pages = 0;
    std::string description;
};

// One policy's run.
struct PolicyRun {
    SimulationResult result;
    Summary summary;
    Timeline timeline;
};

PolicyRun simulate(const Scenario& scenario, const SimulatedPolicy& policy, const SimulateFlags& flags) {
    PolicyRun run{.timeline = Timeline(flags.chart_from, flags.chart_seconds)};
    const double started = monotonic_seconds();
    Simulator simulator(scenario.machine, policy, scenario.pages, scenario.requests, flags.workload.seed,
                        flags.chart.empty() ? nullptr : &run.timeline);
    while (simulator.step()) {
    }
    run.result = simulator.result();
    run.result.wall_seconds = monotonic_seconds() - started;
    run.summary = summarise(policy.name, run.result, flags.targets());
    return run;
}

Result<Scenario> read_scenario(const SimulateFlags& flags) {
    auto machine = read_cost_file(flags.costs);
    if (!machine) return machine.error();
    WorkloadOptions workload = flags.workload;
    workload.longest = machine->max_context;
    auto requests = flags.trace.empty() ? generate_workload(workload) : read_trace(flags.trace);
    if (!requests) return requests.error();
    Scenario scenario{.machine = std::move(*machine), .requests = std::move(*requests)};
    const int64_t pages = scenario.machine.cache_tokens / engine::kPageTokens;
    scenario.pages = flags.kv_pages > 0 ? flags.kv_pages : static_cast<int32_t>(pages);
    scenario.description =
        flags.trace.empty()
            ? fmt::format("{}, {} arrivals at {}/s, seed {}: {} requests", flags.workload.kind, flags.workload.arrivals,
                          flags.workload.rate, flags.workload.seed, scenario.requests.size())
            : fmt::format("{}: {} requests", flags.trace, scenario.requests.size());
    scenario.description += fmt::format("; {} pages of {} tokens", scenario.pages, engine::kPageTokens);
    return scenario;
}

Status write_chart(const SimulateFlags& flags, const Scenario& scenario, std::span<const PolicyRun> runs) {
    auto file = AtomicFile::create(flags.chart);
    if (!file) return file.error().within("--chart");
    std::vector<ChartedRun> charted;
    for (const PolicyRun& run : runs)
        charted.push_back({&run.summary, &run.result, &run.timeline, scenario.machine.costs.shape().layers()});
    const ChartTexts texts{scenario.machine.title, scenario.description, scenario.machine.source};
    if (const Status written = file->write(to_page(texts, charted, flags.targets())); !written) return written;
    return file->commit();
}

void print(const SimulateFlags& flags, const Scenario& scenario, std::span<const Summary> summaries) {
    if (!flags.json) {
        fmt::print("{}\n{}\n\n{}", scenario.machine.title, scenario.description, to_table(summaries, flags.targets()));
        return;
    }
    boost::json::array rows;
    for (const Summary& summary : summaries) rows.push_back(to_json(summary));
    const boost::json::object whole = {{"costs", flags.costs},
                                       {"title", scenario.machine.title},
                                       {"workload", scenario.description},
                                       {"targets_ms", to_milliseconds(flags.targets())},
                                       {"rows", std::move(rows)}};
    fmt::print("{}\n", boost::json::serialize(whole));
}

Status run(SimulateFlags& flags) {
    const auto gap = parse_token_gap(flags.token_gap);
    if (!gap) return gap.error().within("--token-gap");
    flags.policy.token_gap = *gap;
    flags.policy.prefix_cache = !flags.no_prefix_cache;
    std::vector<SimulatedPolicy> policies;
    for (const std::string& name : flags.policies) {
        auto policy = policy_named(name, flags.policy);
        if (!policy) return policy.error();
        policies.push_back(std::move(*policy));
    }
    const auto scenario = read_scenario(flags);
    if (!scenario) return scenario.error();
    std::vector<PolicyRun> runs;
    std::vector<Summary> summaries;
    for (const SimulatedPolicy& policy : policies) {
        runs.push_back(simulate(*scenario, policy, flags));
        summaries.push_back(runs.back().summary);
    }
    print(flags, *scenario, summaries);
    return flags.chart.empty() ? ok() : write_chart(flags, *scenario, runs);
}

constexpr const char* kFooter =
    "The real scheduler runs, with real token ids, pages and prefix cache; only the model is left out: a step takes\n"
    "as long as COSTS says (models/costs/README.md), and the scheduler learns that from the steps, as a server does.\n"
    "\n"
    "Workloads\n"
    "  sharegpt  prompts of 2340 tokens on average, outputs of 439, as in the layered prefill experiments\n"
    "  arxiv     prompts of about 9200 tokens, outputs of about 193, as there\n"
    "  lengths   --prompt and --output: 512 (always), 100-900 (uniform), lognormal:MEAN,P50,\n"
    "            exponential:MEAN, arxiv, sharegpt\n"
    "  agents    conversations that begin at --rate; each of --turns turns sends all that was said so far and\n"
    "            --turn-tokens more, --think seconds after the last answer; --prompt is the first prompt\n"
    "--trace FILE has a JSON object a line: {\"arrival\": seconds, \"prompt_tokens\": N, \"output_tokens\": N}, and "
    "if\n"
    "wanted \"prefix_id\" and \"prefix_tokens\" (begins with the same tokens as others of that id), \"priority\",\n"
    "\"tenant\", \"after\" (number of a line: arrives so many seconds after that request ended).\n"
    "\n"
    "  hone simulate models/costs/h100x2-qwen3-30b-a3b-bf16.toml --workload arxiv --rate 1.3 --prefill "
    "chunked,layered,auto\n"
    "  hone simulate models/costs/zen5-2c-olmoe-1b-7b-int4.toml --workload agents --rate 0.02 --chart agents.html\n"
    "\n"
    "docs/scheduling.md explains the policies and what such a model cannot say.";

void add_workload_flags(CLI::App& verb, SimulateFlags& flags) {
    WorkloadOptions& workload = flags.workload;
    verb.add_option("--workload", workload.kind, "What arrives, see below")
        ->check(CLI::IsMember({"sharegpt", "arxiv", "lengths", "agents"}))
        ->capture_default_str();
    verb.add_option("--trace", flags.trace, "What arrives, from a file, see below")->excludes("--workload");
    verb.add_option("--rate", workload.rate, "Requests (agents: conversations) a second")
        ->check(number_within(1e-6, 1e6))
        ->capture_default_str();
    verb.add_option("--requests", workload.requests, "Requests in all")
        ->check(CLI::Range(1, 10'000'000))
        ->capture_default_str();
    verb.add_option("--arrivals", workload.arrivals, "poisson, bursts (of --burst at once) or even")
        ->check(CLI::IsMember({"poisson", "bursts", "even"}))
        ->capture_default_str();
    verb.add_option("--burst", workload.burst, "Requests that arrive together")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    verb.add_option("--prompt", workload.prompt, "Lengths of prompts; the workload's own otherwise");
    verb.add_option("--output", workload.output, "Lengths of outputs; the workload's own otherwise");
    verb.add_option("--shared-prefix", workload.shared_prefix, "Tokens that all prompts begin with, beside their own")
        ->check(CLI::Range(0, 1 << 20))
        ->capture_default_str();
    verb.add_option("--turns", workload.turns, "Turns of a conversation (agents)")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    verb.add_option("--turn-tokens", workload.turn_tokens, "Tokens that a turn adds to what was said (agents)")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    verb.add_option("--think", workload.think_seconds, "Seconds from an answer to the next turn (agents)")
        ->check(number_within(0, 1e6))
        ->capture_default_str();
    verb.add_option("--seed", workload.seed, "Of arrivals, lengths and noise")->capture_default_str();
}

void add_policy_flags(CLI::App& verb, SimulateFlags& flags) {
    verb.add_option("--prefill", flags.policies,
                    "Policies to compare: chunked, layered, auto, each also with a token budget: chunked-128")
        ->delimiter(',')
        ->capture_default_str();
    verb.add_option("--token-budget", flags.policy.token_budget, "Prompt tokens that join a step; 0: the policy's own")
        ->check(CLI::Range(0, 1 << 20))
        ->capture_default_str();
    verb.add_option("--token-gap", flags.token_gap,
                    "How far apart a stream's tokens may come while prompts are read (auto): 2x, 80ms or off")
        ->capture_default_str();
    verb.add_option("--resting-rows", flags.policy.resting_rows,
                    "Most rows of prompts that may wait between two layers (auto)")
        ->check(CLI::Range(1, 1 << 30))
        ->capture_default_str();
    verb.add_option("--max-streams", flags.policy.max_streams, "Most sequences that run at once")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    verb.add_flag("--no-prefix-cache", flags.no_prefix_cache, "Compute every prompt from its start");
    verb.add_option("--kv-pages", flags.kv_pages, "Pages for keys and values; 0: what COSTS says")
        ->check(CLI::Range(0, 1 << 24))
        ->capture_default_str();
}

}  // namespace

void add_simulate(CLI::App& app, int& status) {
    auto flags = std::make_shared<SimulateFlags>();
    CLI::App* verb =
        app.add_subcommand("simulate", "Try schedules and loads on a fake clock: a million steps in seconds");
    verb->footer(kFooter);
    verb->add_option("COSTS", flags->costs, "What steps cost: a file of models/costs, or one like them")->required();
    add_workload_flags(*verb, *flags);
    add_policy_flags(*verb, *flags);
    verb->add_option("--target-ttft", flags->target_ttft, "Seconds in which a request's first token should come")
        ->check(number_within(0, 1e6))
        ->capture_default_str();
    verb->add_option("--target-gap", flags->target_gap_ms, "Milliseconds in which every further token should come")
        ->check(number_within(0, 1e9))
        ->capture_default_str();
    verb->add_flag("--json", flags->json, "Print JSON");
    verb->add_option("--chart", flags->chart, "Write an HTML page with charts to this file");
    verb->add_option("--chart-from", flags->chart_from, "Simulated second at which the chart of the steps begins")
        ->check(number_within(0, 1e9))
        ->capture_default_str();
    verb->add_option("--chart-seconds", flags->chart_seconds, "Simulated seconds that it shows")
        ->check(number_within(1e-3, 1e6))
        ->capture_default_str();
    verb->callback([flags, &status] { status = report(run(*flags)); });
}

}  // namespace hone::cli
