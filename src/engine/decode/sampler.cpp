#include "engine/decode/sampler.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "base/check.h"
#include "base/rng.h"

namespace hone::engine {

constexpr size_t kFirstSelection = 1024, kSelectionGrowth = 8;
constexpr size_t kSumChunk = 1024, kSumLanes = 8;
constexpr float kMasked = -std::numeric_limits<float>::infinity();

static bool is_finite(float x) {
    return (std::bit_cast<uint32_t>(x) & 0x7f800000) != 0x7f800000;
}

static Status check_finite(std::span<const float> logits) {
    bool finite = true;
    for (const float logit : logits) finite &= is_finite(logit);
    if (finite) return ok();
    const auto bad = std::ranges::find_if_not(logits, is_finite);
    return error("the model's logit of token {} is {}", bad - logits.begin(), *bad);
}

// The only token of the set, or none.
static std::optional<int32_t> only_token(std::span<const uint64_t> allowed) {
    std::optional<int32_t> only;
    for (size_t i = 0; i < allowed.size(); i++) {
        if (allowed[i] == 0) continue;
        if (only || !std::has_single_bit(allowed[i])) return std::nullopt;
        only = static_cast<int32_t>(i * 64) + std::countr_zero(allowed[i]);
    }
    return only;
}

static bool contains(std::span<const uint64_t> allowed, int32_t token) {
    const auto word = static_cast<size_t>(token) / 64;
    return token >= 0 && word < allowed.size() && (allowed[word] >> (token % 64) & 1) != 0;
}

// Whether the set has a token beside those.
static bool has_others(std::span<const uint64_t> allowed, std::vector<int32_t> tokens) {
    int64_t count = 0;
    for (const uint64_t word : allowed) count += std::popcount(word);
    std::ranges::sort(tokens);
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    return count > std::ranges::count_if(tokens, [&](int32_t token) { return contains(allowed, token); });
}

// Sum of a chunk: element i in lane i mod 8, lanes added pairwise.
static double sum_of(std::span<const float> weights) {
    double lanes[kSumLanes] = {};
    size_t i = 0;
    for (; i + kSumLanes <= weights.size(); i += kSumLanes) {
        for (size_t lane = 0; lane < kSumLanes; lane++) lanes[lane] += static_cast<double>(weights[i + lane]);
    }
    for (size_t lane = 0; i < weights.size(); i++, lane++) lanes[lane] += static_cast<double>(weights[i]);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// The first weight at which the running sum exceeds target; where rounding leaves none, the last that is not 0.
static size_t index_at(std::span<const float> weights, double target) {
    double sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < weights.size(); i++) {
        if (weights[i] == 0) continue;
        sum += static_cast<double>(weights[i]);
        last = i;
        if (sum > target) break;
    }
    return last;
}

Sampler::Sampler(const math::KernelTable& kernels, int32_t vocabulary)
    : kernels_(kernels), weights_(static_cast<size_t>(vocabulary)) {
    CHECK_GT(vocabulary, 0);
}

Result<TokenRecord> Sampler::draw(std::span<const float> logits, const DrawContext& context) {
    CHECK_EQ(logits.size(), weights_.size());
    if (const Status status = check_finite(logits); !status) return status.error();
    const SamplingParams& params = context.params;
    TokenRecord record;
    if (const auto only = context.forced ? context.forced : only_token(context.allowed)) {
        record.token = *only;
        if (params.top_logprobs >= 0) report(logits, params.top_logprobs, record);
        return record;
    }
    if (!context.allowed.empty() && std::ranges::all_of(context.allowed, [](uint64_t word) { return word == 0; })) {
        return error("the form of the answer allows no token here");
    }
    const std::span<const float> processed = process(logits, context);
    if (params.temperature < kGreedyTemperature) {
        record.token = index_of_largest(processed);
        if (processed[static_cast<size_t>(record.token)] == kMasked) return error("every token is masked");
    } else {
        const auto whole = math::log_normaliser(kernels_, processed, params.temperature);
        if (!is_finite(whole.maximum) || !is_finite(whole.log_sum)) {
            return error("no distribution: the largest logit over temperature {} is {}", params.temperature,
                         whole.maximum);
        }
        const double uniform = uniform_at(context.seed, static_cast<uint64_t>(params.choice),
                                          static_cast<uint64_t>(context.tokens.size()));
        if (params.top_k > 0 || params.top_p < 1 || params.min_p > 0) {
            const size_t kept = cut(processed, params, whole);
            const std::span weights = std::span(weights_).first(kept);
            double total = 0;
            for (const float weight : weights) total += static_cast<double>(weight);
            const size_t at = index_at(weights, uniform * total);
            const auto part = math::log_normaliser(kernels_, std::span(kept_).first(kept), params.temperature);
            record.token = order_[at];
            record.processed_logprob = part.logprob(kept_[at]);
        } else {
            record.token = draw_from_all(processed, whole, uniform);
            record.processed_logprob = whole.logprob(processed[static_cast<size_t>(record.token)]);
        }
    }
    if (params.top_logprobs >= 0) report(logits, params.top_logprobs, record);
    return record;
}

Result<TokenRecord> Sampler::score(std::span<const float> logits, int32_t token, int32_t top) {
    CHECK_EQ(logits.size(), weights_.size());
    if (const Status status = check_finite(logits); !status) return status.error();
    TokenRecord record;
    record.token = token;
    report(logits, top, record);
    record.processed_logprob = record.raw_logprob;
    return record;
}

std::span<const float> Sampler::process(std::span<const float> logits, const DrawContext& context) {
    const SamplingParams& params = context.params;
    const bool penalties =
        params.repetition_penalty != 1 || params.presence_penalty != 0 || params.frequency_penalty != 0;
    const auto generated = static_cast<int32_t>(context.tokens.size()) - context.prompt_tokens;
    const bool masks = generated < params.min_tokens && !params.stop_ids.empty() &&
                       (context.allowed.empty() || has_others(context.allowed, params.stop_ids));
    if (!penalties && !masks && params.logit_bias.empty() && context.allowed.empty()) return logits;
    if (context.allowed.empty()) {
        processed_.assign(logits.begin(), logits.end());
    } else {
        mask(logits, context.allowed);
    }
    if (penalties) penalise(context);
    for (const auto& [token, addend] : params.logit_bias) processed_[static_cast<size_t>(token)] += addend;
    if (masks) {
        for (const int32_t id : params.stop_ids) {
            if (id >= 0 && static_cast<size_t>(id) < processed_.size()) processed_[static_cast<size_t>(id)] = kMasked;
        }
    }
    return processed_;
}

void Sampler::mask(std::span<const float> logits, std::span<const uint64_t> allowed) {
    CHECK_GE(allowed.size() * 64, logits.size());
    processed_.resize(logits.size());
    for (size_t begin = 0; begin < logits.size(); begin += 64) {
        const uint64_t word = allowed[begin / 64];
        const size_t end = std::min(begin + 64, logits.size());
        if (word == ~uint64_t{0}) {
            std::copy(logits.begin() + begin, logits.begin() + end, processed_.begin() + begin);
        } else if (word == 0) {
            std::fill(processed_.begin() + begin, processed_.begin() + end, kMasked);
        } else {
            for (size_t i = begin; i < end; i++) processed_[i] = word >> (i - begin) & 1 ? logits[i] : kMasked;
        }
    }
}

// seen_ holds 1 + the count in the output of every token that occurs; the second pass applies and clears it.
void Sampler::penalise(const DrawContext& context) {
    seen_.resize(weights_.size());
    for (size_t i = 0; i < context.tokens.size(); i++) {
        int32_t& seen = seen_[static_cast<size_t>(context.tokens[i])];
        seen = std::max(seen, 1) + (i >= static_cast<size_t>(context.prompt_tokens));
    }
    const SamplingParams& params = context.params;
    for (const int32_t token : context.tokens) {
        int32_t& seen = seen_[static_cast<size_t>(token)];
        if (seen == 0) continue;
        float& logit = processed_[static_cast<size_t>(token)];
        logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
        logit -= params.frequency_penalty * static_cast<float>(seen - 1);
        if (seen > 1) logit -= params.presence_penalty;
        seen = 0;
    }
}

int32_t Sampler::draw_from_all(std::span<const float> logits, const math::LogNormaliser& whole, double uniform) {
    const auto count = static_cast<int64_t>(logits.size());
    kernels_.rows.logprobs.run(logits.data(), whole.temperature, {whole.maximum, whole.log_sum}, weights_.data(),
                               count);
    kernels_.rows.exp.run(weights_.data(), weights_.data(), count);
    const auto chunk_at = [&](size_t begin) {
        return std::span<const float>(weights_).subspan(begin, std::min(kSumChunk, weights_.size() - begin));
    };
    double total = 0;
    for (size_t begin = 0; begin < weights_.size(); begin += kSumChunk) total += sum_of(chunk_at(begin));
    const double target = uniform * total;
    double before = 0;
    size_t last = 0;         // the last chunk with any probability,
    double before_last = 0;  // and what is before it
    for (size_t begin = 0; begin < weights_.size(); begin += kSumChunk) {
        const double sum = sum_of(chunk_at(begin));
        if (sum == 0) continue;
        last = begin;
        before_last = before;
        before += sum;
        if (before > target) break;
    }
    return static_cast<int32_t>(last + index_at(chunk_at(last), target - before_last));
}

// Sets order_ (indices, most likely first), kept_ (their logits) and weights_ (their probabilities before the cut);
// returns how many of them stay. Selects few first and more only if the cut lies beyond; what stays does not depend on
// that.
size_t Sampler::cut(std::span<const float> logits, const SamplingParams& params, const math::LogNormaliser& whole) {
    const size_t limit = params.top_k > 0 ? std::min(static_cast<size_t>(params.top_k), logits.size()) : logits.size();
    const bool restricted = params.top_k > 0 || params.min_p > 0;
    for (size_t selected = std::min(limit, kFirstSelection);; selected = std::min(limit, selected * kSelectionGrowth)) {
        order_ = selection_.select(logits, selected);
        kept_.clear();
        for (const int32_t index : order_) kept_.push_back(logits[static_cast<size_t>(index)]);
        const auto count = static_cast<int64_t>(selected);
        kernels_.rows.logprobs.run(kept_.data(), whole.temperature, {whole.maximum, whole.log_sum}, weights_.data(),
                                   count);
        kernels_.rows.exp.run(weights_.data(), weights_.data(), count);

        const float least = params.min_p * weights_[0];
        size_t kept = 1;
        while (kept < selected && weights_[kept] >= least) kept++;
        const bool bounded = kept < selected || selected == limit;
        if (params.top_p < 1 && (bounded || !restricted)) {
            double mass = 1;
            if (restricted) {
                mass = 0;
                for (size_t i = 0; i < kept; i++) mass += static_cast<double>(weights_[i]);
            }
            const double wanted = static_cast<double>(params.top_p) * mass;
            double before = 0;
            for (size_t i = 0; i < kept; i++) {
                if (i > 0 && before >= wanted) return i;
                before += static_cast<double>(weights_[i]);
            }
        }
        if (bounded) return kept;
    }
}

void Sampler::report(std::span<const float> logits, int32_t top, TokenRecord& record) {
    math::all_logprobs(kernels_, logits, 1, weights_);
    const float own = weights_[static_cast<size_t>(record.token)];
    record.raw_logprob = own;
    int32_t better = 0;
    for (const float other : weights_) better += other > own;
    const auto equals_before = std::span(weights_).first(static_cast<size_t>(record.token));
    record.rank = 1 + better + static_cast<int32_t>(std::ranges::count(equals_before, own));
    for (const int32_t index : selection_.select(weights_, static_cast<size_t>(top))) {
        record.top.push_back({index, weights_[static_cast<size_t>(index)]});
    }
}

}  // namespace hone::engine
