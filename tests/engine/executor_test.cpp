#include "engine/executor.h"

#include <map>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/cache/page_pool.h"
#include "tests/engine/fake_model.h"

namespace hone::engine {
namespace {

using testing_models::FakeModel;
using testing_models::test_kernels;

constexpr int32_t kLayers = 7, kVocabulary = 50;

// Everything that one sequence shows: logits of each position, hidden states and experts of each layer and position.
struct Seen {
    std::map<int32_t, std::vector<float>> logits;
    std::map<std::pair<int32_t, int32_t>, std::vector<float>> hidden;  // (layer, position)
    std::map<std::pair<int32_t, int32_t>, std::vector<int32_t>> experts;
    bool operator==(const Seen&) const = default;
};

class ExecutorTest : public testing::Test {
  protected:
    struct Sequence {
        std::vector<int32_t> ids, pages;
        int32_t computed = 0, issued = 0, frontier = 0;
        int32_t passed = 0;     // rows of [computed, issued) that crossed layer `frontier` already
        int32_t first_row = 0;  // of the segment under way
        RestingRows resting;
        Seen seen;
    };

    Sequence sequence_of(int32_t length, uint64_t seed) {
        Random random(seed);
        Sequence sequence;
        for (int32_t i = 0; i < length; i++) sequence.ids.push_back(static_cast<int32_t>(random.below(kVocabulary)));
        while (std::ssize(sequence.pages) < pages_for(length)) sequence.pages.push_back(*pool.take());
        return sequence;
    }

    // Its rows that have not crossed the frontier's layer, or the first `rows` of them.
    ExecutorSegment segment_of(Sequence& sequence, int32_t end_layer, int32_t rows = 1 << 30) {
        sequence.first_row = sequence.computed + sequence.passed;
        rows = std::min(rows, sequence.issued - sequence.first_row);
        return {
            .ids = std::span(sequence.ids).subspan(static_cast<size_t>(sequence.first_row), static_cast<size_t>(rows)),
            .first_position = sequence.first_row,
            .pages = sequence.pages,
            .first_layer = sequence.frontier,
            .end_layer = end_layer,
            .resting = &sequence.resting,
            .chunk_rows = sequence.issued - sequence.first_row,
            .logits_begin = 0,
            .logits_end = end_layer == kLayers ? rows : 0};
    }

    // What a run to `end_layer` means for a sequence.
    static void move(Sequence& sequence, const ExecutorSegment& segment, int32_t end_layer) {
        if (end_layer == segment.first_layer) return;
        const int32_t end = segment.first_position + static_cast<int32_t>(segment.ids.size());
        if (end < sequence.issued && end_layer < kLayers) {
            sequence.passed = end - sequence.computed;
            return;
        }
        sequence.passed = 0;
        if (end == sequence.issued) sequence.frontier = end_layer % kLayers;
        if (end_layer == kLayers) sequence.computed = end;
        if (sequence.computed == sequence.issued) sequence.resting = {};
    }

    ExecutorReport run(std::vector<Sequence*> parts, const std::vector<ExecutorSegment>& segments,
                       const RowBlocks& blocks, const LayerGate& gate = {}) {
        Executor executor(model, ops, pool.data(), blocks);
        ExecutorTaps taps;
        const auto each_row = [&](std::span<const RowRange> ranges, auto&& visit) {
            for (const RowRange& range : ranges) {
                for (int32_t row = 0; row < range.rows; row++) {
                    Sequence& sequence = *parts[static_cast<size_t>(range.segment)];
                    visit(sequence.seen, sequence.first_row + range.begin + row, range.first_row + row);
                }
            }
        };
        taps.hidden = [&](int32_t layer, std::span<const RowRange> ranges, math::MatrixView<const float> x) {
            each_row(ranges, [&](Seen& seen, int32_t position, int64_t row) {
                const auto values = x.row_span(row);
                EXPECT_TRUE(seen.hidden.try_emplace({layer, position}, values.begin(), values.end()).second);
            });
        };
        taps.router = [&](int32_t layer, std::span<const RowRange> ranges, const math::Routing& routing) {
            each_row(ranges, [&](Seen& seen, int32_t position, int64_t row) {
                const auto values = routing.experts.row_span(row);
                EXPECT_TRUE(seen.experts.try_emplace({layer, position}, values.begin(), values.end()).second);
            });
        };
        return executor.run(
            segments,
            [&](std::span<const LogitsRow> rows, math::MatrixView<const float> logits) {
                EXPECT_LE(logits.rows,
                          std::max<int64_t>(1, static_cast<int64_t>(blocks.logits_bytes / (4 * kVocabulary))));
                ASSERT_EQ(std::ssize(rows), logits.rows);
                for (size_t i = 0; i < rows.size(); i++) {
                    Sequence& sequence = *parts[static_cast<size_t>(rows[i].segment)];
                    const auto values = logits.row_span(static_cast<int64_t>(i));
                    EXPECT_TRUE(
                        sequence.seen.logits.try_emplace(sequence.first_row + rows[i].row, values.begin(), values.end())
                            .second);
                }
            },
            taps, gate);
    }

    Seen alone(int32_t length, uint64_t seed) {
        Sequence sequence = sequence_of(length, seed);
        sequence.issued = length;
        run({&sequence}, {segment_of(sequence, kLayers)}, {});
        for (const int32_t page : sequence.pages) pool.release(page);
        return sequence.seen;
    }

    FakeModel model{kLayers, kVocabulary};
    PagePool pool = std::move(*PagePool::create(model.cache_spec().page_bytes, 64));
    ThreadPool threads{1};
    math::Workspace workspace;
    math::OpContext ops{threads, workspace, test_kernels()};
};

TEST_F(ExecutorTest, one_sequence_shows_every_row_and_layer) {
    const Seen seen = alone(130, 1);
    EXPECT_EQ(seen.logits.size(), 130u);
    EXPECT_EQ(seen.hidden.size(), 130u * kLayers);
    EXPECT_EQ(seen.experts.size(), 130u * kLayers);
    EXPECT_NE(seen, alone(130, 2));
}

// Sequences advance by random chunks and layer groups or by some of their rows, in random company, stopped at random
// layers, and with the head in random blocks.
TEST_F(ExecutorTest, any_two_dimensional_schedule_shows_the_same) {
    int64_t stops = 0, parts_of_rows = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        Random random(seed, 1);
        std::vector<Sequence> sequences;
        for (int32_t i = 0; i < 4; i++)
            sequences.push_back(sequence_of(20 + 37 * i, seed * 10 + static_cast<uint64_t>(i)));
        for (bool busy = true; busy;) {
            busy = false;
            std::vector<Sequence*> parts;
            std::vector<ExecutorSegment> segments;
            for (Sequence& sequence : sequences) {
                const auto length = static_cast<int32_t>(sequence.ids.size());
                if (sequence.computed == length) continue;
                busy = true;
                if (random.below(4) == 0) continue;
                if (sequence.issued == sequence.computed) {
                    sequence.issued +=
                        1 + static_cast<int32_t>(random.below(static_cast<uint64_t>(length - sequence.computed)));
                }
                const auto rows = static_cast<uint64_t>(sequence.issued - sequence.computed - sequence.passed);
                const bool some = sequence.passed > 0 || random.below(3) == 0;
                const auto deeper =
                    some ? 0 : static_cast<int32_t>(random.below(static_cast<uint64_t>(kLayers - sequence.frontier)));
                const auto count = some ? 1 + static_cast<int32_t>(random.below(rows)) : 1 << 30;
                parts_of_rows += some;
                parts.push_back(&sequence);
                segments.push_back(segment_of(sequence, sequence.frontier + 1 + deeper, count));
                segments.back().may_stop = random.below(2) == 0;
            }
            const auto report =
                run(parts, segments,
                    {.layer_rows = 1 + static_cast<int64_t>(random.below(random.below(2) == 0 ? 9 : 300)),
                     .logits_bytes = random.below(2) == 0 ? 1 : 4 * kVocabulary * (1 + random.below(9))},
                    [&](int32_t, bool) { return random.below(3) > 0; });
            for (size_t i = 0; i < parts.size(); i++) {
                stops += report.end_layers[i] < segments[i].end_layer;
                EXPECT_TRUE(segments[i].may_stop || report.end_layers[i] == segments[i].end_layer);
                move(*parts[i], segments[i], report.end_layers[i]);
            }
        }
        for (int32_t i = 0; i < 4; i++) {
            Sequence& sequence = sequences[static_cast<size_t>(i)];
            for (const int32_t page : sequence.pages) pool.release(page);
            EXPECT_EQ(sequence.seen, alone(20 + 37 * i, seed * 10 + static_cast<uint64_t>(i))) << "seed " << seed;
        }
    }
    EXPECT_GT(stops, 50);
    EXPECT_GT(parts_of_rows, 50);
}

TEST_F(ExecutorTest, a_closed_gate_spares_what_may_not_stop) {
    Sequence a = sequence_of(9, 1), b = sequence_of(5, 2);
    a.issued = 9, b.issued = 5;
    std::vector<ExecutorSegment> segments{segment_of(a, kLayers), segment_of(b, kLayers)};
    segments[0].may_stop = true;
    const auto report = run({&a, &b}, segments, {}, [](int32_t, bool moved) { return !moved; });
    EXPECT_EQ(report.end_layers, (std::vector<int32_t>{1, kLayers}));
    EXPECT_TRUE(a.seen.logits.empty());
    EXPECT_EQ(b.seen.logits.size(), 5u);
    EXPECT_EQ(a.resting.values.size(), 9u * FakeModel::kHidden);
}

TEST_F(ExecutorTest, what_begins_deeper_than_a_closed_gate_goes_on) {
    Sequence a = sequence_of(9, 1), b = sequence_of(5, 2);
    b.issued = 5;
    const ExecutorSegment first = segment_of(b, 2);
    run({&b}, {first}, {});
    move(b, first, 2);
    a.issued = 9;
    std::vector<ExecutorSegment> segments{segment_of(a, kLayers), segment_of(b, 3)};
    segments[0].may_stop = segments[1].may_stop = true;
    const auto report = run({&a, &b}, segments, {}, [](int32_t layer, bool) { return layer == 2; });
    EXPECT_EQ(report.end_layers, (std::vector<int32_t>{0, 3}));
    EXPECT_TRUE(a.resting.values.empty());
}

TEST_F(ExecutorTest, only_wanted_rows_pass_the_head) {
    Sequence a = sequence_of(10, 1), b = sequence_of(6, 2), c = sequence_of(3, 3);
    a.issued = 10, b.issued = 6, c.issued = 3;
    std::vector<ExecutorSegment> segments{segment_of(a, kLayers), segment_of(b, kLayers), segment_of(c, 2)};
    segments[0].logits_begin = 7;
    segments[1].logits_end = 1;
    run({&a, &b, &c}, segments, {.logits_bytes = 4 * kVocabulary * 2});
    EXPECT_EQ(a.seen.logits.size(), 3u);
    EXPECT_EQ(a.seen.logits.begin()->first, 7);
    EXPECT_EQ(b.seen.logits.size(), 1u);
    EXPECT_TRUE(c.seen.logits.empty());
    EXPECT_EQ(c.resting.values.size(), 3u * FakeModel::kHidden);
}

}  // namespace
}  // namespace hone::engine
