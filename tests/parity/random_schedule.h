// Runs requests over any model under a schedule drawn from a seed, and tells what each request got: whoever runs the
// same requests under two seeds must see the same bits. The schedule varies policy (chunked, layered, auto, random
// chunks by random layers, a new one in every step), early stops, budgets, batch size, page count (preemption), prefix
// cache, threads, arrival times, batch mates (some share prefixes, some have a cache salt, some are cancelled), pauses and
// forced preemptions, and, if asked for, the version of the weights. Single-threaded but for the model's own loops, so a seed
// always gives the same schedule.
#pragma once

#include <algorithm>
#include <bit>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/loop.h"

namespace hone::parity {

// What a request got.
struct Outcome {
    std::vector<engine::TokenRecord> prompt, tokens;
    // That computed the prompt's records, and each token.
    std::shared_ptr<const model::Adapter> prompt_version;
    std::vector<std::shared_ptr<const model::Adapter>> versions;
    std::optional<engine::FinishReason> finish;
    std::string message;
    int32_t cached_tokens = 0;  // varies with the schedule
};

// How the schedule went, to see that a test met what it is about.
struct ScheduleStatistics {
    int64_t runs = 0, steps = 0, preemptions = 0, cached_tokens = 0, resting_segments = 0, mates = 0, cancelled = 0;
    int64_t stops = 0, fetched_pages = 0, paused_steps = 0, moves = 0;

    bool met_everything() const {
        return preemptions > 0 && cached_tokens > 0 && resting_segments > 0 && cancelled > 0 && stops > 0 &&
               paused_steps > 0;
    }
    void add(const ScheduleStatistics& other) {
        runs += other.runs, steps += other.steps, preemptions += other.preemptions,
            cached_tokens += other.cached_tokens;
        resting_segments += other.resting_segments, mates += other.mates, cancelled += other.cancelled;
        stops += other.stops;
        paused_steps += other.paused_steps;
        moves += other.moves;
        fetched_pages += other.fetched_pages;
    }
};

struct RandomScheduleOptions {
    int max_threads = 2;
    math::NumericClass int4_class = math::NumericClass::i8g32;
    int32_t max_mates = 5;
    std::string spill_folder{};  // where evicted pages go; empty: nowhere
    // Every other request is moved from one to another of these at random, whatever it began with.
    std::vector<std::shared_ptr<const model::Adapter>> versions{};
};

inline bool same_bits(float a, float b) {
    return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

inline bool same_record(const engine::TokenRecord& a, const engine::TokenRecord& b) {
    const auto same_entry = [](const engine::TokenLogprob& x, const engine::TokenLogprob& y) {
        return x.token == y.token && same_bits(x.logprob, y.logprob);
    };
    return a.token == b.token && same_bits(a.raw_logprob, b.raw_logprob) &&
           same_bits(a.processed_logprob, b.processed_logprob) && a.rank == b.rank &&
           std::ranges::equal(a.top, b.top, same_entry);
}

// Empty if the outcomes are the same bits, else what differs first.
inline std::string difference(const Outcome& a, const Outcome& b) {
    if (a.finish != b.finish) return "finish reasons differ: " + a.message + b.message;
    for (const auto& [name, left, right] :
         {std::tuple{"prompt", &a.prompt, &b.prompt}, std::tuple{"generated", &a.tokens, &b.tokens}}) {
        if (left->size() != right->size())
            return fmt::format("{} {} tokens against {}", left->size(), name, right->size());
        for (size_t i = 0; i < left->size(); i++) {
            const auto &x = (*left)[i], &y = (*right)[i];
            if (same_record(x, y)) continue;
            return fmt::format("{} token {}: {} ({:a} raw, {:a} processed) against {} ({:a} raw, {:a} processed)", name,
                               i, x.token, x.raw_logprob, x.processed_logprob, y.token, y.raw_logprob,
                               y.processed_logprob);
        }
    }
    return {};
}

namespace detail {

// Chunks of any length by groups of any number of layers, each sequence on its own; now and then one is preempted.
class RandomPolicy {
  public:
    RandomPolicy(uint64_t seed, ScheduleStatistics& statistics) : random_(seed, 2), statistics_(&statistics) {}

    engine::Plan operator()(engine::ScheduleState& state) {
        engine::Plan plan;
        // One that gets on is left.
        const auto gets_on = [](const auto& entry) { return !entry.second.stands_still(); };
        if (std::ranges::count_if(state.running, gets_on) > 1 && preemptions_left_ > 0 && random_.below(15) == 0) {
            preemptions_left_--;
            engine::preempt(state, plan, any_of(state.running));
        }
        engine::plan_decodes(state, plan);
        engine::admit_if_calm(state, plan, engine::by_arrival);
        const auto prompts = engine::running_prompts(state, engine::by_arrival);
        for (engine::SequenceState* sequence : prompts) {
            if (random_.below(4) > 0) go_on(state, plan, *sequence);
        }
        if (plan.segments.empty()) go_on(state, plan, *prompts.front());
        return plan;
    }

  private:
    engine::SequenceId any_of(const std::map<engine::SequenceId, engine::SequenceState>& sequences) {
        return std::next(sequences.begin(), static_cast<std::ptrdiff_t>(random_.below(sequences.size())))->first;
    }
    int32_t from_one_to(int32_t n) { return 1 + static_cast<int32_t>(random_.below(static_cast<uint64_t>(n))); }

    void go_on(engine::ScheduleState& state, engine::Plan& plan, engine::SequenceState& sequence) {
        const bool whole = random_.below(3) == 0;
        if (sequence.resting()) {
            const int32_t left = state.limits.layers - sequence.frontier;
            const int32_t rows = engine::rows_to_advance(sequence);
            if (random_.below(3) == 0)
                engine::advance_rows(plan, sequence, sequence.frontier + 1, from_one_to(rows));
            else
                engine::advance_rows(plan, sequence, sequence.frontier + (whole ? left : from_one_to(left)));
        } else {
            engine::adopt_cached(state, sequence);
            if (random_.below(4) > 0 && !plan.segments.empty() &&
                engine::awaits_shared_page(state, sequence, engine::by_arrival))
                return;
            const int32_t left = sequence.length() - sequence.computed;
            engine::issue_rows(state, plan, sequence, from_one_to(std::min(left, state.limits.token_budget)),
                               whole ? state.limits.layers : from_one_to(state.limits.layers));
        }
        plan.segments.back().may_stop = random_.below(2) == 0;
        statistics_->resting_segments += plan.segments.back().end_layer < state.limits.layers;
    }

    Random random_;
    ScheduleStatistics* statistics_;
    int preemptions_left_ = 8;  // without an end to them a long prompt in small chunks might never get through
};

struct Arrival {
    engine::Request request;
    int64_t step = 0;         // arrives before this step
    int64_t cancel_step = 0;  // 0: never
    int32_t wanted = -1;      // index among the caller's requests; -1: a batch mate
    bool moves = false;       // between versions
};

// A request to keep the others company: its own prompt, or one that begins like one of theirs.
inline Arrival make_mate(const std::vector<engine::Request>& requests, int32_t vocabulary, Random& random) {
    Arrival mate;
    const auto& model_request = requests[random.below(requests.size())];
    if (random.below(2) == 0) {
        const size_t shared = 1 + random.below(model_request.prompt.size());
        mate.request.prompt.assign(model_request.prompt.begin(),
                                   model_request.prompt.begin() + static_cast<std::ptrdiff_t>(shared));
    }
    const size_t own = (mate.request.prompt.empty() ? 1 : 0) + random.below(model_request.prompt.size());
    for (size_t i = 0; i < own && mate.request.prompt.size() < model_request.prompt.size(); i++) {
        mate.request.prompt.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary))));
    }
    mate.request.sampling.max_tokens = 1 + static_cast<int32_t>(random.below(20));
    if (random.below(3) == 0) mate.request.sampling.prompt_logprobs = 0;
    if (random.below(4) == 0) mate.request.cache_salt = "mates";
    if (random.below(3) == 0) mate.cancel_step = 1 + static_cast<int64_t>(random.below(40));
    return mate;
}

inline int32_t longest_of(const std::vector<Arrival>& arrivals) {
    int64_t longest = 1;
    for (const Arrival& arrival : arrivals) {
        longest = std::max(longest, std::ssize(arrival.request.prompt) + arrival.request.sampling.max_tokens);
    }
    return static_cast<int32_t>(longest);
}

// Pauses requests and lets them go on, at random; all go on when nothing else is left to do.
class RandomPauses {
  public:
    RandomPauses(engine::Loop& loop, uint64_t seed, bool any) : loop_(loop), random_(seed, 5), left_(any ? 50 : 0) {}

    // Before a step; `known` requests have come.
    void before_step(uint64_t known) {
        if (left_ > 0 && known > 0 && random_.below(8) == 0) {
            left_--;
            last_known_ = known;
            loop_.set_paused({1 + random_.below(known)}, random_.below(2) == 0);
        }
        if (loop_.idle()) {
            for (uint64_t id = 1; id <= last_known_; id++) loop_.set_paused({id}, false);
        }
        steps_ += loop_.metrics().paused > 0;
    }
    int64_t steps() const { return steps_; }

  private:
    engine::Loop& loop_;
    Random random_;
    // Without an end to them two long prompts that need the same pages might take them from each other for ever.
    int left_;
    uint64_t last_known_ = 0;
    int64_t steps_ = 0;
};

// Gives requests that may move other versions, at random.
class RandomMoves {
  public:
    RandomMoves(engine::Loop& loop, uint64_t seed, std::vector<std::shared_ptr<const model::Adapter>> versions)
        : loop_(loop), random_(seed, 6), versions_(std::move(versions)), every_(1 + random_.below(12)) {}

    void add(engine::RequestId id) { movers_.push_back(id); }
    void before_step() {
        if (movers_.empty() || versions_.empty() || random_.below(every_) > 0) return;
        loop_.set_adapter(movers_[random_.below(movers_.size())], versions_[random_.below(versions_.size())]);
        moves_++;
    }
    int64_t moves() const { return moves_; }

  private:
    engine::Loop& loop_;
    Random random_;
    const std::vector<std::shared_ptr<const model::Adapter>> versions_;
    const uint64_t every_;
    std::vector<engine::RequestId> movers_;
    int64_t moves_ = 0;
};

inline std::vector<Outcome> run_arrivals(engine::Loop& loop, std::vector<Arrival> arrivals, size_t wanted,
                                         RandomPauses* pauses = nullptr, RandomMoves* moves = nullptr) {
    std::vector<Outcome> outcomes(wanted);
    std::ranges::stable_sort(arrivals, {}, &Arrival::step);
    size_t next = 0, unfinished = wanted;
    for (int64_t step = 0; unfinished > 0 || next < arrivals.size() || !loop.idle(); step++) {
        for (; next < arrivals.size() && arrivals[next].step <= step; next++) {
            const int32_t index = arrivals[next].wanted;
            if (moves && arrivals[next].moves) moves->add({next + 1});
            engine::Request request = arrivals[next].request;
            if (!request.sampling.seed) request.sampling.seed = next;
            loop.add({next + 1}, std::move(request), [&outcomes, &unfinished, index](engine::RequestEvent event) {
                if (index < 0) return;
                Outcome& outcome = outcomes[static_cast<size_t>(index)];
                if (!event.prompt_logprobs.empty()) outcome.prompt_version = event.adapter;
                outcome.versions.resize(outcome.versions.size() + event.tokens.size(), event.adapter);
                std::ranges::move(event.prompt_logprobs, std::back_inserter(outcome.prompt));
                std::ranges::move(event.tokens, std::back_inserter(outcome.tokens));
                outcome.cached_tokens += event.cached_tokens;
                outcome.finish = event.finish;
                outcome.message = event.message;
                unfinished -= event.finish.has_value();
            });
        }
        for (size_t i = 0; i < next; i++) {
            if (arrivals[i].cancel_step > 0 && arrivals[i].step + arrivals[i].cancel_step == step) loop.cancel({i + 1});
        }
        if (pauses) pauses->before_step(next);
        if (moves) moves->before_step();
        if (!loop.idle()) loop.step();
        loop.report();
        if (pauses && loop.idle()) pauses->before_step(0);
    }
    return outcomes;
}

}  // namespace detail

// Each request alone: whole prompts through all layers, no cache, one thread. Requests need a seed each.
inline Outcome run_alone(const model::Model& model, const math::KernelTable& kernels, const engine::Request& request,
                         const RandomScheduleOptions& options = {}) {
    std::vector<detail::Arrival> arrivals(1);
    arrivals[0].request = request;
    arrivals[0].wanted = 0;
    const int32_t longest = detail::longest_of(arrivals);
    engine::LoopOptions loop_options;
    loop_options.limits = {.layers = 0, .max_batch = 1, .token_budget = longest, .prefix_cache = false};
    loop_options.policy = engine::plan_chunked;
    loop_options.int4_class = options.int4_class;
    auto pages = engine::PagePool::create(model.cache_spec().page_bytes, engine::pages_for(longest));
    CHECK(pages.ok(), "{}", pages.error().message);
    engine::Loop loop(model, kernels, std::move(*pages), std::move(loop_options));
    return detail::run_arrivals(loop, std::move(arrivals), 1)[0];
}

// Outcomes in the order of `requests` (each with a seed) under the schedule of `seed`. At the end nothing may hold a
// page.
inline std::vector<Outcome> run_random_schedule(const model::Model& model, const math::KernelTable& kernels,
                                                const std::vector<engine::Request>& requests, uint64_t seed,
                                                const RandomScheduleOptions& options = {},
                                                ScheduleStatistics* statistics = nullptr) {
    Random random(seed, 1);
    ScheduleStatistics own;
    std::vector<detail::Arrival> arrivals;
    const auto mates = static_cast<int32_t>(random.below(static_cast<uint64_t>(options.max_mates) + 1));
    for (int32_t i = 0; i < mates; i++) {
        arrivals.push_back(detail::make_mate(requests, model.spec().vocabulary, random));
        own.cancelled += arrivals.back().cancel_step > 0;
    }
    for (size_t i = 0; i < requests.size(); i++) {
        arrivals.push_back({.request = requests[i],
                            .step = 0,
                            .cancel_step = 0,
                            .wanted = static_cast<int32_t>(i),
                            .moves = i % 2 == 0});
    }
    const uint64_t spread = 1 + random.below(30);
    for (detail::Arrival& arrival : arrivals) arrival.step = static_cast<int64_t>(random.below(spread));

    const int32_t longest = detail::longest_of(arrivals), least = engine::pages_for(longest);
    constexpr int32_t kBudgets[] = {1, 17, 64, 100, 300, 512, 2000};
    engine::LoopOptions loop_options;
    // Single tokens through a long prompt take too many steps to learn anything.
    loop_options.limits.token_budget = std::max(kBudgets[random.below(std::size(kBudgets))], longest / 100);
    constexpr int32_t kResting[] = {1, 40, 1 << 30};
    loop_options.limits.resting_rows = kResting[random.below(std::size(kResting))];
    loop_options.limits.token_gap.factor_percent = random.below(3) == 0 ? 0 : 200;
    constexpr int64_t kBlockRows[] = {3, 50, 1024};
    loop_options.blocks.layer_rows = kBlockRows[random.below(std::size(kBlockRows))];
    loop_options.limits.max_batch = 1 + static_cast<int32_t>(random.below(8));
    loop_options.limits.prefix_cache = random.below(4) > 0;
    loop_options.threads = 1 + static_cast<int>(random.below(static_cast<uint64_t>(options.max_threads)));
    loop_options.int4_class = options.int4_class;
    switch (random.below(6)) {
        case 0:
            loop_options.policy = engine::plan_chunked;
            break;
        case 1:
            loop_options.policy = engine::plan_layered;
            break;
        case 2:
            loop_options.policy = engine::plan_auto;
            break;
        case 3:  // another one in every step
            loop_options.policy = [random = detail::RandomPolicy(seed, own),
                                   draw = Random(seed, 3)](engine::ScheduleState& state) mutable {
                const engine::Policy policies[] = {engine::plan_chunked, engine::plan_layered, engine::plan_auto,
                                                   std::ref(random)};
                return policies[draw.below(4)](state);
            };
            break;
        default:
            loop_options.policy = detail::RandomPolicy(seed, own);
    }
    if (random.below(2) == 0) {
        loop_options.interrupted = [draw = std::make_shared<Random>(seed, 4), stops = &own.stops] {
            const bool stop = draw->below(4) == 0;
            *stops += stop;
            return stop;
        };
    }
    // Hardly more than the longest needs, or enough for several.
    const auto more = random.below(static_cast<uint64_t>(random.below(2) == 0 ? 3 : 4 * least + 1));
    auto pages = engine::PagePool::create(model.cache_spec().page_bytes, least + static_cast<int32_t>(more));
    CHECK(pages.ok(), "{}", pages.error().message);

    std::unique_ptr<engine::SpillStore> spill;
    if (!options.spill_folder.empty() && loop_options.limits.prefix_cache) {
        auto opened =
            engine::SpillStore::open({options.spill_folder, 1 << 20, "parity"}, model.cache_spec().page_bytes);
        CHECK(opened.ok(), "{}", opened.error().message);
        spill = std::move(*opened);
    }
    engine::Loop loop(model, kernels, std::move(*pages), std::move(loop_options), std::move(spill));
    detail::RandomPauses pauses(loop, seed, random.below(2) == 0);
    detail::RandomMoves moves(loop, seed, options.versions);
    auto outcomes = detail::run_arrivals(loop, std::move(arrivals), requests.size(), &pauses, &moves);
    CHECK_EQ(loop.metrics().pages_in_use, 0);
    own.paused_steps = pauses.steps();
    own.moves = moves.moves();
    own.runs = 1;
    own.mates = mates;
    own.steps = static_cast<int64_t>(loop.metrics().steps);
    own.preemptions = static_cast<int64_t>(loop.metrics().preemptions);
    own.fetched_pages = static_cast<int64_t>(loop.metrics().spill.read_pages);
    own.cached_tokens = static_cast<int64_t>(loop.metrics().cached_tokens);
    if (statistics) statistics->add(own);
    return outcomes;
}

}  // namespace hone::parity
