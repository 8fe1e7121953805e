#include "cli/simulate/workload.h"

#include <algorithm>
#include <cmath>

#include "cli/bench/load/lengths.h"

namespace hone::cli {
namespace {

constexpr int32_t kLongestPrompt = 1 << 24;  // of a conversation, which ends there
constexpr int kAttempts = 64;
constexpr uint64_t kSharedText = 0;       // of the prefix that all prompts share
constexpr uint64_t kFirstText = 1 << 20;  // of the requests' own tokens

// When requests, or conversations, arrive.
class Arrivals {
  public:
    Arrivals(const WorkloadOptions& options, uint64_t seed) : options_(options), random_(seed, 1) {}

    double next() {
        const double mean = 1 / options_.rate;
        if (options_.arrivals == "even") return now_ += mean;
        const bool is_burst = options_.arrivals == "bursts";
        if (!is_burst || left_ == 0) {
            now_ -= std::log(1 - random_.uniform()) * mean * (is_burst ? options_.burst : 1);
            left_ = options_.burst;
        }
        left_--;
        return now_;
    }

  private:
    const WorkloadOptions& options_;
    Random random_;
    double now_ = 0;
    int32_t left_ = 0;  // of a burst
};

struct LengthPair {
    LengthDistribution prompt, output;

    // Draws both anew while they do not fit (as the experiments skipped what did not).
    void draw(Random& random, int32_t longest, SimulatedRequest& request) const {
        for (int attempt = 0; attempt < kAttempts; attempt++) {
            request.prompt_tokens = prompt.draw(random);
            request.output_tokens = output.draw(random);
            if (int64_t{request.prompt_tokens} + request.output_tokens <= longest) return;
        }
    }
};

Result<LengthPair> lengths_of(const WorkloadOptions& options) {
    const bool is_published = options.kind == "arxiv" || options.kind == "sharegpt";
    const auto chosen = [&](const std::string& given, const char* otherwise, LengthOf what) {
        return LengthDistribution::parse(!given.empty() ? given : is_published ? options.kind : otherwise, what);
    };
    const auto prompt = chosen(options.prompt, "512", LengthOf::prompt);
    if (!prompt) return prompt.error().within("--prompt");
    const auto output = chosen(options.output, "128", LengthOf::output);
    if (!output) return output.error().within("--output");
    return LengthPair{*prompt, *output};
}

// Conversations whose turns each repeat all that was said before, and add to it.
Result<std::vector<SimulatedRequest>> conversations(const WorkloadOptions& options, const LengthPair& lengths) {
    std::vector<SimulatedRequest> requests;
    Arrivals arrivals(options, options.seed);
    Random random(options.seed, 2);
    for (uint64_t text = kFirstText; std::ssize(requests) < options.requests; text++) {
        SimulatedRequest request{.seconds = arrivals.next(), .text = text, .prefix = kSharedText};
        request.prefix_tokens = options.shared_prefix;
        request.prompt_tokens = options.shared_prefix + lengths.prompt.draw(random);
        if (request.prompt_tokens > kLongestPrompt)
            return error("--prompt and --shared-prefix come to {} tokens, where {} are the most; ask for fewer",
                         request.prompt_tokens, kLongestPrompt);
        for (int32_t turn = 0; turn < options.turns && std::ssize(requests) < options.requests; turn++) {
            if (request.prompt_tokens > kLongestPrompt) break;
            request.output_tokens = lengths.output.draw(random);
            requests.push_back(request);
            request.after = static_cast<int32_t>(requests.size()) - 1;
            request.seconds = options.think_seconds;
            request.prompt_tokens += request.output_tokens + options.turn_tokens;
        }
    }
    return requests;
}

}  // namespace

Result<std::vector<SimulatedRequest>> generate_workload(const WorkloadOptions& options) {
    const auto lengths = lengths_of(options);
    if (!lengths) return lengths.error();
    if (options.kind == "agents") return conversations(options, *lengths);
    std::vector<SimulatedRequest> requests;
    Arrivals arrivals(options, options.seed);
    Random random(options.seed, 2);
    for (int32_t i = 0; i < options.requests; i++) {
        SimulatedRequest request{.seconds = arrivals.next(), .text = kFirstText + static_cast<uint64_t>(i)};
        request.prefix = kSharedText;
        request.prefix_tokens = options.shared_prefix;
        lengths->draw(random, options.longest - options.shared_prefix, request);
        request.prompt_tokens += options.shared_prefix;
        requests.push_back(request);
    }
    return requests;
}

}  // namespace hone::cli
