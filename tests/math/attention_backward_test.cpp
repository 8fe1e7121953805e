// The backward pass of attention: equal bits on every ISA, for any threads and batch mates, goldens, and differences of a
// dense softmax in double.

#include <algorithm>

#include "attention_fixture.h"
#include "golden_ops.h"

namespace hone::math {
namespace {

const Shapes kShapes[] = {{8, 1, 128}, {4, 4, 64}, {6, 2, 24}, {4, 2, 32}, {3, 3, 2}, {14, 2, 80}, {5, 1, 258}};

// Documents end to end, with gradients of their outputs.
struct Documents {
    Documents(Shapes shapes, std::vector<int32_t> lengths, uint64_t seed)
        : Documents(shapes, lengths, Sequence(shapes, std::reduce(lengths.begin(), lengths.end()), seed),
                    random_values(seed + 3, std::reduce(lengths.begin(), lengths.end()) * shapes.q_columns())) {}
    Documents(Shapes shapes, std::vector<int32_t> lengths, Sequence all, std::vector<float> dy)
        : shapes(shapes), lengths(std::move(lengths)), all(std::move(all)), dy(std::move(dy)) {}

    Shapes shapes;
    std::vector<int32_t> lengths;
    Sequence all;
    std::vector<float> dy;
};

struct Results {
    std::vector<float> y, log_sums, dq, dk, dv;
};

// Forward and backward; the gradients are added to `start` in every element.
Results run(TestContext& context, const Documents& documents, float start = 0, uint64_t shuffle = 0) {
    const Shapes& shapes = documents.shapes;
    const int32_t rows = documents.all.length;
    Pages pages(shapes, rows / kPageTokens + static_cast<int32_t>(documents.lengths.size()), shuffle);
    std::vector<AttentionSegment> segments;
    int32_t first = 0;
    for (const int32_t length : documents.lengths) {
        segments.push_back({first, length, 0, pages.take(length)});
        first += length;
    }
    const int64_t columns = shapes.q_columns(), kv = shapes.kv_columns();
    Results results{std::vector<float>(rows * columns), std::vector<float>(rows * shapes.heads),
                    std::vector<float>(rows * columns, start), std::vector<float>(rows * kv, start),
                    std::vector<float>(rows * kv, start)};
    const MatrixView<const float> q{documents.all.q.data(), rows, columns}, dy{documents.dy.data(), rows, columns};
    const MatrixView<float> y{results.y.data(), rows, columns}, log_sums{results.log_sums.data(), rows, shapes.heads};
    store_kv(context.op, segments, {documents.all.k.data(), rows, kv}, {documents.all.v.data(), rows, kv},
             pages.layer());
    attention(context.op, segments, q, shapes.heads, pages.layer(), y, log_sums);
    attention_backward(
        context.op, segments, pages.layer(), {q, y, log_sums, shapes.heads}, dy,
        {{results.dq.data(), rows, columns}, {results.dk.data(), rows, kv}, {results.dv.data(), rows, kv}});
    return results;
}

void expect_same(const Results& actual, const Results& expected, const std::string& what) {
    expect_same_bits(actual.y, expected.y, what + ", y");
    expect_same_bits(actual.log_sums, expected.log_sums, what + ", log_sums");
    expect_same_bits(actual.dq, expected.dq, what + ", dq");
    expect_same_bits(actual.dk, expected.dk, what + ", dk");
    expect_same_bits(actual.dv, expected.dv, what + ", dv");
}

// Gradients of sum(y dy) with y = softmax(q K^T / sqrt(d)) V of one document, in double, of unrounded values.
struct Dense {
    Dense(const Documents& documents)
        : shapes(documents.shapes),
          rows(documents.all.length),
          q(documents.all.q.begin(), documents.all.q.end()),
          k(documents.all.k.begin(), documents.all.k.end()),
          v(documents.all.v.begin(), documents.all.v.end()),
          dy(documents.dy.begin(), documents.dy.end()) {}

    double loss() const {
        const int32_t d = shapes.head_dim;
        double loss = 0;
        for (int32_t row = 0; row < rows; row++) {
            for (int32_t head = 0; head < shapes.heads; head++) {
                const int32_t kv_head = head / (shapes.heads / shapes.kv_heads);
                const double* query = q.data() + row * shapes.q_columns() + head * d;
                const double* gradient = dy.data() + row * shapes.q_columns() + head * d;
                double sum = 0, weighted = 0;
                for (int32_t key = 0; key <= row; key++) {
                    const int64_t at = key * shapes.kv_columns() + kv_head * d;
                    const double p = std::exp(std::inner_product(query, query + d, k.data() + at, 0.0) / std::sqrt(d));
                    sum += p;
                    weighted += p * std::inner_product(gradient, gradient + d, v.data() + at, 0.0);
                }
                loss += weighted / sum;
            }
        }
        return loss;
    }
    // Central difference of the loss in x.
    double gradient(double& x) {
        constexpr double kStep = 1e-5;
        const double value = x;
        x = value + kStep;
        const double above = loss();
        x = value - kStep;
        const double below = loss();
        x = value;
        return (above - below) / (2 * kStep);
    }

    Shapes shapes;
    int32_t rows;
    std::vector<double> q, k, v, dy;
};

TEST(AttentionBackward, EveryIsaGivesTheBitsOfTheReference) {
    for (const Shapes& shapes : kShapes) {
        const Documents documents(shapes, {70, 1, 2, 131}, 1);
        TestContext reference(*runnable_kernel_tables().front());
        const Results expected = run(reference, documents);
        for (const KernelTable* table : runnable_kernel_tables().subspan(1)) {
            TestContext context(*table);
            expect_same(run(context, documents), expected, fmt::format("{}, {}", describe(*table), shapes.text()));
        }
    }
}

TEST(AttentionBackward, EveryIsaAgreesAcrossBlocksOfKeys) {
    const Documents documents({2, 1, 24}, {600}, 2);
    TestContext reference(*runnable_kernel_tables().front());
    const Results expected = run(reference, documents);
    for (const KernelTable* table : runnable_kernel_tables().subspan(1)) {
        TestContext context(*table);
        expect_same(run(context, documents), expected, describe(*table));
    }
}

TEST(AttentionBackward, BatchMatesPageOrderAndThreadsChangeNothing) {
    const Shapes shapes{6, 2, 32};
    const std::vector<int32_t> lengths{300, 1, 64, 257, 530};
    const Documents documents(shapes, lengths, 3);
    TestContext single;
    const Results expected = run(single, documents);
    for (const int threads : {2, 3}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        expect_same(run(context, documents, 0, 17), expected, fmt::format("{} threads", threads));
    }
    int64_t first = 0;
    for (const int32_t length : lengths) {
        const auto part = [&](const std::vector<float>& all, int64_t columns) {
            return std::vector<float>(all.begin() + first * columns, all.begin() + (first + length) * columns);
        };
        Sequence sequence(shapes, length, 0);
        sequence.q = part(documents.all.q, shapes.q_columns());
        sequence.k = part(documents.all.k, shapes.kv_columns());
        sequence.v = part(documents.all.v, shapes.kv_columns());
        const Results alone = run(single, {shapes, {length}, sequence, part(documents.dy, shapes.q_columns())});
        const std::string what = fmt::format("{} rows alone", length);
        expect_same_bits(alone.dq, part(expected.dq, shapes.q_columns()), what);
        expect_same_bits(alone.dk, part(expected.dk, shapes.kv_columns()), what);
        expect_same_bits(alone.dv, part(expected.dv, shapes.kv_columns()), what);
        first += length;
    }
}

TEST(AttentionBackward, AddsToTheGradients) {
    const Documents documents({4, 2, 24}, {100, 3}, 4);
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        const Results zero = run(context, documents), two = run(context, documents, 2);
        const auto expect_added = [&](const std::vector<float>& gradients, const std::vector<float>& sums,
                                      const char* name) {
            for (size_t i = 0; i < sums.size(); i++)
                ASSERT_NEAR(sums[i], 2 + gradients[i], 0x1p-22 * (2 + std::abs(gradients[i]))) << name << " " << i;
        };
        expect_added(zero.dq, two.dq, "dq");
        expect_added(zero.dk, two.dk, "dk");
        expect_added(zero.dv, two.dv, "dv");
    }
}

// A forward pass that is not asked for log-sums, or that is cut, gives the same outputs and log-sums.
TEST(AttentionBackward, LogSumsOfEveryCutAreTheSame) {
    const Shapes shapes{8, 2, 64};
    const int32_t rows = 1100;
    const Documents documents(shapes, {rows}, 5);
    TestContext single, context(*runnable_kernel_tables().back(), 3);
    const Results whole = run(single, documents);
    Pages pages(shapes, rows / kPageTokens + 1);
    const auto page_list = pages.take(rows);
    const AttentionSegment all{0, rows, 0, page_list};
    const int64_t columns = shapes.q_columns(), kv = shapes.kv_columns();
    store_kv(context.op, {&all, 1}, {documents.all.k.data(), rows, kv}, {documents.all.v.data(), rows, kv},
             pages.layer());
    std::vector<float> y(rows * columns);
    attention(context.op, {&all, 1}, {documents.all.q.data(), rows, columns}, shapes.heads, pages.layer(),
              {y.data(), rows, columns});
    expect_same_bits(y, whole.y, "without log-sums");
    for (const int32_t count : {1, 40}) {  // by chunks, and by rows
        const AttentionSegment last{0, count, rows - count, page_list};
        std::vector<float> log_sums(count * shapes.heads);
        attention(context.op, {&last, 1}, {documents.all.q_rows(rows - count, count).data(), count, columns},
                  shapes.heads, pages.layer(), {y.data(), count, columns}, {log_sums.data(), count, shapes.heads});
        expect_same_bits(log_sums, std::span(whole.log_sums).last(log_sums.size()), fmt::format("last {}", count));
    }
}

TEST(AttentionBackward, Golden) {
    const GoldenOp golden("attention");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            if (!golden.attributes(name).at("window").is_null() || golden.has(name, "in/sinks")) continue;
            const Shape q_shape = golden.shape(name, "in/q"), k_shape = golden.shape(name, "in/k");
            const Shapes shapes{static_cast<int32_t>(q_shape[1]), static_cast<int32_t>(k_shape[1]),
                                static_cast<int32_t>(q_shape[2])};
            Sequence sequence(shapes, static_cast<int32_t>(q_shape[0]), 0);
            sequence.q = golden.values(name, "in/q");
            sequence.k = golden.values(name, "in/k");
            sequence.v = golden.values(name, "in/v");
            auto lengths = golden.values<int32_t>(name, "in/offsets");
            std::adjacent_difference(lengths.begin(), lengths.end(), lengths.begin());
            lengths.erase(lengths.begin());
            Results results = run(context, {shapes, lengths, sequence, golden.values(name, "in/do")});
            for (float& log_sum : results.log_sums) log_sum *= 0x1.62e43p-1f;  // ln 2
            golden.expect_within(name, "lse", results.log_sums, GoldenPrecision::bf16);
            const auto expect_within = [&](const char* output, std::span<const float> actual) {
                if (golden.attributes(name).at("outputs").at(output).as_object().contains("zero")) {
                    // dp and dy . y add up the same products in another order.
                    for (const float value : actual) EXPECT_NEAR(value, 0, 1e-6) << name << " " << output;
                } else {
                    golden.expect_within(name, output, actual, GoldenPrecision::bf16);
                }
            };
            expect_within("dq", results.dq);
            expect_within("dk", results.dk);
            expect_within("dv", results.dv);
        }
    }
}

// Random shapes against central differences at values that bf16 holds. What is rounded are p and ds, and p before that in
// the forward pass (which enters ds by log_sums and y), each by half a unit of the last of 8 bits; relative to the largest
// gradient.
TEST(AttentionBackward, AgreesWithDifferences) {
    Random random(6);
    for (int round = 0; round < 8; round++) {
        const auto kv_heads = static_cast<int32_t>(1 + random.below(2)),
                   group = static_cast<int32_t>(1 + random.below(3));
        const Shapes shapes{kv_heads * group, kv_heads, 2 * static_cast<int32_t>(1 + random.below(9))};
        const auto rows = static_cast<int32_t>(1 + random.below(12));
        Documents documents(shapes, {rows}, 100 + round);
        for (auto* values : {&documents.all.q, &documents.all.k, &documents.all.v, &documents.dy})
            for (float& value : *values) value = to_float(round_to_bf16(value));
        TestContext context(*runnable_kernel_tables()[round % runnable_kernel_tables().size()]);
        const Results results = run(context, documents);
        Dense dense(documents);
        const auto expect_near = [&](const std::vector<float>& actual, std::vector<double>& x, const char* name) {
            std::vector<double> expected;
            for (double& value : x) expected.push_back(dense.gradient(value));
            double largest = 1;
            for (const double value : expected) largest = std::max(largest, std::abs(value));
            for (size_t i = 0; i < expected.size(); i++) {
                ASSERT_NEAR(actual[i], expected[i], 4 * 0x1p-9 * largest)
                    << name << " " << i << ", " << rows << " rows, " << shapes.text();
            }
        };
        expect_near(results.dq, dense.q, "dq");
        expect_near(results.dk, dense.k, "dk");
        expect_near(results.dv, dense.v, "dv");
    }
}

}  // namespace
}  // namespace hone::math
