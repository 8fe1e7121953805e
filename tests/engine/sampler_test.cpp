#include "engine/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "base/cpu_features.h"
#include "base/rng.h"
#include "tests/engine/fake_model.h"

namespace hone::engine {
namespace {

constexpr int32_t kVocabulary = 3000;

std::vector<float> random_logits(uint64_t seed, int32_t count = kVocabulary, float spread = 3) {
    Random random(seed);
    std::vector<float> logits(static_cast<size_t>(count));
    for (float& logit : logits) logit = spread * random.normal();
    return logits;
}

// The sampler's rules in long double and with full sorts: the probability of every token.
std::vector<long double> expected_distribution(std::vector<float> logits, const SamplingParams& params,
                                               const std::vector<int32_t>& tokens, int32_t prompt) {
    std::map<int32_t, int32_t> seen;  // output counts
    for (size_t i = 0; i < tokens.size(); i++) seen[tokens[i]] += i >= static_cast<size_t>(prompt);
    for (const auto& [token, count] : seen) {
        float& logit = logits[static_cast<size_t>(token)];
        logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
        logit -= params.frequency_penalty * static_cast<float>(count) + (count > 0 ? params.presence_penalty : 0);
    }
    for (const auto& [token, addend] : params.logit_bias) logits[static_cast<size_t>(token)] += addend;
    std::vector<size_t> order(logits.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    std::vector<long double> weights;
    for (const size_t index : order) {
        weights.push_back(
            std::exp((static_cast<long double>(logits[index]) - static_cast<long double>(logits[order[0]])) /
                     static_cast<long double>(params.temperature)));
    }
    size_t kept = 1;
    while (kept < weights.size() && weights[kept] >= static_cast<long double>(params.min_p)) kept++;
    if (params.top_k > 0) kept = std::min(kept, static_cast<size_t>(params.top_k));
    weights.resize(kept);
    const auto mass = std::accumulate(weights.begin(), weights.end(), 0.0L);
    if (params.top_p < 1) {
        long double before = 0;
        size_t nucleus = 0;
        while (nucleus < kept && (nucleus == 0 || before < static_cast<long double>(params.top_p) * mass))
            before += weights[nucleus++];
        weights.resize(nucleus);
    }
    const auto total = std::accumulate(weights.begin(), weights.end(), 0.0L);
    std::vector<long double> probabilities(logits.size());
    for (size_t i = 0; i < weights.size(); i++) probabilities[order[i]] = weights[i] / total;
    return probabilities;
}

class SamplerTest : public testing::Test {
  protected:
    SamplerTest() { flush_denormals(); }
    TokenRecord draw(const std::vector<float>& logits, const SamplingParams& params, uint64_t seed = 1,
                     const std::vector<int32_t>& tokens = {1}, int32_t prompt = 1) {
        auto record = sampler.draw(logits, {.params = params, .seed = seed, .tokens = tokens, .prompt_tokens = prompt});
        EXPECT_TRUE(record.ok());
        return std::move(*record);
    }
    // 20,000 draws agree with the expected distribution, and so does the log-probability told with each.
    void expect_distribution(const SamplingParams& params, const std::vector<int32_t>& tokens = {1},
                             int32_t prompt = 1) {
        constexpr int kDraws = 20000;
        const auto logits = random_logits(5);
        const auto expected = expected_distribution(logits, params, tokens, prompt);
        std::map<int32_t, int> counts;
        for (int i = 0; i < kDraws; i++) {
            const TokenRecord record = draw(logits, params, static_cast<uint64_t>(i), tokens, prompt);
            const auto probability = expected[static_cast<size_t>(record.token)];
            ASSERT_GT(probability, 0) << "token " << record.token << " was cut";
            EXPECT_NEAR(record.processed_logprob, static_cast<double>(std::log(probability)), 2e-5);
            counts[record.token]++;
        }
        double chi_squared = 0, rest = 1, rest_drawn = kDraws;
        int degrees = 0;
        for (size_t token = 0; token < expected.size(); token++) {
            const auto mean = static_cast<double>(expected[token]) * kDraws;
            if (mean < 20) continue;
            const double drawn = counts[static_cast<int32_t>(token)];
            chi_squared += (drawn - mean) * (drawn - mean) / mean;
            rest -= static_cast<double>(expected[token]);
            rest_drawn -= drawn;
            degrees++;
        }
        if (rest * kDraws > 20) {
            chi_squared += (rest_drawn - rest * kDraws) * (rest_drawn - rest * kDraws) / (rest * kDraws);
            degrees++;
        }
        EXPECT_GT(degrees, 3);
        EXPECT_LT(chi_squared, degrees + 5 * std::sqrt(2.0 * degrees)) << degrees << " degrees";
    }

    Sampler sampler{testing_models::test_kernels(), kVocabulary};
};

TEST_F(SamplerTest, draws_from_the_whole_distribution) {
    expect_distribution({});
    expect_distribution({.temperature = 0.3f});
}

TEST_F(SamplerTest, cuts_before_it_draws) {
    expect_distribution({.top_k = 20});
    expect_distribution({.top_p = 0.8f});
    expect_distribution({.temperature = 1.7f, .top_p = 0.97f});  // a nucleus beyond the first selection
    expect_distribution({.min_p = 0.05f});
    expect_distribution({.temperature = 2, .min_p = 1e-5f});
    expect_distribution({.temperature = 0.7f, .top_k = 50, .top_p = 0.7f, .min_p = 0.02f});
}

TEST_F(SamplerTest, penalises_and_biases_before_temperature) {
    const auto logits = random_logits(5);
    const auto best = static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
    const std::vector<int32_t> tokens{best, 7, 7, best, 9, best};
    SamplingParams params{.temperature = 0.8f,
                          .top_p = 0.9f,
                          .repetition_penalty = 1.2f,
                          .presence_penalty = 0.4f,
                          .frequency_penalty = 0.3f,
                          .logit_bias = {{11, 6.5f}, {best, -0.5f}}};
    expect_distribution(params, tokens, 3);
    // What is left of one request does not change the next.
    const TokenRecord before = draw(logits, {}, 3);
    draw(logits, params, 3, tokens, 3);
    EXPECT_EQ(draw(logits, {}, 3).processed_logprob, before.processed_logprob);
}

TEST_F(SamplerTest, greedy_takes_the_lowest_of_the_largest) {
    std::vector<float> logits(kVocabulary, 0);
    logits[40] = logits[30] = 5;
    const TokenRecord record = draw(logits, {.temperature = 0, .top_logprobs = 3});
    EXPECT_EQ(record.token, 30);
    EXPECT_EQ(record.processed_logprob, 0);
    EXPECT_EQ(record.rank, 1);
    EXPECT_EQ(record.top[1].token, 40);
    EXPECT_EQ(record.top[2].token, 0);
    EXPECT_EQ(record.raw_logprob, record.top[0].logprob);
}

TEST_F(SamplerTest, stop_ids_wait_for_min_tokens) {
    std::vector<float> logits(kVocabulary, 0);
    logits[3] = 9, logits[4] = 8, logits[5] = 7;
    SamplingParams params{.temperature = 0, .stop_ids = {3, 4, kVocabulary + 5}, .min_tokens = 2};
    EXPECT_EQ(draw(logits, params, 1, {1, 2, 2}, 2).token, 5);
    EXPECT_EQ(draw(logits, params, 1, {1, 2, 2, 2}, 2).token, 3);
    params.temperature = 1;
    for (uint64_t seed = 0; seed < 200; seed++) {
        const int32_t token = draw(logits, params, seed, {1, 2}, 2).token;
        EXPECT_TRUE(token != 3 && token != 4);
    }
    params.stop_ids.clear();
    params.temperature = 0;
    EXPECT_EQ(draw(logits, params, 1, {1}, 1).token, 3);
}

TEST_F(SamplerTest, the_draw_is_a_function_of_seed_choice_and_position) {
    const auto logits = random_logits(9);
    SamplingParams params{.temperature = 1.5f};
    const auto token_at = [&](uint64_t seed, int32_t choice, size_t length) {
        params.choice = choice;
        return draw(logits, params, seed, std::vector<int32_t>(length, 1)).token;
    };
    EXPECT_EQ(token_at(1, 0, 5), token_at(1, 0, 5));
    int differ[3] = {};
    for (uint64_t i = 0; i < 50; i++) {
        differ[0] += token_at(i, 0, 5) != token_at(i + 1000, 0, 5);
        differ[1] += token_at(i, 0, 5) != token_at(i, 1, 5);
        differ[2] += token_at(i, 0, 5) != token_at(i, 0, 6);
    }
    for (const int count : differ) EXPECT_GT(count, 40);
}

TEST_F(SamplerTest, raw_log_probabilities_ranks_and_tops_ignore_the_parameters) {
    const auto logits = random_logits(2);
    const SamplingParams params{.temperature = 3, .top_k = 400, .logit_bias = {{1, 50.0f}}, .top_logprobs = 5};
    const TokenRecord drawn = draw(logits, params, 4), scored = std::move(*sampler.score(logits, drawn.token, 5));
    EXPECT_EQ(drawn.raw_logprob, scored.raw_logprob);
    EXPECT_EQ(drawn.rank, scored.rank);
    EXPECT_EQ(scored.processed_logprob, scored.raw_logprob);
    std::vector<float> all(logits.size());
    math::all_logprobs(testing_models::test_kernels(), logits, 1, all);
    EXPECT_EQ(drawn.raw_logprob, all[static_cast<size_t>(drawn.token)]);
    std::vector<int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(
        order, [&](int32_t a, int32_t b) { return all[static_cast<size_t>(a)] > all[static_cast<size_t>(b)]; });
    EXPECT_EQ(order[static_cast<size_t>(drawn.rank - 1)], drawn.token);
    ASSERT_EQ(drawn.top.size(), 5u);
    for (size_t i = 0; i < 5; i++) {
        EXPECT_EQ(drawn.top[i].token, order[i]);
        EXPECT_EQ(drawn.top[i].logprob, all[static_cast<size_t>(order[i])]);
        EXPECT_EQ(scored.top[i].logprob, drawn.top[i].logprob);
    }
}

TEST_F(SamplerTest, every_isa_draws_the_same) {
    for (const math::KernelTable* table : math::runnable_kernel_tables()) {
        Sampler other(*table, kVocabulary);
        for (uint64_t seed = 0; seed < 100; seed++) {
            const auto logits = random_logits(seed);
            const SamplingParams params{.temperature = 0.9f,
                                        .top_k = seed % 3 == 0 ? 40 : 0,
                                        .top_p = seed % 2 == 0 ? 0.9f : 1.0f,
                                        .top_logprobs = 2};
            const TokenRecord a = draw(logits, params, seed);
            const std::vector<int32_t> tokens{1};
            const auto b = other.draw(logits, {.params = params, .seed = seed, .tokens = tokens, .prompt_tokens = 1});
            EXPECT_EQ(a.token, b->token);
            EXPECT_EQ(a.processed_logprob, b->processed_logprob);
            EXPECT_EQ(a.raw_logprob, b->raw_logprob);
            EXPECT_EQ(a.top[1].logprob, b->top[1].logprob);
        }
    }
}

TEST_F(SamplerTest, logits_that_are_not_numbers_are_an_error) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        auto logits = random_logits(1);
        logits[17] = bad;
        const SamplingParams params;
        const auto record = sampler.draw(logits, {.params = params, .seed = 1, .tokens = {}, .prompt_tokens = 0});
        ASSERT_FALSE(record.ok());
        EXPECT_NE(record.error().message.find("logit of token 17"), std::string::npos);
        EXPECT_FALSE(sampler.score(logits, 0, 0).ok());
    }
}

TEST_F(SamplerTest, a_mask_over_everything_is_an_error) {
    Sampler small(testing_models::test_kernels(), 2);
    for (const float temperature : {0.0f, 1.0f}) {
        const SamplingParams params{.temperature = temperature, .stop_ids = {0, 1}, .min_tokens = 1};
        const auto record =
            small.draw(std::vector<float>{1, 2}, {.params = params, .seed = 1, .tokens = {}, .prompt_tokens = 0});
        EXPECT_FALSE(record.ok());
    }
}

TEST(SamplingParams, messages_name_the_parameter_and_its_range) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(SamplingParams{}.validate().ok());
    EXPECT_TRUE((SamplingParams{.max_tokens = 0, .prompt_logprobs = 0}).validate().ok());
    const std::pair<SamplingParams, const char*> cases[] = {
        {{.temperature = -1}, "temperature is -1; it must be from 0 to 100"},
        {{.temperature = nan}, "temperature is nan; it must be from 0 to 100"},
        {{.top_k = -1}, "top_k is -1; it must be from 0 to 2147483647 (0: all)"},
        {{.top_p = 0}, "top_p is 0; it must be above 0 and at most 1"},
        {{.top_p = 1.5f}, "top_p is 1.5; it must be from 0 to 1"},
        {{.min_p = -0.5f}, "min_p is -0.5; it must be from 0 to 1"},
        {{.repetition_penalty = 0}, "repetition_penalty is 0; it must be from 0.01 to 100"},
        {{.presence_penalty = 3}, "presence_penalty is 3; it must be from -2 to 2"},
        {{.frequency_penalty = -3}, "frequency_penalty is -3; it must be from -2 to 2"},
        {{.logit_bias = {{4, 101.0f}}}, "token 4: logit_bias is 101; it must be from -100 to 100"},
        {{.logit_bias = {{-4, 1.0f}}}, "logit_bias: -4 is no token"},
        {{.min_tokens = 17}, "min_tokens is 17; it must be from 0 to 16 (at most max_tokens)"},
        {{.max_tokens = 0}, "max_tokens is 0; it must be at least 1 without prompt_logprobs"},
        {{.choice = -1}, "choice is -1; it must be from 0 to 2147483647 (index of the choice)"},
        {{.top_logprobs = 101}, "top_logprobs is 101; it must be from -1 to 100 (-1: none)"},
    };
    for (const auto& [params, message] : cases) EXPECT_EQ(params.validate().error().message, message);
}

}  // namespace
}  // namespace hone::engine
