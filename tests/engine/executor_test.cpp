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

    ExecutorSegment segment_of(Sequence& sequence, int32_t end_layer) {
        return {.ids = std::span(sequence.ids)
                           .subspan(static_cast<size_t>(sequence.computed),
                                    static_cast<size_t>(sequence.issued - sequence.computed)),
                .first_position = sequence.computed,
                .pages = sequence.pages,
                .first_layer = sequence.frontier,
                .end_layer = end_layer,
                .resting = &sequence.resting,
                .logits_begin = 0,
                .logits_end = end_layer == kLayers ? sequence.issued - sequence.computed : 0};
    }

    void run(std::vector<Sequence*> parts, const std::vector<ExecutorSegment>& segments, size_t logits_bytes) {
        Executor executor(model, ops, pool.data(), logits_bytes);
        ExecutorTaps taps;
        const auto each_row = [&](std::span<const RowRange> ranges, auto&& visit) {
            for (const RowRange& range : ranges) {
                for (int32_t row = 0; row < range.rows; row++) {
                    Sequence& sequence = *parts[static_cast<size_t>(range.segment)];
                    visit(sequence.seen, sequence.computed + row, range.first_row + row);
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
        executor.run(
            segments,
            [&](std::span<const LogitsRow> rows, math::MatrixView<const float> logits) {
                EXPECT_LE(logits.rows, std::max<int64_t>(1, static_cast<int64_t>(logits_bytes / (4 * kVocabulary))));
                ASSERT_EQ(std::ssize(rows), logits.rows);
                for (size_t i = 0; i < rows.size(); i++) {
                    Sequence& sequence = *parts[static_cast<size_t>(rows[i].segment)];
                    const auto values = logits.row_span(static_cast<int64_t>(i));
                    EXPECT_TRUE(
                        sequence.seen.logits.try_emplace(sequence.computed + rows[i].row, values.begin(), values.end())
                            .second);
                }
            },
            taps);
    }

    Seen alone(int32_t length, uint64_t seed) {
        Sequence sequence = sequence_of(length, seed);
        sequence.issued = length;
        run({&sequence}, {segment_of(sequence, kLayers)}, size_t{1} << 20);
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

// Sequences advance by random chunks and layer groups, in random company and with the head in random blocks.
TEST_F(ExecutorTest, any_two_dimensional_schedule_shows_the_same) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        Random random(seed, 1);
        std::vector<Sequence> sequences;
        for (int32_t i = 0; i < 4; i++)
            sequences.push_back(sequence_of(20 + 37 * i, seed * 10 + static_cast<uint64_t>(i)));
        for (bool busy = true; busy;) {
            busy = false;
            std::vector<Sequence*> parts;
            std::vector<ExecutorSegment> segments;
            std::vector<int32_t> ends;
            for (Sequence& sequence : sequences) {
                const auto length = static_cast<int32_t>(sequence.ids.size());
                if (sequence.computed == length) continue;
                busy = true;
                if (random.below(4) == 0) continue;
                if (sequence.issued == sequence.computed) {
                    sequence.issued +=
                        1 + static_cast<int32_t>(random.below(static_cast<uint64_t>(length - sequence.computed)));
                }
                const auto deeper =
                    static_cast<int32_t>(random.below(static_cast<uint64_t>(kLayers - sequence.frontier)));
                parts.push_back(&sequence);
                ends.push_back(sequence.frontier + 1 + deeper);
                segments.push_back(segment_of(sequence, ends.back()));
            }
            run(parts, segments, random.below(2) == 0 ? 1 : 4 * kVocabulary * (1 + random.below(9)));
            for (size_t i = 0; i < parts.size(); i++) {
                parts[i]->frontier = ends[i] % kLayers;
                if (parts[i]->frontier > 0) continue;
                EXPECT_TRUE(parts[i]->resting.empty());
                parts[i]->computed = parts[i]->issued;
            }
        }
        for (int32_t i = 0; i < 4; i++) {
            Sequence& sequence = sequences[static_cast<size_t>(i)];
            for (const int32_t page : sequence.pages) pool.release(page);
            EXPECT_EQ(sequence.seen, alone(20 + 37 * i, seed * 10 + static_cast<uint64_t>(i))) << "seed " << seed;
        }
    }
}

TEST_F(ExecutorTest, only_wanted_rows_pass_the_head) {
    Sequence a = sequence_of(10, 1), b = sequence_of(6, 2), c = sequence_of(3, 3);
    a.issued = 10, b.issued = 6, c.issued = 3;
    std::vector<ExecutorSegment> segments{segment_of(a, kLayers), segment_of(b, kLayers), segment_of(c, 2)};
    segments[0].logits_begin = 7;
    segments[1].logits_end = 1;
    run({&a, &b, &c}, segments, 4 * kVocabulary * 2);
    EXPECT_EQ(a.seen.logits.size(), 3u);
    EXPECT_EQ(a.seen.logits.begin()->first, 7);
    EXPECT_EQ(b.seen.logits.size(), 1u);
    EXPECT_TRUE(c.seen.logits.empty());
    EXPECT_EQ(c.resting.size(), 3u * FakeModel::kHidden);
}

}  // namespace
}  // namespace hone::engine
