// Fidelity: the golden checkpoints through our loader, layers and kernels against the reference implementation's
// float32 run, within the tolerance derived for bf16 inputs of matrix products (tests/golden/README.md): logits, hidden
// state after every layer, router choices, greedy continuation.
#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/score.h"
#include "tests/golden/golden_model.h"

namespace hone::golden {
namespace {

// A choice that leads by less than this many standard deviations of the scores may go either way under bf16 inputs.
constexpr float kClearChoice = 0.1f;

// What we compute for one sequence.
struct OurRun {
    Rows logits;
    std::map<int32_t, Rows> hidden;                               // by layer
    std::map<int32_t, std::vector<std::vector<int32_t>>> chosen;  // by layer: experts of each row, ascending
    std::vector<int32_t> greedy;
};

void append_rows(Rows& rows, math::MatrixView<const float> x) {
    for (int64_t row = 0; row < x.rows; row++) rows.emplace_back(x.row(row), x.row(row) + x.cols);
}

int32_t most_likely(const std::vector<float>& logits) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

OurRun run_sequence(engine::Scorer& scorer, const std::vector<int32_t>& ids, size_t greedy_tokens) {
    OurRun run;
    engine::ExecutorTaps taps;
    taps.hidden = [&](int32_t layer, auto, math::MatrixView<const float> x) { append_rows(run.hidden[layer], x); };
    taps.router = [&](int32_t layer, auto, const math::Routing& routing) {
        for (int64_t row = 0; row < routing.experts.rows; row++) {
            std::vector<int32_t> experts(routing.experts.row(row), routing.experts.row(row) + routing.experts.cols);
            std::sort(experts.begin(), experts.end());
            run.chosen[layer].push_back(experts);
        }
    };
    scorer.begin();
    const auto take = [&](int32_t, math::MatrixView<const float> logits) { append_rows(run.logits, logits); };
    CHECK(scorer.extend(ids, {.chunk_tokens = 40}, take, taps).ok());
    std::vector<float> last = run.logits.back();
    for (size_t i = 0; i < greedy_tokens; i++) {
        run.greedy.push_back(most_likely(last));
        const auto take_last = [&](int32_t, math::MatrixView<const float> logits) {
            last.assign(logits.row(0), logits.row(0) + logits.cols);
        };
        CHECK(scorer.extend({&run.greedy.back(), 1}, {}, take_last).ok());
    }
    return run;
}

std::vector<double> log_softmax(const std::vector<float>& logits) {
    const double maximum = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float z : logits) sum += std::exp(z - maximum);
    std::vector<double> logprobs;
    for (const float z : logits) logprobs.push_back(z - maximum - std::log(sum));
    return logprobs;
}

// Sums and maxima over the compared rows of all sequences.
struct Comparison {
    double max_abs = 0, sum_abs = 0, sum_kl = 0;
    std::vector<double> hidden_max_abs;
    size_t values = 0, rows = 0, rows_left_out = 0, clear_choices_wrong = 0, firm_rows = 0, top1_wrong = 0;
    size_t greedy_right = 0, greedy_steps = 0;
    std::vector<std::string> greedy_left;

    void add_row(const std::vector<float>& ours, const std::vector<float>& theirs, double tolerance) {
        for (size_t v = 0; v < theirs.size(); v++) {
            const double off = std::abs(static_cast<double>(ours[v]) - theirs[v]);
            max_abs = std::isfinite(off) ? std::max(max_abs, off) : std::numeric_limits<double>::infinity();
            sum_abs += off;
        }
        const auto p = log_softmax(theirs), q = log_softmax(ours);
        for (size_t v = 0; v < p.size(); v++) sum_kl += std::exp(p[v]) * (p[v] - q[v]);
        values += theirs.size();
        rows++;
        std::vector<float> sorted = theirs;
        std::nth_element(sorted.begin(), sorted.begin() + 1, sorted.end(), std::greater<>());
        if (sorted[0] - sorted[1] >= 0.5 * tolerance) {
            firm_rows++;
            top1_wrong += most_likely(ours) != most_likely(theirs);
        }
    }
};

// Rows of the sequence before the first differing choice at a near tie; a clear choice made differently is counted.
size_t comparable_rows(const GoldenModel& golden, const OurRun& run, size_t first_row, Comparison& comparison) {
    size_t keep = run.logits.size();
    for (const auto& [layer, chosen] : run.chosen) {
        const Rows experts = golden.rows(fmt::format("router.{}.experts", layer));
        const Rows margin = golden.rows(fmt::format("margin.{}", layer));
        bool near_tie = false;
        for (size_t row = 0; row < chosen.size(); row++) {
            near_tie = near_tie || margin[first_row + row][0] < kClearChoice;
            const std::vector<int32_t> theirs(experts[first_row + row].begin(), experts[first_row + row].end());
            if (chosen[row] == theirs) continue;
            comparison.clear_choices_wrong += !near_tie;
            keep = std::min(keep, row);
            break;
        }
    }
    return keep;
}

void compare_greedy(const GoldenModel& golden, const OurRun& run, size_t sequence, Comparison& comparison) {
    const auto ids = golden.rows("greedy.ids"), margin = golden.rows("greedy.margin"),
               choice = golden.rows("greedy.choice_margin");
    float closest_choice = std::numeric_limits<float>::infinity();
    for (size_t step = 0; step < run.greedy.size(); step++) {
        if (!choice.empty()) closest_choice = std::min(closest_choice, choice[sequence][step]);
        if (run.greedy[step] == static_cast<int32_t>(ids[sequence][step])) {
            comparison.greedy_right++, comparison.greedy_steps++;
            continue;
        }
        const bool excused =
            margin[sequence][step] < 0.5 * golden.tolerance("max_abs") || closest_choice < kClearChoice;
        if (!excused) {
            comparison.greedy_steps++;
            comparison.greedy_left.push_back(
                fmt::format("sequence {} step {}, margin {}", sequence, step, margin[sequence][step]));
        }
        return;
    }
}

Comparison compare(const GoldenModel& golden, engine::Scorer& scorer) {
    Comparison comparison;
    const Rows logits = golden.rows("logits");
    const size_t greedy_tokens = golden.rows("greedy.ids").at(0).size();
    const size_t layers = golden.hidden_tolerances().size();
    std::vector<Rows> hidden;
    for (size_t layer = 0; layer < layers; layer++) hidden.push_back(golden.rows(fmt::format("hidden.{}", layer)));
    comparison.hidden_max_abs.resize(layers);

    size_t first_row = 0;
    for (size_t s = 0; s < golden.sequences.size(); s++) {
        const OurRun run = run_sequence(scorer, golden.sequences[s], greedy_tokens);
        const size_t keep = comparable_rows(golden, run, first_row, comparison);
        comparison.rows_left_out += run.logits.size() - keep;
        for (size_t row = 0; row < keep; row++) {
            comparison.add_row(run.logits[row], logits[first_row + row], golden.tolerance("max_abs"));
            for (size_t layer = 0; layer < layers; layer++) {
                const auto& ours = run.hidden.at(static_cast<int32_t>(layer))[row];
                for (size_t d = 0; d < ours.size(); d++) {
                    const double off = std::abs(static_cast<double>(ours[d]) - hidden[layer][first_row + row][d]);
                    comparison.hidden_max_abs[layer] = std::max(comparison.hidden_max_abs[layer], off);
                }
            }
        }
        compare_greedy(golden, run, s, comparison);
        first_row += run.logits.size();
    }
    return comparison;
}

class GoldenModels : public testing::TestWithParam<const char*> {};

TEST_P(GoldenModels, AgreeWithTheReferenceImplementation) {
    const GoldenModel golden = open_golden_model(GetParam());
    ThreadPool pool(2);
    auto loaded = model::load_model(golden.folder, {.quiet = true}, pool);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    const auto kernels = math::select_kernels("auto");
    ASSERT_TRUE(kernels.ok());
    size_t longest = 0;
    for (const auto& sequence : golden.sequences) longest = std::max(longest, sequence.size());
    const auto most_tokens = static_cast<int32_t>(longest + golden.rows("greedy.ids").at(0).size());
    auto scorer = engine::Scorer::create(*loaded->model, **kernels, most_tokens, 2);
    ASSERT_TRUE(scorer.ok()) << scorer.error().message;

    const Comparison found = compare(golden, **scorer);
    const double mean_abs = found.sum_abs / static_cast<double>(found.values);
    const double kl_mean = found.sum_kl / static_cast<double>(found.rows);
    fmt::print(
        "{}: max_abs {:.3f} of {:.3f}, mean_abs {:.4f} of {:.4f}, kl_mean {:.2e} of {:.2e}, top-1 {}/{}, greedy {}/{}, "
        "{} rows left out\n",
        GetParam(), found.max_abs, golden.tolerance("max_abs"), mean_abs, golden.tolerance("mean_abs"), kl_mean,
        golden.tolerance("kl_mean"), found.firm_rows - found.top1_wrong, found.firm_rows, found.greedy_right,
        found.greedy_steps, found.rows_left_out);
    EXPECT_LE(found.max_abs, golden.tolerance("max_abs"));
    EXPECT_LE(mean_abs, golden.tolerance("mean_abs"));
    EXPECT_LE(kl_mean, golden.tolerance("kl_mean"));
    for (size_t layer = 0; layer < found.hidden_max_abs.size(); layer++) {
        EXPECT_LE(found.hidden_max_abs[layer], golden.hidden_tolerances()[layer]) << "after layer " << layer;
    }
    EXPECT_EQ(found.clear_choices_wrong, 0u);
    EXPECT_EQ(found.top1_wrong, 0u);
    EXPECT_TRUE(found.greedy_left.empty()) << found.greedy_left.front();
    EXPECT_GT(found.firm_rows, 0u);
    EXPECT_GT(found.greedy_right, 0u);
    EXPECT_GE(found.rows, 3 * found.rows_left_out) << "too little left to compare";
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenModels, testing::ValuesIn(kGoldenFamilies),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace hone::golden
