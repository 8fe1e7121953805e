// hone bench agents: a conversation that grows turn by turn, as an agent's does: what the prefix cache finds, what a
// turn takes, and whether the answers are those of a cold server.
#include <algorithm>
#include <iostream>
#include <memory>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/progress.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/load/load_summary.h"
#include "cli/bench/load/measured_server.h"
#include "cli/bench/report.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

struct AgentFlags {
    ModelOptions model;
    std::string server_flags;
    int32_t turns = 250, first_tokens = 500, turn_tokens = 200, answer_tokens = 100, checked = 5, cache_unit = 1;
    uint64_t seed = 1;
    bool json = false, quiet = false;
};

struct Turn {
    std::vector<int32_t> prompt;  // of turns that are checked; empty otherwise
    StreamRecord record;
    int64_t prompt_tokens = 0, expected_cached = 0;
};

// Answers are drawn with a seed of the turn, and their log-probabilities told.
std::string body_of(const std::string& model, const std::vector<int32_t>& prompt, const AgentFlags& flags,
                    uint64_t turn) {
    RequestFormat format{.model = model};
    format.extra = {{"logprobs", 0}, {"seed", flags.seed + turn}};
    return format.body(prompt, flags.answer_tokens);
}

Result<StreamRecord> ask(MeasuredServer& server, const std::string& body) {
    const auto exchange = server.client.post("/v1/completions", body);
    server.client.run_until([&] { return exchange->record().is_done; });
    const StreamRecord& record = exchange->record();
    if (!record.succeeded()) return error("{}", record.error);
    return record;
}

// Keys and values are there for all that went through the model: the prompt and the answer but its last token.
int64_t expected_cached(int64_t known_tokens, int64_t prompt_tokens, int32_t unit) {
    return std::min(known_tokens, prompt_tokens - 1) / unit * unit;
}

Result<std::vector<Turn>> converse(MeasuredServer& server, const AgentFlags& flags) {
    Random random(flags.seed);
    std::vector<int32_t> prompt = random_tokens(random, flags.first_tokens, server.vocabulary);
    std::vector<Turn> turns;
    int64_t known = 0;
    const int32_t check_every = std::max(1, flags.turns / std::max(1, flags.checked));
    Progress progress("turns", static_cast<uint64_t>(flags.turns), Progress::Unit::items, flags.json || flags.quiet);
    for (int32_t i = 0; i < flags.turns; i++) {
        auto record = ask(server, body_of(server.model, prompt, flags, static_cast<uint64_t>(i)));
        if (!record) return record.error().within(fmt::format("turn {}", i));
        if (std::ssize(record->token_ids) != flags.answer_tokens)
            return error("turn {}: {} token ids came for {} tokens", i, record->token_ids.size(), flags.answer_tokens);
        const int64_t tokens = std::ssize(prompt);
        Turn turn{.record = std::move(*record),
                  .prompt_tokens = tokens,
                  .expected_cached = expected_cached(known, tokens, flags.cache_unit)};
        if (flags.checked > 0 && (i + 1) % check_every == 0) turn.prompt = prompt;
        known = tokens + flags.answer_tokens - 1;
        prompt.insert(prompt.end(), turn.record.token_ids.begin(), turn.record.token_ids.end());
        const std::vector<int32_t> result =
            random_tokens(random, flags.turn_tokens - flags.answer_tokens, server.vocabulary);
        prompt.insert(prompt.end(), result.begin(), result.end());
        turns.push_back(std::move(turn));
        progress.advance(1);
    }
    progress.finish();
    return turns;
}

// The turns whose answers a server without a prefix cache does not give to the bit.
Result<std::vector<size_t>> differing_turns(const std::vector<Turn>& turns, const AgentFlags& flags) {
    std::vector<std::string> words = words_of(flags.server_flags);
    words.push_back("--no-prefix-cache");
    auto server = start_server(flags.model, words, {});
    if (!server) return server.error();
    std::vector<size_t> differing;
    for (size_t i = 0; i < turns.size(); i++) {
        if (turns[i].prompt.empty()) continue;
        const auto cold = ask(*server, body_of(server->model, turns[i].prompt, flags, i));
        if (!cold) return cold.error().within(fmt::format("turn {}, cold", i));
        const StreamRecord& warm = turns[i].record;
        if (cold->token_ids != warm.token_ids || cold->logprobs != warm.logprobs || warm.logprobs.empty())
            differing.push_back(i);
    }
    return differing;
}

std::string table_of(const std::vector<Turn>& turns) {
    std::string table = fmt::format("{:>6}{:>10}{:>10}{:>10}{:>14}{:>14}{:>14}\n", "turn", "prompt", "cached",
                                    "computed", "first, ms", "a token, ms", "turn, ms");
    const size_t step = std::max<size_t>(1, turns.size() / 10);
    for (size_t i = 0; i < turns.size(); i++) {
        if (i % step != 0 && i + 1 != turns.size()) continue;
        const Turn& turn = turns[i];
        const LatencySpread gaps = spread_over(turn.record.gaps());
        table += fmt::format("{:>6}{:>10}{:>10}{:>10}{:>14}{:>14}{:>14}\n", i, turn.prompt_tokens,
                             turn.record.cached_tokens, turn.prompt_tokens - turn.record.cached_tokens,
                             format_value(1e3 * turn.record.first_token_seconds()), format_value(1e3 * gaps.mean),
                             format_value(1e3 * turn.record.seconds()));
    }
    return table;
}

json::object to_json(const std::vector<Turn>& turns, size_t miscounted, const std::vector<size_t>& differing,
                     int64_t checked) {
    json::array rows;
    for (const Turn& turn : turns)
        rows.push_back({{"prompt_tokens", turn.prompt_tokens},
                        {"cached_tokens", turn.record.cached_tokens},
                        {"expected_cached", turn.expected_cached},
                        {"ttft_ms", 1e3 * turn.record.first_token_seconds()},
                        {"turn_ms", 1e3 * turn.record.seconds()}});
    return {{"turns", std::move(rows)},
            {"miscounted", miscounted},
            {"checked", checked},
            {"differing", json::array(differing.begin(), differing.end())}};
}

Status bench_agents(const AgentFlags& flags) {
    if (flags.model.path.empty() && flags.model.shape.empty()) return error("give either MODEL or --shape NAME");
    if (flags.answer_tokens > flags.turn_tokens)
        return error("--answer is part of --turn-tokens; give at most {}", flags.turn_tokens);
    auto server = std::make_unique<Result<MeasuredServer>>(start_server(flags.model, words_of(flags.server_flags), {}));
    if (!*server) return server->error();
    const int64_t longest = int64_t{flags.first_tokens} + int64_t{flags.turns} * flags.turn_tokens;
    if (const int32_t context = (*server)->context; context > 0 && longest > context)
        return error(
            "{} turns of {} tokens come to {}, and the server's context is {}; ask for fewer --turns or --turn-tokens",
            flags.turns, flags.turn_tokens, longest, context);
    const auto turns = converse(**server, flags);
    if (!turns) return turns.error();
    server.reset();  // the cold one may need its memory
    const auto differing = differing_turns(*turns, flags);
    if (!differing) return differing.error();

    const auto miscounted = static_cast<size_t>(std::ranges::count_if(
        *turns, [](const Turn& turn) { return turn.record.cached_tokens != turn.expected_cached; }));
    const int64_t checked = std::ranges::count_if(*turns, [](const Turn& turn) { return !turn.prompt.empty(); });
    if (flags.json) {
        std::cout << json::serialize(to_json(*turns, miscounted, *differing, checked)) << "\n";
    } else {
        std::cout << table_of(*turns)
                  << fmt::format("\ncached tokens exact in {} of {} turns; {} of {} checked answers equal to the bit\n",
                                 turns->size() - miscounted, turns->size(),
                                 checked - static_cast<int64_t>(differing->size()), checked);
    }
    for (size_t i = 0; miscounted > 0 && i < turns->size(); i++) {
        const Turn& turn = (*turns)[i];
        if (turn.record.cached_tokens != turn.expected_cached)
            return error("turn {}: {} cached tokens were reported and {} expected; {} such turns", i,
                         turn.record.cached_tokens, turn.expected_cached, miscounted);
    }
    if (!differing->empty())
        return error("the answer of turn {} is not that of a server without a prefix cache", differing->front());
    return ok();
}

}  // namespace

void add_bench_agents(CLI::App& bench, int& status) {
    auto flags = std::make_shared<AgentFlags>();
    CLI::App* verb = bench.add_subcommand("agents", "A conversation that grows turn by turn, and what is found of it");
    add_model_or_shape(*verb, flags->model);
    const auto add = [&](const char* name, int32_t& value, int least, const char* help) {
        verb->add_option(name, value, help)->check(CLI::Range(least, 1 << 24))->capture_default_str();
    };
    add("--turns", flags->turns, 1, "Turns");
    add("--first", flags->first_tokens, 1, "Tokens of the first prompt");
    add("--turn-tokens", flags->turn_tokens, 1, "Tokens that a turn adds: the answer and the next tool's result");
    add("--answer", flags->answer_tokens, 1, "Tokens of each answer");
    add("--checked", flags->checked, 0, "Turns that are asked again of a server without a prefix cache");
    add("--cache-unit", flags->cache_unit, 1, "Tokens in whose multiples the server finds prefixes");
    verb->add_option("--seed", flags->seed, "Of the prompts and the answers")->capture_default_str();
    verb->add_option("--server-flags", flags->server_flags, "Further flags for both servers: \"--kv-memory 8G\"");
    add_model_options(*verb, flags->model);
    verb->add_flag("--json", flags->json, "Print JSON, and no progress");
    verb->add_flag("--quiet", flags->quiet, "Show no progress");
    verb->footer(
        "Every turn's prompt is the one before, the token ids that were answered, and fresh ids in the place of a\n"
        "tool's result. All of it but the answer's last token has been computed, and usage must say that exactly so\n"
        "many tokens were cached. Fails if it does not, or if an answer that is asked again of a cold server differs\n"
        "in a token or in a bit of a log-probability. A turn computes the same number of tokens each time, so that\n"
        "its time grows with attention alone.");
    verb->callback([flags, &status] { status = report(bench_agents(*flags)); });
}

}  // namespace hone::cli
