// Attention over pages: equal bits on every ISA and for every way to cut the same work, goldens, and a dense softmax in
// double.

#include <algorithm>
#include <cstring>

#include "attention_fixture.h"
#include "golden_ops.h"

namespace hone::math {
namespace {

// Stores all keys and values of the sequence and runs the query rows in batches of the given lengths (the last
// repeats).
std::vector<float> run(TestContext& context, const Sequence& sequence, Pages& pages, std::vector<int32_t> lengths) {
    const Shapes& shapes = sequence.shapes;
    const auto page_list = pages.take(sequence.length);
    std::vector<float> y(sequence.q.size());
    for (int32_t first = 0, i = 0; first < sequence.length; i++) {
        const int32_t length = lengths[std::min<size_t>(i, lengths.size() - 1)];
        const int32_t rows = std::min(length, sequence.length - first);
        const AttentionSegment segment{0, rows, first, page_list};
        const int64_t kv = shapes.kv_columns(), columns = shapes.q_columns();
        store_kv(context.op, {&segment, 1}, {sequence.k.data() + first * kv, rows, kv},
                 {sequence.v.data() + first * kv, rows, kv}, pages.layer());
        attention(context.op, {&segment, 1}, {sequence.q_rows(first, rows).data(), rows, columns}, shapes.heads,
                  pages.layer(), {y.data() + first * columns, rows, columns});
        first += rows;
    }
    return y;
}

std::vector<float> run_whole(TestContext& context, const Sequence& sequence, uint64_t shuffle = 0) {
    Pages pages(sequence.shapes, sequence.length / kPageTokens + 1, shuffle);
    return run(context, sequence, pages, {sequence.length});
}

// softmax(q K^T / sqrt(d)) V of one row and head in double, of the values that went into the products.
std::vector<double> dense(const Sequence& sequence, int32_t row, int32_t head) {
    const Shapes& shapes = sequence.shapes;
    const int32_t d = shapes.head_dim, kv_head = head / (shapes.heads / shapes.kv_heads);
    const auto rounded = [](float x) { return double{to_float(round_to_bf16(x))}; };
    std::vector<double> scores(row + 1), y(d);
    for (int32_t key = 0; key <= row; key++) {
        for (int32_t i = 0; i < d; i++) {
            scores[key] += rounded(sequence.q[row * shapes.q_columns() + head * d + i]) *
                           rounded(sequence.k[key * shapes.kv_columns() + kv_head * d + i]) / std::sqrt(d);
        }
    }
    const double maximum = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - maximum);
    for (int32_t key = 0; key <= row; key++) {
        for (int32_t i = 0; i < d; i++) {
            y[i] += scores[key] / sum * rounded(sequence.v[key * shapes.kv_columns() + kv_head * d + i]);
        }
    }
    return y;
}

const Shapes kShapes[] = {{8, 1, 128}, {4, 4, 64},  {6, 2, 24},  {4, 2, 32},
                          {3, 3, 2},   {14, 2, 80}, {32, 1, 16}, {5, 1, 258}};

TEST(Attention, EveryIsaGivesTheBitsOfTheReference) {
    for (const Shapes& shapes : kShapes) {
        const Sequence sequence(shapes, 70, 1);
        TestContext reference(*runnable_kernel_tables().front());
        const auto expected = run_whole(reference, sequence);
        for (const KernelTable* table : runnable_kernel_tables().subspan(1)) {
            TestContext context(*table);
            expect_same_bits(run_whole(context, sequence), expected,
                             fmt::format("{}, {}", describe(*table), shapes.text()));
        }
    }
}

TEST(Attention, EveryIsaAgreesAcrossChunkBorders) {
    for (const Shapes& shapes : {Shapes{8, 1, 128}, Shapes{2, 2, 24}}) {
        const int32_t length = 1030;
        const Sequence sequence(shapes, length, 2);
        std::vector<float> expected;
        for (const KernelTable* table : runnable_kernel_tables()) {
            TestContext context(*table);
            Pages pages(shapes, 20);
            const auto page_list = pages.take(length);
            const AttentionSegment all{0, length, 0, page_list}, last{0, 10, length - 10, page_list};
            const int64_t kv = shapes.kv_columns();
            store_kv(context.op, {&all, 1}, {sequence.k.data(), length, kv}, {sequence.v.data(), length, kv},
                     pages.layer());
            std::vector<float> y(10 * shapes.q_columns());
            attention(context.op, {&last, 1}, {sequence.q_rows(length - 10, 10).data(), 10, shapes.q_columns()},
                      shapes.heads, pages.layer(), {y.data(), 10, shapes.q_columns()});
            if (expected.empty()) expected = y;
            expect_same_bits(y, expected, fmt::format("{}, {}", describe(*table), shapes.text()));
        }
    }
}

TEST(Attention, EveryCutOfASequenceGivesTheSameBits) {
    for (const Shapes& shapes : kShapes) {
        const Sequence sequence(shapes, 1100, 3);  // crosses 512 and 1024
        TestContext single;
        const auto expected = run_whole(single, sequence);
        int threads = 1;
        for (const auto& lengths :
             std::vector<std::vector<int32_t>>{{1}, {511, 1}, {512}, {1000, 2, 5, 3}, {7}, {100, 1, 600}}) {
            TestContext context(*runnable_kernel_tables().back(), 1 + threads++ % 3);
            Pages pages(shapes, 18, 17);
            expect_same_bits(run(context, sequence, pages, lengths), expected,
                             fmt::format("{} in parts of {}", shapes.text(), lengths[0]));
        }
    }
}

TEST(Attention, BatchMatesPageOrderAndThreadsChangeNothing) {
    const Shapes shapes{8, 2, 64};
    const std::vector<int32_t> lengths{1, 700, 64, 513, 1300, 20};
    std::vector<Sequence> sequences;
    std::vector<std::vector<float>> alone;
    for (const int32_t length : lengths) {
        sequences.emplace_back(shapes, length, 100 + length);
        TestContext context;
        alone.push_back(run_whole(context, sequences.back()));
    }
    // The last rows of every sequence in one batch: decode, a few rows and a long prefill together.
    const std::vector<int32_t> rows{1, 1, 64, 3, 400, 2};
    for (const int threads : {1, 2, 3}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        Pages pages(shapes, 60, threads);
        pages.fill_with_stale_values(5);
        std::vector<AttentionSegment> segments;
        std::vector<float> q, expected;
        const int64_t kv = shapes.kv_columns();
        for (size_t s = 0; s < lengths.size(); s++) {
            const auto page_list = pages.take(lengths[s]);
            const AttentionSegment all{0, lengths[s], 0, page_list};
            store_kv(context.op, {&all, 1}, {sequences[s].k.data(), lengths[s], kv},
                     {sequences[s].v.data(), lengths[s], kv}, pages.layer());
            const int32_t first = lengths[s] - rows[s];
            segments.push_back({static_cast<int32_t>(q.size() / shapes.q_columns()), rows[s], first, page_list});
            const auto part = sequences[s].q_rows(first, rows[s]);
            q.insert(q.end(), part.begin(), part.end());
            expected.insert(expected.end(), alone[s].begin() + first * shapes.q_columns(), alone[s].end());
        }
        std::vector<float> y(q.size());
        const auto count = static_cast<int64_t>(q.size()) / shapes.q_columns();
        attention(context.op, segments, {q.data(), count, shapes.q_columns()}, shapes.heads, pages.layer(),
                  {y.data(), count, shapes.q_columns()});
        expect_same_bits(y, expected, fmt::format("{} threads", threads));
    }
}

// Relative to the largest |v|: the error of p (bf16, half a unit of the last place of 8 bits; it enters sum and
// output), of the scores (an fp32 chain of d products of size s), and of the output chains.
TEST(Attention, AgreesWithADenseSoftmax) {
    for (const KernelTable* table : runnable_kernel_tables().subspan(1)) {
        for (const Shapes& shapes : {Shapes{8, 1, 128}, Shapes{4, 2, 24}, Shapes{2, 2, 64}}) {
            const Sequence sequence(shapes, 1050, 4);
            TestContext context(*table);
            const auto y = run_whole(context, sequence);
            const float largest = std::abs(*std::max_element(
                sequence.v.begin(), sequence.v.end(), [](float a, float b) { return std::abs(a) < std::abs(b); }));
            const double tolerance = largest * (2 * 0x1p-9 + shapes.head_dim * 0x1p-24 * 60 + 1050 * 0x1p-24);
            for (const int32_t row : {0, 1, 63, 64, 511, 512, 513, 1023, 1024, 1049}) {
                for (int32_t head = 0; head < shapes.heads; head++) {
                    const auto exact = dense(sequence, row, head);
                    for (int32_t i = 0; i < shapes.head_dim; i++) {
                        ASSERT_NEAR(y[row * shapes.q_columns() + head * shapes.head_dim + i], exact[i], tolerance)
                            << describe(*table) << " " << shapes.text() << " row " << row;
                    }
                }
            }
        }
    }
}

TEST(Attention, Golden) {
    const GoldenOp golden("attention");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            if (!golden.attributes(name).at("window").is_null() || golden.has(name, "in/sinks")) continue;
            const Shape q_shape = golden.shape(name, "in/q"), k_shape = golden.shape(name, "in/k");
            const Shapes shapes{static_cast<int32_t>(q_shape[1]), static_cast<int32_t>(k_shape[1]),
                                static_cast<int32_t>(q_shape[2])};
            const auto q = golden.values(name, "in/q"), k = golden.values(name, "in/k"),
                       v = golden.values(name, "in/v");
            const auto offsets = golden.values<int32_t>(name, "in/offsets");
            Pages pages(shapes,
                        static_cast<int32_t>(q_shape[0]) / kPageTokens + 1 + static_cast<int32_t>(offsets.size()));
            std::vector<AttentionSegment> segments;
            for (size_t s = 0; s + 1 < offsets.size(); s++) {
                const int32_t rows = offsets[s + 1] - offsets[s];
                segments.push_back({offsets[s], rows, 0, pages.take(rows)});
            }
            std::vector<float> y(q.size());
            store_kv(context.op, segments, {k.data(), k_shape[0], shapes.kv_columns()},
                     {v.data(), k_shape[0], shapes.kv_columns()}, pages.layer());
            attention(context.op, segments, {q.data(), q_shape[0], shapes.q_columns()}, shapes.heads, pages.layer(),
                      {y.data(), q_shape[0], shapes.q_columns()});
            golden.expect_within(name, "o", y, GoldenPrecision::bf16);
        }
    }
}

TEST(Attention, StoresOneLayerAndNothingElse) {
    const Shapes shapes{2, 2, 6};
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        Pages pages(shapes, 2);
        const auto page_list = pages.take(70);
        const Sequence sequence(shapes, 3, 9);
        const AttentionSegment segment{0, 3, 63, page_list};  // positions 63 (page 0), 64 and 65 (page 1)
        const int64_t kv = shapes.kv_columns();
        store_kv(context.op, {&segment, 1}, {sequence.k.data(), 3, kv}, {sequence.v.data(), 3, kv}, pages.layer());
        const KvLayer& layer = pages.layer();
        int64_t written = 0;
        for (size_t i = 0; i < 2 * layer.page_bytes / 2; i++)
            written += reinterpret_cast<bf16*>(layer.pool)[i].bits != 0;
        EXPECT_EQ(written, 3 * 2 * kv) << describe(*table);
        for (int32_t token = 0; token < 3; token++) {
            const int32_t slot = (63 + token) % 64;
            for (int32_t column = 0; column < kv; column++) {
                const int32_t head = column / 6, i = column % 6;
                const auto* page = reinterpret_cast<const bf16*>(layer.pool + (token > 0 ? layer.page_bytes : 0) +
                                                                 layer.layer_offset + head * kv_layer_bytes(1, 6));
                EXPECT_EQ(page[(i / 2 * 64 + slot) * 2 + i % 2].bits,
                          round_to_bf16(sequence.k[token * kv + column]).bits);
                EXPECT_EQ(page[6 * 64 + (slot / 2 * 6 + i) * 2 + slot % 2].bits,
                          round_to_bf16(sequence.v[token * kv + column]).bits);
            }
        }
    }
}

TEST(Attention, CopiesTheRowsOfSomeTokensAndNothingElse) {
    flush_denormals();
    const Shapes shapes{4, 2, 6};
    const auto* table = runnable_kernel_tables().back();
    const size_t page_bytes = 2 * kv_layer_bytes(shapes.kv_heads, shapes.head_dim);
    for (const int32_t rows : {0, 1, 2, 37, 63, 64}) {
        // Keys and values of the first rows alone, and of all 64 tokens: copied, the second are the first.
        TestContext context(*table);
        const Sequence sequence(shapes, kPageTokens, 4);
        const auto page_with = [&](int32_t stored) {
            Pages pages(shapes, 1);
            std::memset(pages.layer().pool, 0, page_bytes);
            const auto list = pages.take(1);
            KvLayer layer = pages.layer();
            for (const size_t offset : {size_t{0}, layer.layer_offset}) {
                layer.layer_offset = offset;
                if (stored == 0) continue;
                const AttentionSegment segment{0, stored, 0, list};
                store_kv(context.op, {&segment, 1}, {sequence.k.data(), stored, shapes.kv_columns()},
                         {sequence.v.data(), stored, shapes.kv_columns()}, layer);
            }
            return std::vector<std::byte>(layer.pool, layer.pool + page_bytes);
        };
        const auto whole = page_with(kPageTokens);
        std::vector<std::byte> copy(page_bytes);
        copy_kv_rows(whole.data(), copy.data(), 2 * shapes.kv_heads, shapes.head_dim, rows);
        EXPECT_TRUE(copy == page_with(rows)) << rows;
    }
}

TEST(Attention, ANotANumberIsNotLost) {
    flush_denormals();
    constexpr int32_t kHeadDim = 32, kKeys = 50, kRows = 2;
    for (const int32_t bad : {0, 3, 16, 31, 47, 49}) {
        auto keys = random_values(1, kKeys * kHeadDim), values = random_values(2, kKeys * kHeadDim);
        keys[static_cast<size_t>(bad * kHeadDim + 5)] = std::numeric_limits<float>::quiet_NaN();
        std::vector<bf16> queries;
        for (const float q : random_values(3, kRows * kHeadDim)) queries.push_back(round_to_bf16(q));
        const int32_t visible[kRows] = {bad, kKeys};  // the first row does not see the bad key
        std::vector<float> expected;
        for (const KernelTable* table : runnable_kernel_tables()) {
            std::vector<bf16> page(size_t{2} * kPageTokens * kHeadDim);
            for (int32_t i = 0; i < kKeys; i++) {
                table->attention.store_key.run(&keys[static_cast<size_t>(i * kHeadDim)], i, kHeadDim, page.data());
                table->attention.store_value.run(&values[static_cast<size_t>(i * kHeadDim)], i, kHeadDim,
                                                 page.data() + kPageTokens * kHeadDim);
            }
            const bf16* pages[kAttentionChunkPages] = {page.data()};
            alignas(64) float output[kRows * kHeadDim];
            float maximum[kRows], sum[kRows];
            table->attention.attend.run({.queries = queries.data(),
                                         .visible = visible,
                                         .rows = kRows,
                                         .head_dim = kHeadDim,
                                         .scale = attention_scale(kHeadDim),
                                         .pages = pages},
                                        {maximum, sum, output});
            std::vector<float> actual(output, output + kRows * kHeadDim);
            actual.insert(actual.end(), {sum[0], sum[1], bad > 0 ? maximum[0] : 0, maximum[1]});
            for (int32_t i = 0; i < kHeadDim; i++) {
                EXPECT_FALSE(std::isnan(output[i])) << describe(*table);
                EXPECT_TRUE(std::isnan(output[kHeadDim + i])) << describe(*table);
            }
            if (expected.empty()) expected = actual;
            expect_same_bits(actual, expected, fmt::format("{}, key {}", describe(*table), bad));
        }
    }
}

}  // namespace
}  // namespace hone::math
