// Every op over random shapes (odd extents, k that fills no tile, no rows at all), kernels and thread counts: the bits
// of the reference kernels on one thread.

#include "gemm_fixture.h"
#include "math/ops/activation.h"
#include "math/ops/attention.h"
#include "math/ops/linear.h"
#include "math/ops/moe.h"
#include "math/ops/norm.h"
#include "math/ops/rotary.h"
#include "math/ops/router.h"

namespace hone::math {
namespace {

int32_t between(Random& random, int32_t least, int32_t most) {
    return least + static_cast<int32_t>(random.below(static_cast<uint64_t>(most - least + 1)));
}

// Calls run(context, y) on every table with 1 and with 3 threads, and compares what it wrote.
void expect_the_same_of_all(size_t size, NumericClass int4_class, const std::string& what,
                            FunctionRef<void(OpContext& op, float* y)> run) {
    constexpr float kUntouched = 12345;
    constexpr size_t kGuard = 9;
    std::vector<float> expected;
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (int threads = 1; threads <= 3; threads += 2) {
            TestContext context(*table, threads);
            context.op.int4_class = int4_class;
            std::vector<float> y(size + kGuard, kUntouched);
            run(context.op, y.data());
            if (expected.empty()) expected = y;
            expect_same_bits(y, expected, fmt::format("{}, {} threads, {}", describe(*table), threads, what));
        }
    }
    for (size_t i = size; i < size + kGuard; i++) ASSERT_EQ(expected[i], kUntouched) << what;
}

TEST(Fuzz, Linear) {
    Random random(11);
    for (int round = 0; round < 60; round++) {
        const ProductKind kind = kProductKinds[random.below(std::size(kProductKinds))];
        const int32_t rows = between(random, 0, 45), n = between(random, 1, 300), k = between(random, 1, 700);
        const PackedWeight weight(kind.format, n, k, wide_values(random.bits64(), int64_t{n} * k));
        const auto x = wide_values(random.bits64(), int64_t{rows} * k);
        expect_the_same_of_all(static_cast<size_t>(rows * n), kind.int4_class,
                               fmt::format("{} M={} N={} K={}", name_of(kind.format), rows, n, k),
                               [&](OpContext& op, float* y) {
                                   linear(op, {x.data(), rows, k}, weight.weight, {y, rows, n});
                               });
    }
}

TEST(Fuzz, Moe) {
    Random random(12);
    for (int round = 0; round < 25; round++) {
        const ProductKind kind = kProductKinds[1 + random.below(std::size(kProductKinds) - 1)];
        const int32_t experts = between(random, 1, 9), slots = between(random, 1, experts);
        const int32_t tokens = between(random, 0, 40), model = between(random, 1, 150),
                      hidden = between(random, 1, 150);
        std::vector<PackedWeight> packed;
        std::vector<Weight> gate, up, down;
        for (int32_t e = 0; e < experts; e++) {
            for (auto [list, n, k] : {std::tuple{&gate, hidden, model}, {&up, hidden, model}, {&down, model, hidden}}) {
                packed.emplace_back(kind.format, n, k, random_values(random.bits64(), int64_t{n} * k));
                list->push_back(packed.back().weight);
            }
        }
        std::vector<int32_t> chosen;
        for (int32_t t = 0; t < tokens; t++) {
            const int32_t first = between(random, 0, experts - 1);
            for (int32_t slot = 0; slot < slots; slot++) chosen.push_back((first + slot) % experts);
        }
        auto weights = random_values(random.bits64(), int64_t{tokens} * slots);
        const auto x = random_values(random.bits64(), int64_t{tokens} * model);
        expect_the_same_of_all(
            static_cast<size_t>(tokens * model), kind.int4_class,
            fmt::format("{} of {} experts [{}, {}], {} tokens", slots, experts, hidden, model, tokens),
            [&](OpContext& op, float* y) {
                moe(op, {x.data(), tokens, model}, {{chosen.data(), tokens, slots}, {weights.data(), tokens, slots}},
                    {gate, up, down}, {y, tokens, model});
            });
    }
}

TEST(Fuzz, Attention) {
    Random random(13);
    for (int round = 0; round < 12; round++) {
        const int32_t kv_heads = between(random, 1, 3), heads = kv_heads * between(random, 1, 9);
        const int32_t head_dim = 2 * between(random, 1, 70);
        std::vector<int32_t> order;
        std::vector<AttentionSegment> segments;
        int32_t rows = 0, pages = 0;
        const int32_t count = between(random, 0, 4);
        std::vector<std::vector<int32_t>> page_lists(static_cast<size_t>(count));
        for (auto& list : page_lists) {
            const int32_t first = between(random, 0, 1) * between(random, 1, 700), own = between(random, 1, 60);
            for (int32_t page = 0; page < (first + own - 1) / kPageTokens + 1; page++) list.push_back(pages++);
            segments.push_back({rows, own, first, list});
            rows += own;
        }
        const int64_t q_columns = int64_t{heads} * head_dim, kv_columns = int64_t{kv_heads} * head_dim;
        const auto q = random_values(random.bits64(), rows * q_columns, 2);
        const auto k = random_values(random.bits64(), rows * kv_columns);
        const auto v = random_values(random.bits64(), rows * kv_columns);
        const size_t page_bytes = kv_layer_bytes(kv_heads, head_dim);
        const auto earlier = random_values(random.bits64(), static_cast<int64_t>(page_bytes / 2) * pages);
        expect_the_same_of_all(
            static_cast<size_t>(rows * q_columns), NumericClass::f32seq,
            fmt::format("{} heads over {} of {}, {} segments, {} rows", heads, kv_heads, head_dim, count, rows),
            [&](OpContext& op, float* y) {
                // What was cached before, and stale numbers behind what is visible.
                auto memory = HugeMemory::allocate(page_bytes * static_cast<size_t>(pages) + 64);
                CHECK(memory.ok());
                auto* values = reinterpret_cast<bf16*>(memory->data());
                for (size_t i = 0; i < earlier.size(); i++) values[i] = round_to_bf16(earlier[i]);
                const KvLayer layer{memory->data(), page_bytes, 0, kv_heads, head_dim};
                store_kv(op, segments, {k.data(), rows, kv_columns}, {v.data(), rows, kv_columns}, layer);
                attention(op, segments, {q.data(), rows, q_columns}, heads, layer, {y, rows, q_columns});
            });
    }
}

TEST(Fuzz, Rows) {
    Random random(14);
    for (int round = 0; round < 40; round++) {
        const int32_t rows = between(random, 0, 30), heads = between(random, 1, 5),
                      head_dim = 2 * between(random, 1, 60);
        const int32_t n = heads * head_dim;
        const auto x = random_values(random.bits64(), int64_t{rows} * n), z = random_values(random.bits64(), rows * n);
        const auto weight = random_values(random.bits64(), n);
        std::vector<int32_t> positions;
        for (int32_t i = 0; i < rows; i++) positions.push_back(between(random, 0, 100000));
        const RotarySpec spec{.head_dim = head_dim,
                              .interleaved = round % 2 == 1,
                              .inverse_frequencies = rotary_inverse_frequencies(10000, head_dim)};
        expect_the_same_of_all(static_cast<size_t>(rows * n), NumericClass::f32seq,
                               fmt::format("[{}, {} x {}]", rows, heads, head_dim), [&](OpContext& op, float* y) {
                                   const MatrixView<float> out{y, rows, n};
                                   rms_norm(op, {x.data(), rows, n}, weight, 1e-5f, NormWeight::one_plus, out);
                                   rms_norm_heads(op, out, std::span(weight).first(static_cast<size_t>(head_dim)),
                                                  1e-6f, NormWeight::plain);
                                   rotary(op, positions, spec, out);
                                   add(op, {z.data(), rows, n}, out);
                                   swiglu(op, out, {z.data(), rows, n}, out);
                                   clamp(op, 3, out);
                               });
    }
}

TEST(Fuzz, Router) {
    Random random(15);
    for (int round = 0; round < 40; round++) {
        const int32_t rows = between(random, 0, 60), experts = between(random, 1, 200);
        const RouterSpec spec{.score = round % 2 == 0 ? RouterScore::softmax : RouterScore::sigmoid,
                              .experts_per_token = between(random, 1, std::min(experts, 12)),
                              .normalise = round % 3 == 0};
        const auto logits = random_values(random.bits64(), int64_t{rows} * experts, 3);
        const int32_t slots = spec.experts_per_token;
        expect_the_same_of_all(
            static_cast<size_t>(2 * rows * slots), NumericClass::f32seq,
            fmt::format("{} of {} experts, {} rows", slots, experts, rows), [&](OpContext& op, float* y) {
                std::vector<int32_t> chosen(static_cast<size_t>(rows * slots));
                route(op, spec, {logits.data(), rows, experts}, {{chosen.data(), rows, slots}, {y, rows, slots}});
                std::ranges::copy(chosen, y + rows * slots);
            });
    }
}

}  // namespace
}  // namespace hone::math
