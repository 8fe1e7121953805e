// Matrix products: golden bits, every ISA against the reference, one row against many, panels apart, the start-up
// self-test.

#include <set>

#include "gemm_fixture.h"
#include "golden_ops.h"
#include "math/kernels/self_test.h"

namespace hone::math {
namespace {

// A tile of rows from codes and scales that were quantised elsewhere.
std::vector<std::byte> int8_block(const std::vector<int8_t>& codes, const std::vector<float>& scales, int64_t rows,
                                  int64_t k) {
    std::vector<std::byte> block(static_cast<size_t>(rows * activation_row_bytes(ActivationFormat::i8_g32, k)));
    for (int64_t row = 0; row < rows; row++) {
        const auto lines = row_lines(ActivationFormat::i8_g32, k, block.data(), rows, row);
        for (int64_t group = 0; group < k / kGroup; group++) {
            std::byte* line = lines.first + group * lines.stride;
            int32_t start = 0;
            for (int32_t i = 0; i < kGroup; i++) {
                const int8_t code = codes[static_cast<size_t>(row * k + group * kGroup + i)];
                line[i / 8 * 8 + i8_position(i % 8)] = static_cast<std::byte>(code);
                start -= 8 * code;
            }
            std::memcpy(line + kI8ScaleOffset, &scales[static_cast<size_t>(row * k / kGroup + group)], sizeof(float));
            std::memcpy(line + kI8StartOffset, &start, sizeof start);
        }
    }
    return block;
}

TEST(Gemm, GoldenBitsOfEveryClass) {
    flush_denormals();
    const GoldenOp golden("exact_gemm");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            const Shape shape = golden.shape(name, "in/x");
            const auto n = static_cast<int32_t>(golden.shape(name, "in/w")[0]);
            const auto rows = static_cast<int32_t>(shape[0]), k = static_cast<int32_t>(shape[1]);
            const std::string what = describe(*table) + " " + name;
            const PackedWeight weight(WeightFormat::bf16, n, k, golden.values(name, "in/w"));
            const auto x =
                prepare_block(matrix_product(context.op, weight.weight), golden.values(name, "in/x"), rows, k);
            expect_same_bits(multiply(table->gemm.bf16_bf16, x, rows, weight.weight), golden.values(name, "out/f32seq"),
                             what);
            if (!golden.has(name, "in/w_codes")) continue;

            std::vector<bf16> scales;
            for (const float scale : golden.values(name, "in/w_scales")) scales.push_back(round_to_bf16(scale));
            const PackedWeight int4 = packed_codes(n, k, golden.values<int8_t>(name, "in/w_codes"), scales);
            expect_same_bits(multiply(table->gemm.bf16_int4g32, x, rows, int4.weight),
                             golden.values(name, "out/f32seq_int4"), what);
            const auto codes =
                int8_block(golden.values<int8_t>(name, "in/x_codes"), golden.values(name, "in/x_scales"), rows, k);
            expect_same_bits(multiply(table->gemm.i8_int4g32, codes, rows, int4.weight),
                             golden.values(name, "out/i8g32_int4"), what);
        }
    }
}

struct Extents {
    int32_t rows, n, k;
};

std::vector<Extents> awkward_extents() {
    std::vector<Extents> extents = {{1, 1, 1},     {1, 33, 32},  {2, 64, 64},   {3, 17, 31},   {4, 65, 33},
                                    {5, 16, 96},   {6, 128, 2},  {7, 100, 129}, {12, 31, 160}, {13, 8, 255},
                                    {13, 70, 257}, {25, 96, 63}, {1, 48, 700},  {9, 40, 513},  {16, 33, 1025},
                                    {6, 96, 64},   {8, 1, 320},  {13, 70, 2500}};
    Random random(3);
    for (int i = 0; i < 12; i++) {
        extents.push_back({static_cast<int32_t>(1 + random.below(20)), static_cast<int32_t>(1 + random.below(140)),
                           static_cast<int32_t>(1 + random.below(400))});
    }
    return extents;
}

TEST(Gemm, TheTestsReachEveryKernelOfTheTable) {
    for (const KernelTable* table : runnable_kernel_tables()) {
        std::set<std::string_view> reached;
        TestContext context(*table);
        for (const ProductKind& kind : kProductKinds) {
            context.op.int4_class = kind.int4_class;
            const MatrixProduct product = matrix_product(context.op, {kind.format, 1, 1, nullptr});
            reached.insert({product.gemm.name, product.prepare.name});
        }
        for (const std::string_view kernel : kernels_of(*table)) {
            if (!kernel.starts_with("gemm_") && !kernel.starts_with("prepare_")) continue;
            EXPECT_TRUE(reached.contains(kernel)) << kernel << ": add its ProductKind to gemm_fixture.h";
        }
    }
}

TEST(Gemm, EveryIsaGivesTheBitsOfTheReference) {
    flush_denormals();
    const KernelTable& reference = *runnable_kernel_tables().front();
    for (const ProductKind& kind : kProductKinds) {
        for (const auto& [rows, n, k] : awkward_extents()) {
            const PackedWeight weight = kind.format == WeightFormat::int4_g32
                                            ? shipped_int4(7, n, k)
                                            : PackedWeight(kind.format, n, k, wide_values(8, int64_t{n} * k));
            const auto x = wide_values(9, int64_t{rows} * k);
            std::vector<float> expected;
            for (const KernelTable* table : runnable_kernel_tables()) {
                TestContext context(*table);
                context.op.int4_class = kind.int4_class;
                const MatrixProduct product = matrix_product(context.op, weight.weight);
                const auto y = multiply(product.gemm, prepare_block(product, x, rows, k), rows, weight.weight);
                if (table == &reference)
                    expected = y;
                else
                    expect_same_bits(y, expected, fmt::format("{} M={} N={} K={}", product.gemm.name, rows, n, k));
            }
        }
    }
}

// INT4 of which every scale is one at the end of its range.
PackedWeight extreme_int4(uint64_t seed, int32_t n, int32_t k) {
    Random random(seed);
    std::vector<int8_t> codes(static_cast<size_t>(n * k));
    for (int8_t& code : codes) code = static_cast<int8_t>(static_cast<int>(random.below(16)) - 8);
    constexpr uint16_t kEnds[] = {0x0000, 0x0001, 0x007f, 0x0080, 0x00ff, 0x3f80, 0x7f00, 0x7f7f, 0x7f80, 0x7fc0};
    std::vector<bf16> scales(static_cast<size_t>(n * ((k + 31) / 32)));
    for (bf16& scale : scales) {
        // Few that are not finite, or little else would come out.
        scale.bits = kEnds[random.below(random.below(20) == 0 ? 10 : 8)];
        if (random.below(2) == 0) scale.bits |= 0x8000;
    }
    return packed_codes(n, k, codes, scales);
}

// Groups from the least to the largest magnitudes, and some of zeros, some with an infinity or NaN.
std::vector<float> extreme_values(uint64_t seed, int64_t count) {
    Random random(seed);
    auto values = random_values(seed + 1, count, 0.2f);
    for (size_t first = 0; first < values.size(); first += kGroup) {
        const int power = static_cast<int>(random.below(278)) - 149;
        const double kind = random.uniform();
        for (size_t i = first; i < std::min(values.size(), first + kGroup); i++)
            values[i] = kind < 0.1 ? 0 : std::ldexp(values[i], power);
        if (kind > 0.97)
            values[first] = std::numeric_limits<float>::quiet_NaN();
        else if (kind > 0.95)
            values[first] = -std::numeric_limits<float>::infinity();
    }
    return values;
}

TEST(Gemm, ScalesAtTheEndsOfTheirRange) {
    flush_denormals();
    const KernelTable& reference = *runnable_kernel_tables().front();
    for (const NumericClass int4_class : kNumericClasses) {
        int64_t finite = 0, others = 0;
        for (const int32_t k : {32, 64, 90}) {
            const int32_t rows = 120, n = 70;
            const PackedWeight weight = extreme_int4(5, n, k);
            const auto x = extreme_values(6, rows * k);
            std::vector<float> expected;
            for (const KernelTable* table : runnable_kernel_tables()) {
                TestContext context(*table);
                context.op.int4_class = int4_class;
                const MatrixProduct product = matrix_product(context.op, weight.weight);
                const auto y = multiply(product.gemm, prepare_block(product, x, rows, k), rows, weight.weight);
                if (table == &reference)
                    expected = y;
                else
                    expect_same_bits(y, expected, fmt::format("{} K={}", product.gemm.name, k));
            }
            for (const float y : expected) (std::isfinite(y) && y != 0 ? finite : others)++;
        }
        EXPECT_GT(finite, 5000) << name_of(int4_class);
        EXPECT_GT(others, 5000) << name_of(int4_class);
    }
}

TEST(Gemm, PowerScalesGiveTheBitsOfI8g32) {
    // The same codes and scales in the lines of the other class.
    flush_denormals();
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        context.op.int4_class = NumericClass::i8p32;
        for (const auto& [rows, n, k] : awkward_extents()) {
            const PackedWeight weight = shipped_int4(7, n, k);
            auto block =
                prepare_block(matrix_product(context.op, weight.weight), wide_values(9, int64_t{rows} * k), rows, k);
            const auto y = multiply(table->gemm.i8p32_int4g32, block, rows, weight.weight);
            for (size_t line = 0; line < block.size(); line += kI8LineBytes) {
                bf16 scale;
                std::memcpy(&scale, &block[line + kI8ScaleOffset], sizeof scale);
                const float wide = to_float(scale);
                std::memcpy(&block[line + kI8ScaleOffset], &wide, sizeof wide);
            }
            expect_same_bits(y, multiply(table->gemm.i8_int4g32, block, rows, weight.weight), describe(*table));
        }
    }
}

TEST(Gemm, ARowDependsOnItselfAlone) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        for (const KernelTable* table : runnable_kernel_tables()) {
            TestContext context(*table);
            context.op.int4_class = kind.int4_class;
            const int32_t rows = 27, n = 72, k = 330;
            const PackedWeight weight(kind.format, n, k, wide_values(1, n * k));
            const MatrixProduct product = matrix_product(context.op, weight.weight);
            const auto x = wide_values(2, rows * k);
            for (const int32_t some : {1, 2, 5, 6, 7, 14, 27}) {
                const std::vector<float> first(x.begin(), x.begin() + some * k);
                const auto together =
                    multiply(product.gemm, prepare_block(product, first, some, k), some, weight.weight);
                for (int32_t row = 0; row < some; row++) {
                    const std::vector<float> one(x.begin() + row * k, x.begin() + (row + 1) * k);
                    const auto alone = multiply(product.gemm, prepare_block(product, one, 1, k), 1, weight.weight);
                    expect_same_bits(std::span(together).subspan(row * n, n), alone,
                                     fmt::format("{} row {} of {}", describe(*table, kind), row, some));
                }
            }
        }
    }
}

TEST(Gemm, PanelsMayBeComputedApart) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        for (const KernelTable* table : runnable_kernel_tables()) {
            TestContext context(*table);
            context.op.int4_class = kind.int4_class;
            const int32_t rows = 7, n = 200, k = 96;
            const PackedWeight packed(kind.format, n, k, wide_values(1, n * k));
            const Weight& weight = packed.weight;
            const MatrixProduct product = matrix_product(context.op, weight);
            const auto x = prepare_block(product, wide_values(2, rows * k), rows, k);
            const auto expected = multiply(product.gemm, x, rows, weight);
            std::vector<float> y(expected.size());
            const int32_t columns = panel_columns(weight.format);
            for (int32_t panel = 0; panel * columns < n; panel++) {
                product.gemm.run({.activations = x.data(),
                                  .rows = rows,
                                  .weight = weight.data,
                                  .n = n,
                                  .k = k,
                                  .first_panel = panel,
                                  .panels = 1,
                                  .y = &y[static_cast<size_t>(panel * columns)],
                                  .y_stride = n});
            }
            expect_same_bits(y, expected, describe(*table, kind));
        }
    }
}

TEST(Gemm, LargestDotsAreExact) {
    // A code is multiplied as code + 8: 7 against +-127 gives the largest partial sums, 8 * 2 * 15 * 127 = 30480 in the
    // int16 of AVX2; -8 gives the largest dot, 32512, all of it from the start value -8 * sum(x).
    flush_denormals();
    const int32_t n = 33, k = 96;
    const std::vector<bf16> scales(static_cast<size_t>(n * k / kGroup), round_to_bf16(1));
    for (const int8_t code : {int8_t{7}, int8_t{-8}}) {
        const PackedWeight weight = packed_codes(n, k, std::vector<int8_t>(static_cast<size_t>(n * k), code), scales);
        for (const float value : {127.0f, -127.0f}) {
            for (const KernelTable* table : runnable_kernel_tables()) {
                TestContext context(*table);
                const MatrixProduct product = matrix_product(context.op, weight.weight);
                const auto x = prepare_block(product, std::vector<float>(2 * k, value), 2, k);
                for (const float y : multiply(product.gemm, x, 2, weight.weight))
                    EXPECT_EQ(y, code * value * k) << describe(*table);
            }
        }
    }
}

TEST(Gemm, WeightedSumAddsInOrder) {
    flush_denormals();
    const int64_t stride = 37, count = 5;
    const auto rows = wide_values(4, 9 * stride);
    const std::vector<int32_t> positions = {8, 0, 3, 3, 5};
    const auto weights = wide_values(5, count);
    for (const KernelTable* table : runnable_kernel_tables()) {
        std::vector<float> y(stride), expected(stride);
        table->gemm.weighted_sum.run(rows.data(), stride, positions.data(), weights.data(), count, y.data(), stride);
        runnable_kernel_tables().front()->gemm.weighted_sum.run(rows.data(), stride, positions.data(), weights.data(),
                                                                count, expected.data(), stride);
        expect_same_bits(y, expected, describe(*table));
    }
    std::vector<float> y(1);
    const std::vector<float> big = {1e30f, -1e30f, 1.0f}, ones(3, 1.0f);
    const std::vector<int32_t> order = {0, 1, 2}, other = {0, 2, 1};
    for (const KernelTable* table : runnable_kernel_tables()) {
        table->gemm.weighted_sum.run(big.data(), 1, order.data(), ones.data(), 3, y.data(), 1);
        EXPECT_EQ(y[0], 1) << describe(*table);
        table->gemm.weighted_sum.run(big.data(), 1, other.data(), ones.data(), 3, y.data(), 1);
        EXPECT_EQ(y[0], 0) << describe(*table);
    }
}

TEST(Gemm, DotAddsInSixteenLanes) {
    flush_denormals();
    const KernelTable& reference = *runnable_kernel_tables().front();
    for (const int64_t n : {1, 15, 16, 17, 40, 257}) {
        const auto a = wide_values(6, n), b = wide_values(7, n);
        const float expected = reference.gemm.dot.run(a.data(), b.data(), n);
        for (const KernelTable* table : runnable_kernel_tables())
            EXPECT_TRUE(same_bits(table->gemm.dot.run(a.data(), b.data(), n), expected)) << describe(*table) << n;
    }
    // Elements 0 and 16 share a lane, which element 8 joins after that.
    std::vector<float> a(17), ones(17, 1.0f);
    a[0] = 1e30f, a[8] = 1, a[16] = -1e30f;
    EXPECT_EQ(reference.gemm.dot.run(a.data(), ones.data(), 17), 1);
    std::swap(a[8], a[16]);
    EXPECT_EQ(reference.gemm.dot.run(a.data(), ones.data(), 17), 0);
}

TEST(SelfTest, PassesWithEveryTable) {
    for (const KernelTable* table : runnable_kernel_tables()) {
        const Status status = self_test(*table);
        EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
    }
}

// bf16_bf16 that adds the even element of a pair first: pairs are swapped on both sides.
void even_first(const GemmTask& task) {
    const auto swapped = [](const std::byte* from, size_t bytes) {
        std::vector<std::byte> copy(from, from + bytes);
        for (size_t i = 0; i + 4 <= bytes; i += 4) std::swap_ranges(&copy[i], &copy[i] + 2, &copy[i] + 2);
        return copy;
    };
    const auto x = swapped(task.activations,
                           static_cast<size_t>(task.rows * activation_row_bytes(ActivationFormat::bf16, task.k)));
    const auto w = swapped(task.weight, packed_bytes(WeightFormat::bf16, task.n, task.k));
    GemmTask other = task;
    other.activations = x.data();
    other.weight = w.data();
    reference::gemm_kernels().bf16_bf16.run(other);
}

TEST(SelfTest, FindsAPairAddedInTheOtherOrder) {
    KernelTable table = *runnable_kernel_tables().back();
    table.gemm.bf16_bf16 = {"gemm_bf16_bf16__even_first", even_first};
    const Status status = self_test(table);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("gemm_bf16_bf16__even_first"), std::string::npos) << status.error().message;
}

TEST(SelfTest, PassesOverTablesThatFail) {
    const auto runnable = runnable_kernel_tables();
    KernelTable broken = *runnable.back();
    broken.gemm.bf16_bf16 = {"gemm_bf16_bf16__even_first", even_first};
    std::vector<const KernelTable*> tables(runnable.begin(), runnable.end());
    EXPECT_EQ(*fastest_sound(tables), tables.back());
    tables.push_back(&broken);
    EXPECT_EQ(*fastest_sound(tables), runnable.back());
    tables.push_back(&broken);
    EXPECT_EQ(*fastest_sound(tables), runnable.back());
    tables = {&broken, &broken};
    const auto none = fastest_sound(tables);
    ASSERT_FALSE(none.ok());
    EXPECT_NE(none.error().message.find("even_first"), std::string::npos) << none.error().message;
}

TEST(KernelTable, SelectsByName) {
    EXPECT_EQ(*select_kernels("auto"), runnable_kernel_tables().back());
    for (const KernelTable* table : runnable_kernel_tables()) {
        EXPECT_EQ(*select_kernels(name_of(table->isa)), table);
        EXPECT_GT(kernels_of(*table).size(), 20u);
        for (const std::string_view kernel : kernels_of(*table)) {
            EXPECT_TRUE(kernel.ends_with(fmt::format("__{}", name_of(table->isa)))) << kernel;
        }
    }
    const auto unknown = select_kernels("neon");
    ASSERT_FALSE(unknown.ok());
    EXPECT_NE(unknown.error().message.find("avx2"), std::string::npos) << unknown.error().message;
}

}  // namespace
}  // namespace hone::math
