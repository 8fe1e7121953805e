// Distillation: golden values, gradients by differences, the same bits on every ISA and for any thread count.

#include "train/losses/distillation.h"

#include "finite_differences.h"
#include "loss_fixture.h"
#include "math/ops/logprob.h"

namespace hone::train {
namespace {

using math::TestContext;
using Doubles = std::span<const double>;

MatrixView<const float> view(const std::vector<float>& values, int64_t rows) {
    return {values.data(), rows, static_cast<int64_t>(values.size()) / rows};
}

// Log-probabilities of every token, [rows, V].
std::vector<float> all_rows(const math::KernelTable& kernels, const std::vector<float>& logits, int64_t rows) {
    std::vector<float> out(logits.size());
    const size_t width = logits.size() / static_cast<size_t>(rows);
    for (size_t row = 0; row < static_cast<size_t>(rows); row++) {
        math::all_logprobs(kernels, std::span(logits).subspan(row * width, width), 1, {&out[row * width], width});
    }
    return out;
}

std::vector<float> gathered(const std::vector<float>& values, const std::vector<int32_t>& ids, int64_t rows) {
    std::vector<float> out(ids.size());
    const size_t width = values.size() / static_cast<size_t>(rows), k = ids.size() / static_cast<size_t>(rows);
    for (size_t i = 0; i < ids.size(); i++) out[i] = values[i / k * width + static_cast<size_t>(ids[i])];
    return out;
}

// From gradients to listed log-probabilities to those to logits: dz_v = sum over k of dlp_k ((v is k) - p_v).
std::vector<float> to_logits(const std::vector<float>& dlp, const std::vector<int32_t>& ids,
                             const std::vector<float>& logprobs, int64_t rows) {
    const size_t width = logprobs.size() / static_cast<size_t>(rows), k = ids.size() / static_cast<size_t>(rows);
    std::vector<double> out(logprobs.size());
    for (size_t row = 0; row < static_cast<size_t>(rows); row++) {
        for (size_t j = row * k; j < (row + 1) * k; j++) {
            out[row * width + static_cast<size_t>(ids[j])] += dlp[j];
            for (size_t v = row * width; v < (row + 1) * width; v++) out[v] -= dlp[j] * std::exp(double{logprobs[v]});
        }
    }
    return {out.begin(), out.end()};
}

TEST(DistillationGolden, EveryCase) {
    const GoldenOp golden("loss_distill");
    TestContext context;
    const auto& kernels = context.op.kernels;
    for (const std::string& name : golden.cases()) {
        const auto student = golden.values(name, "in/student"), teacher = golden.values(name, "in/teacher");
        const int64_t rows = golden.shape(name, "in/student")[0];
        const auto alpha = golden.attributes(name).at("alpha").to_number<float>();
        if (name.find("_full_") != std::string::npos) {
            std::vector<float> each(static_cast<size_t>(rows)), dstudent(student.size());
            const std::vector<float> weights(each.size(), 1);
            full_divergence(context.op, view(student, rows), view(teacher, rows), alpha, weights, each,
                            {dstudent.data(), rows, view(student, rows).cols});
            golden.expect_within(name, "each", each, GoldenPrecision::fp32);
            golden.expect_within(name, "dstudent", dstudent, GoldenPrecision::fp32);
            continue;
        }
        const Rest rest = name.find("_tail_") != std::string::npos ? Rest::tail : Rest::dropped;
        const auto ids = golden.values<int32_t>(name, "in/ids");
        const auto s = all_rows(kernels, student, rows);
        const auto s_listed = gathered(s, ids, rows), t_listed = gathered(all_rows(kernels, teacher, rows), ids, rows);
        const TokenLoss loss = topk_divergence(kernels, view(s_listed, rows), view(t_listed, rows), alpha, rest);
        const auto sum = static_cast<float>(loss.sum);
        golden.expect_within(name, "each", loss.each, GoldenPrecision::fp32);
        golden.expect_within(name, "loss", {&sum, 1}, GoldenPrecision::fp32);
        golden.expect_within(name, "dstudent", to_logits(loss.dlp, ids, s, rows), GoldenPrecision::fp32);
    }
}

// Log-probabilities in double: of all logits, of listed ones with a tail, of listed ones divided by their sum.
std::vector<double> log_softmax(Doubles logits) {
    const double maximum = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const double z : logits) sum += std::exp(z - maximum);
    std::vector<double> out;
    for (const double z : logits) out.push_back(z - maximum - std::log(sum));
    return out;
}

std::vector<double> with_tail(Doubles logprobs) {
    double sum = 0;
    for (const double s : logprobs) sum += std::exp(s);
    std::vector<double> out(logprobs.begin(), logprobs.end());
    out.push_back(std::log(1 - sum));
    return out;
}

double divergence(Doubles s, Doubles t, double alpha) {
    double sum = 0;
    for (size_t i = 0; i < s.size(); i++) {
        const double p = std::exp(s[i]), q = std::exp(t[i]), m = std::log((1 - alpha) * p + alpha * q);
        if (alpha == 0) sum += q * (t[i] - s[i]);
        if (alpha == 1) sum += p * (s[i] - t[i]);
        if (alpha > 0 && alpha < 1) sum += (1 - alpha) * p * (s[i] - m) + alpha * q * (t[i] - m);
    }
    return sum;
}

constexpr float kAlphas[] = {0, 1, 0.5f, 0.2f};

TEST(Distillation, GradientsAreThoseOfTheFormulas) {
    TestContext context;
    for (const float alpha : kAlphas) {
        const auto student = random_values(1, 19, 2), teacher = random_values(2, 19, 2);
        const std::vector<double> wide(teacher.begin(), teacher.end());
        const auto t = log_softmax(wide);
        std::vector<float> each(1), dstudent(19);
        const std::vector<float> weights = {0.75f};
        full_divergence(context.op, view(student, 1), view(teacher, 1), alpha, weights, each, {dstudent.data(), 1, 19});
        expect_gradient([&](Doubles z) { return 0.75 * divergence(log_softmax(z), t, alpha); }, student, dstudent,
                        fmt::format("full {}", alpha));
        // Listed log-probabilities are free variables of the top-k forms.
        std::vector<float> s_listed(5), t_listed(5);
        for (size_t i = 0; i < 5; i++) s_listed[i] = student[i] - 4, t_listed[i] = static_cast<float>(t[i]);
        const std::vector<double> t_wide(t_listed.begin(), t_listed.end());
        for (const Rest rest : {Rest::tail, Rest::dropped}) {
            const auto loss = topk_divergence(context.op.kernels, view(s_listed, 1), view(t_listed, 1), alpha, rest);
            const auto outcomes = rest == Rest::tail ? with_tail : log_softmax;
            // With a tail, d/ds carries one more multiple of p for the reverse form, which the softmax takes away.
            const auto f = [&](Doubles s) { return divergence(outcomes(s), outcomes(t_wide), alpha); };
            expect_gradient(f, s_listed, loss.dlp, fmt::format("listed {} {}", alpha, static_cast<int>(rest)), 1e-4);
        }
    }
}

TEST(Distillation, TheSameBitsOnEveryIsaAndForAnyThreadCount) {
    constexpr int64_t kRows = 9, kVocabulary = 2500;
    const auto student = random_values(3, kRows * kVocabulary, 3), teacher = random_values(4, kRows * kVocabulary, 3);
    const std::vector<float> weights = {1, 0.5f, 0, -1, 2, 1, 1, 1, 1};
    for (const float alpha : kAlphas) {
        std::vector<float> expected_each, expected;
        for (const math::KernelTable* table : math::runnable_kernel_tables()) {
            for (const int threads : {1, 2, 3}) {
                TestContext context(*table, threads);
                std::vector<float> each(kRows), dstudent(kRows * kVocabulary);
                full_divergence(context.op, view(student, kRows), view(teacher, kRows), alpha, weights, each,
                                {dstudent.data(), kRows, kVocabulary});
                if (expected.empty()) expected_each = each, expected = dstudent;
                const std::string what = fmt::format("{} {} threads", math::describe(*table), threads);
                math::expect_same_bits(each, expected_each, what);
                math::expect_same_bits(dstudent, expected, what);
            }
        }
        const auto compute = [&](const math::KernelTable& kernels) {
            const std::vector<float> s(70, -5), t = random_values(5, 70, 0.1f);
            std::vector<float> negative = t;
            for (float& value : negative) value -= 5;
            return topk_divergence(kernels, view(s, 2), view(negative, 2), alpha, Rest::tail);
        };
        same_on_every_isa(compute, fmt::format("listed {}", alpha));
    }
}

TEST(Distillation, AddsToTheGradientAndSkipsRowsOfWeightZero) {
    TestContext context;
    const auto student = random_values(6, 2 * 40, 2), teacher = random_values(7, 2 * 40, 2);
    std::vector<float> each(2), once(80), twice(80, 1.5f);
    const std::vector<float> weights = {1, 0};
    for (auto* dstudent : {&once, &twice}) {
        full_divergence(context.op, view(student, 2), view(teacher, 2), 1, weights, each, {dstudent->data(), 2, 40});
    }
    for (size_t i = 0; i < 80; i++) EXPECT_EQ(twice[i], 1.5f + once[i]);
    for (size_t i = 40; i < 80; i++) EXPECT_EQ(once[i], 0);
    EXPECT_GT(each[1], 0);
}

// Where student and teacher are one model: exactly no divergence and no gradient. Tokens that neither can give do no
// harm.
TEST(Distillation, OfOneselfIsExactlyZero) {
    TestContext context;
    auto logits = random_values(8, 40, 2);
    logits[3] = logits[17] = -INFINITY;
    const std::vector<float> weights = {1};
    for (const float alpha : {0.0f, 1.0f}) {
        std::vector<float> each(1), dstudent(40);
        full_divergence(context.op, view(logits, 1), view(logits, 1), alpha, weights, each, {dstudent.data(), 1, 40});
        EXPECT_EQ(each[0], 0);
        for (const float d : dstudent) EXPECT_NEAR(d, 0, 1e-7);
    }
}

TEST(Distillation, AlmostCertainStudentsKeepFiniteTails) {
    const auto& kernels = best_kernels();
    const std::vector<float> certain = {-1e-9f, -30}, unsure = {-0.5f, -2};
    for (const float alpha : kAlphas) {
        for (const auto& [s, t] : {std::pair(certain, unsure), std::pair(unsure, certain)}) {
            const TokenLoss loss = topk_divergence(kernels, view(s, 1), view(t, 1), alpha, Rest::tail);
            EXPECT_TRUE(std::isfinite(loss.sum));
            for (const float dlp : loss.dlp) EXPECT_TRUE(std::isfinite(dlp));
        }
    }
}

TEST(Distillation, CrossEntropyWithTheTeachersListedTokens) {
    const auto student = random_values(9, 12), teacher = random_values(10, 12);
    const TokenLoss loss = same_on_every_isa(
        [&](const auto& kernels) { return topk_cross_entropy(kernels, view(student, 3), view(teacher, 3)); }, "listed");
    const auto f = [&](Doubles s) {
        double sum = 0;
        for (size_t row = 0; row < 3; row++) {
            const auto begin = teacher.begin() + static_cast<ptrdiff_t>(row * 4);
            const auto t = log_softmax(std::vector<double>(begin, begin + 4));
            for (size_t j = 0; j < 4; j++) sum -= std::exp(t[j]) * s[row * 4 + j];
        }
        return sum;
    };
    EXPECT_NEAR(f(std::vector<double>(student.begin(), student.end())), loss.sum, 1e-6);
    expect_gradient(f, student, loss.dlp, "listed");
}

TEST(Distillation, SdpoWeighsStaleTokensAndAveragesOverTheMask) {
    const auto& kernels = best_kernels();
    std::vector<float> student = random_values(11, 9, 0.3f), teacher = random_values(12, 9, 0.3f);
    for (float& value : student) value -= 3;
    for (float& value : teacher) value -= 3;
    const std::vector<float> lp = {-1, -2, -3}, q = {-1.5f, NAN, -9}, mask = {1, 0, 1}, teacher_lp = {-2, -2, -2.5f};
    const double weights[] = {std::exp(0.5), 0, 2};
    const SdpoTokens tokens{lp, q, mask};
    const TokenLoss loss = sdpo(kernels, view(student, 3), view(teacher, 3), tokens);
    const auto f = [&](Doubles s) {
        double sum = 0;
        for (size_t row : {size_t{0}, size_t{2}}) {
            const auto begin = teacher.begin() + static_cast<ptrdiff_t>(row * 3);
            const std::vector<double> t(begin, begin + 3);
            sum += weights[row] * divergence(with_tail(s.subspan(row * 3, 3)), with_tail(t), 0.5);
        }
        return sum / 2;
    };
    EXPECT_NEAR(f(std::vector<double>(student.begin(), student.end())), loss.sum, 1e-6);
    expect_gradient(f, student, loss.dlp, "sdpo", 1e-4);
    const std::vector<float> far = {-40, 40}, here(2);
    const auto bounded = staleness_weights(kernels, far, here, 1e30f);
    EXPECT_NEAR(bounded[0] / std::exp(-20.0), 1, 1e-6);
    EXPECT_NEAR(bounded[1] / std::exp(20.0), 1, 1e-6);
    const TokenLoss sampled = sdpo_reinforce(kernels, teacher_lp, tokens);
    for (size_t i = 0; i < 3; i++) EXPECT_NEAR(sampled.dlp[i], weights[i] * (lp[i] - teacher_lp[i]) / 2, 1e-6);
    EXPECT_NEAR(sampled.sum, (weights[0] * 1 * -1 + weights[2] * -0.5 * -3) / 2, 1e-6);
}

}  // namespace
}  // namespace hone::train
