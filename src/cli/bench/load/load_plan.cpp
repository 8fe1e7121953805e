#include "cli/bench/load/load_plan.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace hone::cli {
namespace {

// Streams of random numbers; those of prefixes and of requests are counted from theirs.
constexpr uint64_t kArrivalStream = 1, kLengthStream = 2, kPrefixStream = uint64_t{1} << 32;
constexpr uint64_t kRequestStream = uint64_t{1} << 40;

constexpr int kTries = 1000;  // to draw a request that fits the context

constexpr std::array<const char*, 32> kWords = {"the",  "of",    "and", "to",   "in",   "is",   "that", "for",
                                                "it",   "as",    "was", "with", "be",   "by",   "on",   "not",
                                                "he",   "his",   "but", "at",   "are",  "this", "have", "from",
                                                "they", "which", "one", "you",  "were", "her",  "all",  "their"};

// What std::gamma_distribution draws from.
struct Bits {
    using result_type = uint64_t;
    Random& random;
    static constexpr uint64_t min() { return 0; }
    static constexpr uint64_t max() { return ~uint64_t{0}; }
    uint64_t operator()() { return random.bits64(); }
};

int32_t lowest_id(int32_t vocabulary) {
    return std::min(256, vocabulary / 4);
}

}  // namespace

std::vector<int32_t> random_tokens(Random& random, int64_t count, int32_t vocabulary) {
    const int32_t lowest = lowest_id(vocabulary);
    std::vector<int32_t> tokens(static_cast<size_t>(count));
    for (int32_t& token : tokens)
        token = lowest + static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary - lowest)));
    return tokens;
}

LoadPlan::LoadPlan(const LoadOptions& options)
    : options_(options),
      arrivals_(options.seed, kArrivalStream),
      lengths_(options.seed, kLengthStream),
      gaps_(options.burstiness, 1 / options.burstiness) {}

Result<LoadPlan> LoadPlan::create(const LoadOptions& options) {
    if (!(options.rate > 0)) return error("--rate must be above 0; 'inf' sends all requests at once");
    if (!(options.burstiness > 0)) return error("--burstiness must be above 0; 1 is a Poisson process");
    if (options.vocabulary < 2) return error("--vocabulary must be at least 2");
    if ((options.prefixes > 0) != (options.prefix_tokens > 0))
        return error("--prefixes and --prefix-tokens go together: how many beginnings, and tokens of each");
    LoadPlan trial(options);
    PlannedRequest request;
    if (!trial.draw_lengths(request))
        return error(
            "no prompt and answer of these lengths fit the server's context of {} tokens; ask for shorter ones",
            options.context);
    return LoadPlan(options);
}

bool LoadPlan::draw_lengths(PlannedRequest& request) {
    for (int i = 0; i < kTries; i++) {
        request.prompt_tokens = shared_tokens() + options_.prompt.draw(lengths_);
        request.output_tokens = options_.output.draw(lengths_);
        if (options_.context == 0 || request.prompt_tokens + request.output_tokens <= options_.context) return true;
    }
    return false;
}

PlannedRequest LoadPlan::next() {
    PlannedRequest request{.index = next_index_++};
    Bits bits{arrivals_};
    if (request.index > 0 && std::isfinite(options_.rate)) last_arrival_ += gaps_(bits) / options_.rate;
    request.arrival = last_arrival_;
    while (!draw_lengths(request)) {
    }
    const uint64_t prefixes = static_cast<uint64_t>(options_.prefixes);
    if (prefixes > 0) request.prefix = static_cast<int32_t>(lengths_.below(prefixes));
    return request;
}

std::vector<int32_t> LoadPlan::tokens(const PlannedRequest& request) const {
    std::vector<int32_t> tokens;
    if (request.prefix >= 0) {
        Random shared(options_.seed, kPrefixStream + static_cast<uint64_t>(request.prefix));
        tokens = random_tokens(shared, shared_tokens(), options_.vocabulary);
    }
    Random random(options_.seed, kRequestStream + static_cast<uint64_t>(request.index));
    const std::vector<int32_t> own =
        random_tokens(random, request.prompt_tokens - shared_tokens(), options_.vocabulary);
    tokens.insert(tokens.end(), own.begin(), own.end());
    return tokens;
}

std::string LoadPlan::text(const PlannedRequest& request) const {
    std::string text;
    const auto add = [&](uint64_t stream, int32_t words) {
        Random random(options_.seed, stream);
        for (int32_t i = 0; i < words; i++)
            text.append(text.empty() ? "" : " ").append(kWords[random.below(kWords.size())]);
    };
    if (request.prefix >= 0) add(kPrefixStream + static_cast<uint64_t>(request.prefix), shared_tokens());
    add(kRequestStream + static_cast<uint64_t>(request.index), request.prompt_tokens - shared_tokens());
    return text;
}

}  // namespace hone::cli
