// Requests whose output is constrained: masks in the sampler, forced tokens in the loop.
#include <cmath>
#include <deque>
#include <set>

#include <gtest/gtest.h>

#include "engine/check_request.h"
#include "engine/decode/sampler.h"
#include "engine/loop.h"
#include "tests/engine/loop_fixture.h"

namespace hone::engine {
namespace {

using testing_models::test_kernels;

constexpr int32_t kVocabulary = 200, kEnd = 199;

// A text of `length` tokens and an end: token n is one of a few that depend on n and the token before; in every third
// place there is only one.
class PatternText : public ConstrainedText {
  public:
    PatternText(int32_t length, bool forces) : length_(length), forces_(forces) {}

    static std::set<int32_t> choices(int32_t at, int32_t before, int32_t length) {
        if (at == length) return {kEnd};
        if (at % 3 != 0) return {(at * 7 + before) % 190};
        return {at % 190, (at * 5 + before) % 190, (at * 11 + 3) % 190};
    }

    Result<std::span<const uint64_t>> allowed() override {
        words_.assign((kVocabulary + 63) / 64, 0);
        for (const int32_t token : choices(at_, before_, length_)) words_[token / 64] |= uint64_t{1} << (token % 64);
        return std::span<const uint64_t>(words_);
    }
    Status accept(int32_t token) override {
        CHECK(!ended_ && choices(at_, before_, length_).contains(token), "token {} at {}", token, at_);
        ended_ = token == kEnd;
        before_ = token;
        at_++;
        return ok();
    }
    bool ended() const override { return ended_; }
    Result<std::vector<int32_t>> forced() override {
        std::vector<int32_t> tokens;
        int32_t before = before_;
        for (int32_t at = at_; forces_ && at < length_ && choices(at, before, length_).size() == 1; at++) {
            before = *choices(at, before, length_).begin();
            tokens.push_back(before);
        }
        return tokens;
    }

  private:
    int32_t length_, at_ = 0, before_ = 0;
    bool forces_, ended_ = false;
    std::vector<uint64_t> words_;
};

class Pattern : public TokenConstraint {
  public:
    explicit Pattern(int32_t length, bool forces = true, int32_t vocabulary = kVocabulary)
        : length_(length), forces_(forces), vocabulary_(vocabulary) {}
    std::unique_ptr<ConstrainedText> begin() const override { return std::make_unique<PatternText>(length_, forces_); }
    int32_t vocabulary() const override { return vocabulary_; }

  private:
    int32_t length_;
    bool forces_;
    int32_t vocabulary_;
};

// Free tokens (below kFree), each with a run of letters behind it that are known: token kFree + n writes n of them, for n
// of 1 to 3. The run is cut as a tokenizer might: another cut would go on otherwise.
class CutText : public ConstrainedText {
  public:
    static constexpr int32_t kFree = 100;

    Result<std::span<const uint64_t>> allowed() override {
        words_.assign((kVocabulary + 63) / 64, 0);
        const auto allow = [&](int32_t token) { words_[token / 64] |= uint64_t{1} << (token % 64); };
        if (runs_.empty()) allow(kEnd);
        for (int32_t token = 0; !runs_.empty() && !in_run_ && token < kFree; token++) allow(token);
        for (int32_t letters = 1; in_run_ && letters <= std::min(runs_.front(), 3); letters++) allow(kFree + letters);
        return std::span<const uint64_t>(words_);
    }
    Status accept(int32_t token) override {
        const auto words = *allowed();
        CHECK(words[token / 64] >> (token % 64) & 1, "token {}", token);
        if (token == kEnd) ended_ = true;
        if (in_run_ && (runs_.front() -= token - kFree) == 0)
            runs_.pop_front(), in_run_ = false;
        else if (!ended_ && token < kFree)
            in_run_ = true;
        return ok();
    }
    bool ended() const override { return ended_; }
    Result<std::vector<int32_t>> forced() override { return in_run_ ? cut(runs_.front()) : std::vector<int32_t>(); }

    static std::vector<int32_t> cut(int32_t letters) {
        std::vector<int32_t> tokens = {kFree + 1};
        for (letters--; letters > 0; letters -= 3) tokens.push_back(kFree + std::min(letters, 3));
        return tokens;
    }
    static std::deque<int32_t> runs() { return {10, 3, 300}; }

  private:
    std::deque<int32_t> runs_ = runs();
    bool in_run_ = false, ended_ = false;
    std::vector<uint64_t> words_;
};

class Cut : public TokenConstraint {
  public:
    std::unique_ptr<ConstrainedText> begin() const override { return std::make_unique<CutText>(); }
    int32_t vocabulary() const override { return kVocabulary; }
};

// Goes wrong at the fourth token, in one of the questions.
enum class Fault { kAllowed, kAccept, kForced };
class FaultyText : public PatternText {
  public:
    explicit FaultyText(Fault fault) : PatternText(30, false), fault_(fault) {}

    Result<std::span<const uint64_t>> allowed() override {
        if (accepted_ == 3 && fault_ == Fault::kAllowed) return error("too hard");
        return PatternText::allowed();
    }
    Status accept(int32_t token) override {
        if (accepted_++ == 3 && fault_ == Fault::kAccept) return error("too hard");
        return PatternText::accept(token);
    }
    Result<std::vector<int32_t>> forced() override {
        if (accepted_ == 4 && fault_ == Fault::kForced) return error("too hard");
        return PatternText::forced();
    }

  private:
    Fault fault_;
    int accepted_ = 0;
};

class Faulty : public TokenConstraint {
  public:
    explicit Faulty(Fault fault) : fault_(fault) {}
    std::unique_ptr<ConstrainedText> begin() const override { return std::make_unique<FaultyText>(fault_); }
    int32_t vocabulary() const override { return kVocabulary; }

  private:
    Fault fault_;
};

std::vector<uint64_t> mask_of(const std::vector<int32_t>& tokens) {
    std::vector<uint64_t> words((kVocabulary + 63) / 64, 0);
    for (const int32_t token : tokens) words[static_cast<size_t>(token) / 64] |= uint64_t{1} << (token % 64);
    return words;
}

class ConstrainedSampler : public testing::Test {
  protected:
    ConstrainedSampler() {
        for (int i = 0; i < kVocabulary; i++) logits.push_back(std::sin(static_cast<float>(i)));
    }
    Result<TokenRecord> draw(const SamplingParams& params, const std::vector<uint64_t>& allowed, uint64_t seed = 1) {
        return sampler.draw(logits,
                            {.params = params, .seed = seed, .tokens = tokens, .prompt_tokens = 1, .allowed = allowed});
    }
    std::vector<float> logits;
    std::vector<int32_t> tokens = {3, 4};
    Sampler sampler{test_kernels(), kVocabulary};
};

TEST_F(ConstrainedSampler, draws_as_if_the_other_tokens_did_not_exist) {
    const std::vector<int32_t> some = {2, 63, 64, 70, 127, 128, 199};
    const auto allowed = mask_of(some);
    double total = 0;
    for (const int32_t token : some) total += std::exp(static_cast<double>(logits[token]));
    for (const SamplingParams& params : {SamplingParams{}, SamplingParams{.top_p = 0.999999f}}) {
        std::map<int32_t, int> counts;
        for (uint64_t seed = 0; seed < 4000; seed++) {
            const auto record = draw(params, allowed, seed);
            ASSERT_TRUE(record.ok());
            counts[record->token]++;
            EXPECT_NEAR(record->processed_logprob, logits[record->token] - std::log(total), 1e-4);
        }
        for (const auto& [token, count] : counts) {
            EXPECT_TRUE(std::ranges::find(some, token) != some.end()) << token;
            EXPECT_NEAR(count / 4000.0, std::exp(logits[token]) / total, 0.03) << token;
        }
    }
    const SamplingParams penalised{.temperature = 0, .repetition_penalty = 2, .logit_bias = {{5, 100.0f}, {70, 50.0f}}};
    EXPECT_EQ(draw(penalised, allowed)->token, 70);
}

TEST_F(ConstrainedSampler, a_single_token_is_certain_and_keeps_its_own_log_probability) {
    const auto record = draw({.top_logprobs = 2}, mask_of({130}));
    ASSERT_TRUE(record.ok());
    EXPECT_EQ(record->token, 130);
    EXPECT_EQ(record->processed_logprob, 0);
    EXPECT_EQ(record->raw_logprob, sampler.score(logits, 130, 0)->raw_logprob);
    EXPECT_EQ(record->top.size(), 2u);
}

TEST_F(ConstrainedSampler, nothing_allowed_is_an_error_and_min_tokens_gives_way) {
    for (const float temperature : {0.0f, 1.0f}) {
        const auto none = draw({.temperature = temperature}, mask_of({}));
        ASSERT_FALSE(none.ok());
        EXPECT_EQ(none.error().message, "the form of the answer allows no token here");
    }
    const SamplingParams patient{.stop_ids = {kEnd, 198}, .min_tokens = 50};
    for (uint64_t seed = 0; seed < 50; seed++) EXPECT_EQ(draw(patient, mask_of({7, kEnd, 198}), seed)->token, 7);
    EXPECT_GE(draw(patient, mask_of({kEnd, 198}))->token, 198);
}

class ConstrainedLoop : public LoopFixture {
  protected:
    ConstrainedLoop() : LoopFixture(kVocabulary) {}

    RequestId add(std::shared_ptr<const TokenConstraint> constraint, SamplingParams sampling, size_t prompt = 5) {
        Request request = request_of(prompt, std::move(sampling));
        request.constraint = std::move(constraint);
        return LoopFixture::add(std::move(request));
    }
    std::vector<int32_t> tokens_of(RequestId id) {
        std::vector<int32_t> tokens;
        for (const TokenRecord& record : records_of(id)) tokens.push_back(record.token);
        return tokens;
    }
};

TEST_F(ConstrainedLoop, forced_tokens_take_no_steps_and_change_nothing) {
    std::vector<int32_t> tokens[2];
    uint64_t steps[2];
    for (const bool forces : {false, true}) {
        start();
        const auto id = add(std::make_shared<Pattern>(30, forces), {.max_tokens = 100});
        run();
        tokens[forces] = tokens_of(id);
        steps[forces] = loop->metrics().steps;
        EXPECT_EQ(events[id].back().finish, FinishReason::stop);
        EXPECT_EQ(events[id].back().stop_token, kEnd);
        EXPECT_EQ(loop->metrics().generated_tokens, 31u);
        EXPECT_EQ(loop->metrics().pages_in_use, 0);
    }
    EXPECT_EQ(tokens[0], tokens[1]);
    EXPECT_EQ(steps[0], 31u);
    EXPECT_EQ(steps[1], 11u);
}

TEST_F(ConstrainedLoop, log_probabilities_are_those_of_every_token) {
    start();
    const auto id = add(std::make_shared<Pattern>(12), {.max_tokens = 100, .top_logprobs = 1});
    run();
    EXPECT_EQ(loop->metrics().steps, 13u);
    for (const RequestEvent& event : events[id]) {
        ASSERT_EQ(event.tokens.size(), 1u);
        EXPECT_LT(event.tokens[0].raw_logprob, 0);
        EXPECT_GE(event.tokens[0].processed_logprob, event.tokens[0].raw_logprob);
        EXPECT_EQ(event.tokens[0].top.size(), 1u);
    }
}

// Whether they are appended at once or drawn one by one, because their log-probabilities are wanted.
TEST_F(ConstrainedLoop, forced_tokens_are_the_same_with_log_probabilities) {
    std::vector<int32_t> plain, scored;
    for (std::vector<int32_t>* tokens : {&plain, &scored}) {
        start();
        const auto id = add(std::make_shared<Cut>(), {.max_tokens = 500, .top_logprobs = tokens == &scored ? 1 : -1});
        run();
        *tokens = tokens_of(id);
        EXPECT_EQ(events[id].back().finish, FinishReason::stop);
        for (const RequestEvent& event : events[id]) {
            for (const TokenRecord& record : event.tokens) {
                if (tokens != &scored) continue;
                EXPECT_LT(record.raw_logprob, 0);
                EXPECT_EQ(record.top.size(), 1u);
                EXPECT_EQ(record.processed_logprob == 0, record.token > CutText::kFree);
            }
        }
    }
    EXPECT_EQ(plain, scored);
    std::vector<int32_t> expected;
    size_t at = 0;
    for (const int32_t run : CutText::runs()) {
        ASSERT_LT(at, plain.size());
        expected.push_back(plain[at]);
        const std::vector<int32_t> cut = CutText::cut(run);
        expected.insert(expected.end(), cut.begin(), cut.end());
        at = expected.size();
    }
    expected.push_back(kEnd);
    EXPECT_EQ(plain, expected);
}

TEST_F(ConstrainedLoop, a_constraint_that_fails_ends_its_request_alone) {
    for (const Fault fault : {Fault::kAllowed, Fault::kAccept, Fault::kForced}) {
        start();
        const auto mate = add(std::make_shared<Pattern>(30), {.max_tokens = 100});
        const auto id = add(std::make_shared<Faulty>(fault), {.max_tokens = 100});
        run();
        EXPECT_EQ(events[id].back().finish, FinishReason::error);
        EXPECT_EQ(tokens_of(id).size(), 3u);
        EXPECT_NE(events[id].back().message.find("too hard"), std::string::npos) << events[id].back().message;
        EXPECT_EQ(events[mate].back().finish, FinishReason::stop);
        EXPECT_EQ(loop->metrics().pages_in_use, 0);
    }
}

TEST_F(ConstrainedLoop, ends_inside_a_forced_run) {
    start();
    const auto limited = add(std::make_shared<Pattern>(30), {.max_tokens = 5});
    run();
    EXPECT_EQ(tokens_of(limited).size(), 5u);
    EXPECT_EQ(events[limited].back().finish, FinishReason::length);
    const auto whole = tokens_of(limited);
    const auto stopped = add(std::make_shared<Pattern>(30), {.stop_ids = {whole[1]}, .max_tokens = 50});
    run();
    EXPECT_EQ(events[stopped].back().finish, FinishReason::stop);
    EXPECT_EQ(events[stopped].back().stop_token, whole[1]);
    EXPECT_EQ(tokens_of(stopped).size(), 2u);
}

TEST_F(ConstrainedLoop, preemption_and_mates_change_nothing) {
    start();
    const auto alone = add(std::make_shared<Pattern>(150), {.max_tokens = 200});
    run();
    const auto expected = tokens_of(alone);
    for (const Policy policy : {plan_chunked, plan_layered, plan_auto}) {
        start(12, {.limits = {.prefix_cache = false}, .policy = policy});
        std::vector<RequestId> ids;
        for (int i = 0; i < 5; i++) ids.push_back(add(std::make_shared<Pattern>(150), {.max_tokens = 200}));
        run();
        for (const RequestId id : ids) EXPECT_EQ(tokens_of(id), expected);
        EXPECT_GT(loop->metrics().preemptions, 0u);
    }
}

TEST_F(ConstrainedLoop, a_constraint_for_another_vocabulary_is_refused) {
    Request request{.prompt = {1}, .sampling = {}};
    request.constraint = std::make_shared<Pattern>(3, true, 100);
    EXPECT_FALSE(check_request(request, kVocabulary, 1000).ok());
    request.constraint = std::make_shared<Pattern>(3);
    EXPECT_TRUE(check_request(request, kVocabulary, 1000).ok());
}

}  // namespace
}  // namespace hone::engine
