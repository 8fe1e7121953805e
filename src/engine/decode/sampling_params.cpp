#include "engine/decode/sampling_params.h"

#include <limits>

namespace hone::engine {

constexpr int32_t kMaxTopLogprobs = 100;

// NaN is in no range.
static Status check_range(const char* name, float value, double low, double high) {
    if (value >= static_cast<float>(low) && value <= static_cast<float>(high)) return ok();
    return error("{} is {}; it must be from {} to {}", name, value, low, high);
}

static Status check_count(const char* name, int32_t value, int32_t low, int32_t high, const char* meaning) {
    if (value >= low && value <= high) return ok();
    return error("{} is {}; it must be from {} to {} ({})", name, value, low, high, meaning);
}

Status SamplingParams::validate() const {
    constexpr int32_t kAny = std::numeric_limits<int32_t>::max();
    for (const Status& status : {
             check_range("temperature", temperature, 0, kMaxTemperature),
             check_count("top_k", top_k, 0, kAny, "0: all"),
             check_range("top_p", top_p, 0, 1),
             check_range("min_p", min_p, 0, 1),
             check_range("repetition_penalty", repetition_penalty, kMinRepetitionPenalty, kMaxRepetitionPenalty),
             check_range("presence_penalty", presence_penalty, -kMaxPenalty, kMaxPenalty),
             check_range("frequency_penalty", frequency_penalty, -kMaxPenalty, kMaxPenalty),
             check_count("max_tokens", max_tokens, 0, kAny, "0 only with prompt_logprobs"),
             check_count("min_tokens", min_tokens, 0, max_tokens, "at most max_tokens"),
             check_count("choice", choice, 0, kAny, "index of the choice"),
             check_count("top_logprobs", top_logprobs, -1, kMaxTopLogprobs, "-1: none"),
             check_count("prompt_logprobs", prompt_logprobs, -1, kMaxTopLogprobs, "-1: none"),
         }) {
        if (!status) return status;
    }
    if (top_p == 0) return error("top_p is 0; it must be above 0 and at most 1");
    if (max_tokens == 0 && prompt_logprobs < 0)
        return error("max_tokens is 0; it must be at least 1 without prompt_logprobs");
    if (logit_bias.size() > kMaxListed)
        return error("logit_bias has {} entries; at most {}", logit_bias.size(), kMaxListed);
    if (stop_ids.size() > kMaxListed) return error("stop_ids has {} entries; at most {}", stop_ids.size(), kMaxListed);
    for (const auto& [token, addend] : logit_bias) {
        if (token < 0) return error("logit_bias: {} is no token", token);
        if (const auto status = check_range("logit_bias", addend, -kMaxBias, kMaxBias); !status) {
            return status.error().within(fmt::format("token {}", token));
        }
    }
    return ok();
}

}  // namespace hone::engine
