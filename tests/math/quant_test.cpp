// Weight formats: the codecs against golden data, packing and unpacking, and the activation quantisers of every ISA.

#include "gemm_fixture.h"
#include "golden_ops.h"
#include "math/quant/int4_g32.h"
#include "math/quant/int8_g32.h"

namespace hone::math {
namespace {

TEST(Quant, Int4CodecIsGolden) {
    const GoldenOp golden("int4_g32");
    for (const auto& name : golden.cases()) {
        const auto w = golden.values(name, "in/w");
        const Shape shape = golden.shape(name, "in/w");
        const int64_t n = shape[0], k = shape[1];
        std::vector<int8_t> codes(w.size());
        std::vector<bf16> scales(static_cast<size_t>(n * k / kGroup));
        std::vector<float> values(w.size()), scale_values;
        for (int64_t row = 0; row < n; row++) {
            quantise_int4_row(&w[row * k], k, &codes[row * k], &scales[row * k / kGroup]);
        }
        for (const bf16 scale : scales) scale_values.push_back(to_float(scale));
        for (size_t i = 0; i < w.size(); i++) values[i] = static_cast<float>(codes[i]) * scale_values[i / kGroup];
        EXPECT_EQ(codes, golden.values<int8_t>(name, "out/codes")) << name;
        expect_same_bits(scale_values, golden.values(name, "out/scales"), name);
        expect_same_bits(values, golden.values(name, "out/wq"), name);

        // The same through the packed form, quantised there or brought along as codes.
        const PackedWeight packed(WeightFormat::int4_g32, static_cast<int32_t>(n), static_cast<int32_t>(k), w);
        const PackedWeight from_codes = packed_codes(static_cast<int32_t>(n), static_cast<int32_t>(k), codes, scales);
        EXPECT_EQ(packed.bytes, from_codes.bytes) << name;
        for (int64_t row = 0; row < n; row++) unpack_row(packed.weight, row, &values[row * k]);
        expect_same_bits(values, golden.values(name, "out/wq"), name);
    }
}

// The scale that quantising group w and its values again makes, which are codes times scale, and the codes.
void expect_idempotent(std::span<const float> w, const std::string& what) {
    const auto k = static_cast<int64_t>(w.size());
    std::vector<int8_t> codes(w.size()), again(w.size());
    bf16 scale, scale_again;
    quantise_int4_row(w.data(), k, codes.data(), &scale);
    std::vector<float> values;
    for (const int8_t code : codes) values.push_back(static_cast<float>(code) * to_float(scale));
    quantise_int4_row(values.data(), k, again.data(), &scale_again);
    EXPECT_EQ(scale.bits, scale_again.bits) << what;
    EXPECT_EQ(codes, again) << what;
}

// A scale is bf16 and times a code exact in fp32; the largest code of a group is 7, so that 7 s / 7 = s, unless the floor
// of 1e-5 acts, which then acts again. So exported INT4 weights keep their codes.
TEST(Quant, Int4ValuesQuantiseToThemselves) {
    Random random(4);
    const auto check = [&](auto&& draw, const std::string& what) {
        for (int trial = 0; trial < 20'000 && !testing::Test::HasFailure(); trial++) {
            std::vector<float> w(1 + random.below(kGroup));
            draw(w);
            expect_idempotent(w, fmt::format("{}, trial {}: {}", what, trial, fmt::join(w, " ")));
        }
    };
    check(
        [&](auto& w) {
            for (float& x : w) x = random.normal();
        },
        "normal");
    check(
        [&](auto& w) {
            const float size = std::ldexp(1.0f, static_cast<int>(random.below(252)) - 126);
            for (float& x : w) x = size * random.normal() / 8;
        },
        "any exponent");
    check(
        [&](auto& w) {
            for (float& x : w) x = 7e-5f * (0.9f + 0.2f * static_cast<float>(random.uniform()));
        },
        "about the floor");
    check(
        [&](auto& w) {
            for (float& x : w) x = std::bit_cast<float>(random.bits32() % 0x7e800000);
        },
        "any bits");
    // The largest value about the middle between two scales, where it is rounded by most; others between two codes.
    check(
        [&](auto& w) {
            const auto middle = std::bit_cast<float>((random.bits32() % 0x07000000 + 0x38000000) | 0x8000u);
            const auto scale = middle * (1 + (static_cast<float>(random.below(5)) - 2) * 0x1p-23f);
            for (float& x : w) x = scale * (static_cast<float>(random.below(15)) - 7) / 2;
            w[0] = 7 * scale;
        },
        "ties");
    check(
        [&](auto& w) {
            for (float& x : w) x = 0;
        },
        "zeros");
    const float nan = std::nanf(""), inf = INFINITY;
    for (const std::vector<float>& w : {std::vector<float>{nan, 1}, {1, inf}, {-0.0f, 0.0f}, {1e-5f}, {7e-5f, -1e-30f}})
        expect_idempotent(w, "special");
    for (uint32_t bits = 0x3f80; bits < 0x4000; bits++) {  // every mantissa, every code, as the largest or not
        for (int code = 1; code <= 7; code++) {
            const float scale = to_float({static_cast<uint16_t>(bits)});
            expect_idempotent(std::vector<float>{scale * 7, scale * static_cast<float>(-code)}, "each");
        }
    }
}

struct Int8Row {
    std::vector<int8_t> codes;
    std::vector<float> scales;
};

// Reads the lines of a one-row tile back into row-major codes, and checks their start values.
Int8Row read_lines(const std::vector<std::byte>& lines, int64_t k) {
    Int8Row row;
    for (int64_t i = 0; i < (k + 31) / 32 * 32; i++) {
        const std::byte* line = &lines[static_cast<size_t>(i / kGroup * kI8LineBytes)];
        const auto code = static_cast<int8_t>(line[i % kGroup / 8 * 8 + i8_position(static_cast<int32_t>(i % 8))]);
        if (i < k)
            row.codes.push_back(code);
        else
            EXPECT_EQ(code, 0);
        if (i % kGroup != 0) continue;
        float scale;
        int32_t start, sum = 0;
        std::memcpy(&scale, line + kI8ScaleOffset, sizeof scale);
        std::memcpy(&start, line + kI8StartOffset, sizeof start);
        for (int32_t j = 0; j < kGroup; j++) sum += static_cast<int8_t>(line[j]);
        EXPECT_EQ(start, -8 * sum);
        row.scales.push_back(scale);
    }
    return row;
}

Int8Row quantise_with(const KernelTable& table, const float* x, int64_t k) {
    std::vector<std::byte> lines(static_cast<size_t>(activation_row_bytes(ActivationFormat::i8_g32, k)));
    table.gemm.prepare_i8g32.run(x, k, lines.data(), kI8LineBytes);
    return read_lines(lines, k);
}

TEST(Quant, Int8QuantisersAreGolden) {
    flush_denormals();
    const GoldenOp golden("int8_g32");
    for (const auto& name : golden.cases()) {
        const auto x = golden.values(name, "in/x");
        const int64_t k = golden.shape(name, "in/x")[1];
        const auto rows = static_cast<int64_t>(x.size()) / k;
        std::vector<int8_t> codes(x.size());
        std::vector<float> scales(x.size() / kGroup), values(x.size());
        for (int64_t row = 0; row < rows; row++) {
            quantise_int8_row(ActivationFormat::i8_g32, &x[row * k], k, &codes[row * k], &scales[row * k / kGroup]);
        }
        for (size_t i = 0; i < x.size(); i++) values[i] = static_cast<float>(codes[i]) * scales[i / kGroup];
        EXPECT_EQ(codes, golden.values<int8_t>(name, "out/codes")) << name;
        expect_same_bits(scales, golden.values(name, "out/scales"), name);
        expect_same_bits(values, golden.values(name, "out/xq"), name);
        for (const KernelTable* table : runnable_kernel_tables()) {
            for (int64_t row = 0; row < rows; row++) {
                const Int8Row quantised = quantise_with(*table, &x[row * k], k);
                EXPECT_TRUE(std::equal(quantised.codes.begin(), quantised.codes.end(), &codes[row * k]))
                    << describe(*table);
                EXPECT_TRUE(std::equal(quantised.scales.begin(), quantised.scales.end(), &scales[row * k / kGroup]))
                    << describe(*table);
            }
        }
    }
}

TEST(Quant, EveryIsaPreparesTheSameBytes) {
    flush_denormals();
    const KernelTable& reference = *runnable_kernel_tables().front();
    for (const int64_t k : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 257, 2048}) {
        for (uint64_t seed = 0; seed < 4; seed++) {
            auto x = wide_values(seed, k);
            if (seed == 1) x.assign(x.size(), 0.0f);
            if (seed == 2) x[static_cast<size_t>(k / 2)] = std::numeric_limits<float>::quiet_NaN();
            if (seed == 3) x[static_cast<size_t>(k / 2)] = -std::numeric_limits<float>::infinity();
            for (const KernelTable* table : runnable_kernel_tables()) {
                for (const auto prepare : {&GemmKernels::prepare_f32, &GemmKernels::prepare_bf16,
                                           &GemmKernels::prepare_i8g32, &GemmKernels::prepare_i8p32}) {
                    // Stride for a tile of three rows: only the lines themselves may be written.
                    const size_t lines = static_cast<size_t>(k + 15) / 16;
                    std::vector<std::byte> actual(lines * 192, std::byte{0xee}), expected = actual;
                    (table->gemm.*prepare).run(x.data(), k, actual.data(), 192);
                    (reference.gemm.*prepare).run(x.data(), k, expected.data(), 192);
                    EXPECT_EQ(actual, expected) << (table->gemm.*prepare).name << " k=" << k << " seed=" << seed;
                }
            }
        }
    }
}

// What rule 16 says of a group of i8p32, by other means than the codec's.
void expect_power_scaled(const KernelTable& table, const std::vector<float>& x) {
    std::vector<std::byte> line(kI8LineBytes);
    table.gemm.prepare_i8p32.run(x.data(), std::ssize(x), line.data(), kI8LineBytes);
    bf16 scale;
    float exponent;
    std::memcpy(&scale, &line[kI8ScaleOffset], sizeof scale);
    std::memcpy(&exponent, &line[kI8ScaleOffset], sizeof exponent);
    const Int8Row row = read_lines(line, std::ssize(x));

    float largest = 0;
    for (const float value : x) largest = std::max(largest, std::abs(value));
    const std::string what = fmt::format("{} max {:a}", describe(table), largest);
    int power = -140;
    while (power < 130 && std::ldexp(127.0, power) < largest) power++;
    if (power < -126) {
        EXPECT_EQ(to_float(scale), 0) << what;
        EXPECT_EQ(std::floor(exponent), -127) << what;
        EXPECT_EQ(row.codes, std::vector<int8_t>(x.size(), 0)) << what;
        return;
    }
    EXPECT_EQ(to_float(scale), std::ldexp(1.0f, power)) << what;
    EXPECT_EQ(std::floor(exponent), power) << what;
    for (size_t i = 0; i < x.size(); i++) {
        const double rounded = std::nearbyint(std::ldexp(static_cast<double>(x[i]), -power));
        EXPECT_EQ(row.codes[i], std::clamp(rounded, -127.0, 127.0)) << what << " x " << x[i];
    }
}

TEST(Quant, PowersOfTwoAreTheNextOnesUp) {
    flush_denormals();
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (int power = -149; power < 128; power++) {
            for (const float mantissa : {1.0f, 1.25f, 127.0f / 128, std::nextafter(127.0f / 128, 2.0f),
                                         std::nextafter(127.0f / 128, 0.0f), 127.00001f / 128}) {
                const float largest = std::ldexp(mantissa, power);
                expect_power_scaled(*table, {largest, -largest / 3, 0, largest / 2, largest * 1e-3f, -largest});
            }
        }
        expect_power_scaled(*table, {std::numeric_limits<float>::max(), 1, 0x1p115f, -0x1p127f});
        expect_power_scaled(*table, std::vector<float>(32, 0.0f));
        for (uint64_t seed = 0; seed < 200; seed++) expect_power_scaled(*table, random_values(seed, 32));
    }
}

TEST(Quant, WhatIsNotANumberIsNotLost) {
    flush_denormals();
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (const float bad : {nan, -nan, infinity, -infinity}) {
            std::vector<float> x(40, 1.0f);
            x[35] = bad;
            const Int8Row row = quantise_with(*table, x.data(), 40);
            EXPECT_FALSE(std::isnan(row.scales[0])) << describe(*table);
            EXPECT_EQ(std::isnan(row.scales[1]), std::isnan(bad)) << describe(*table);
            // Whatever the weights, and be their scale 0.
            for (const float weight_scale : {1.0f, 0.0f, -0x1p-126f, infinity}) {
                const std::vector<bf16> scales(2, round_to_bf16(weight_scale));
                const PackedWeight weight = packed_codes(1, 40, std::vector<int8_t>(40, 0), scales);
                for (const NumericClass int4_class : {NumericClass::f32seq, NumericClass::i8p32}) {
                    TestContext context(*table);
                    context.op.int4_class = int4_class;
                    const MatrixProduct product = matrix_product(context.op, weight.weight);
                    EXPECT_TRUE(
                        std::isnan(multiply(product.gemm, prepare_block(product, x, 1, 40), 1, weight.weight)[0]))
                        << describe(*table) << " " << bad << " " << weight_scale;
                }
            }
        }
    }
}

TEST(Quant, AnInt4WeightThatIsNotFiniteIsNotLost) {
    flush_denormals();
    const int32_t n = 3, k = 100;
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
        for (const int64_t at : {0, 31, 32, 99}) {  // first and last of a group, of the row
            auto values = random_values(3, n * k);
            values[static_cast<size_t>(k + at)] = bad;  // in the second row
            const PackedWeight packed(WeightFormat::int4_g32, n, k, values);
            std::vector<float> row(k);
            unpack_row(packed.weight, 1, row.data());
            for (int64_t i = 0; i < k; i++) {
                EXPECT_EQ(std::isnan(row[static_cast<size_t>(i)]), i / kGroup == at / kGroup) << bad << " " << at;
            }
            for (const KernelTable* table : runnable_kernel_tables()) {
                for (const NumericClass int4_class : kNumericClasses) {
                    TestContext context(*table);
                    context.op.int4_class = int4_class;
                    const MatrixProduct product = matrix_product(context.op, packed.weight);
                    const auto y =
                        multiply(product.gemm, prepare_block(product, random_values(4, k), 1, k), 1, packed.weight);
                    EXPECT_TRUE(std::isfinite(y[0]) && std::isnan(y[1]) && std::isfinite(y[2])) << describe(*table);
                }
            }
        }
    }
}

TEST(Quant, TinyGroupsAreZero) {
    // max / 127 is denormal, that is zero: dividing by it would make infinities.
    flush_denormals();
    std::vector<float> x(32, 1e-37f);
    for (const KernelTable* table : runnable_kernel_tables()) {
        const Int8Row row = quantise_with(*table, x.data(), 32);
        EXPECT_EQ(row.scales[0], 0) << describe(*table);
        EXPECT_EQ(row.codes, std::vector<int8_t>(32, 0)) << describe(*table);
    }
}

TEST(Quant, RoundsToBf16ByTheFormatsRule) {
    for (const float value :
         {1.0f, 1.00390625f, 1.01171875f, -1.00390625f, 3.3895314e38f, 3.4e38f, 1e-40f, -1e-40f, 0.1f}) {
        const uint16_t expected = round_to_bf16(value).bits;
        for (const KernelTable* table : runnable_kernel_tables()) {
            std::vector<std::byte> line(64);
            table->gemm.prepare_bf16.run(&value, 1, line.data(), 64);
            uint16_t bits;
            std::memcpy(&bits, line.data(), sizeof bits);
            EXPECT_EQ(bits, expected) << describe(*table) << " " << value;
        }
    }
}

TEST(Quant, UnpacksWhatWasPackedWholeOrInParts) {
    for (const WeightFormat format :
         {WeightFormat::f32, WeightFormat::bf16, WeightFormat::int4_g32, WeightFormat::bf16_rows}) {
        for (const auto& [n, k] : {std::pair{1, 1}, {31, 33}, {64, 64}, {65, 95}, {130, 7}, {200, 130}}) {
            const auto values = random_values(5, n * k);
            const PackedWeight whole(format, n, k, values);
            PackedWeight parts(format, n, k);
            for (int64_t row = 0; row < n; row += 64) {
                pack_weight(format, n, k, row, std::min<int64_t>(64, n - row), &values[static_cast<size_t>(row * k)],
                            parts.bytes.data());
            }
            EXPECT_EQ(whole.bytes, parts.bytes) << name_of(format) << " " << n << " " << k;
            for (int64_t row = 0; row < n; row++) {
                std::vector<float> expected(&values[static_cast<size_t>(row * k)],
                                            &values[static_cast<size_t>(row * k)] + k),
                    actual(expected.size());
                if (format == WeightFormat::int4_g32) {
                    std::vector<int8_t> codes(expected.size());
                    std::vector<bf16> scales(expected.size());
                    quantise_int4_row(expected.data(), k, codes.data(), scales.data());
                    for (int64_t i = 0; i < k; i++)
                        expected[i] = static_cast<float>(codes[i]) * to_float(scales[i / kGroup]);
                } else if (format != WeightFormat::f32) {
                    for (float& value : expected) value = to_float(round_to_bf16(value));
                }
                unpack_row(whole.weight, row, actual.data());
                expect_same_bits(actual, expected, fmt::format("{} {}x{} row {}", name_of(format), n, k, row));
            }
        }
    }
}

TEST(Quant, FormatsHaveNamesAndSizes) {
    for (const WeightFormat format :
         {WeightFormat::f32, WeightFormat::bf16, WeightFormat::int4_g32, WeightFormat::bf16_rows}) {
        EXPECT_EQ(weight_format_named(name_of(format)), format);
    }
    EXPECT_EQ(weight_format_named("int3"), std::nullopt);
    EXPECT_EQ(packed_bytes(WeightFormat::int4_g32, 2048, 2048), size_t{2048} * 2048 * 9 / 16);
    EXPECT_EQ(packed_bytes(WeightFormat::int4_g32, 33, 65), size_t{2 * 2 * 1152});
    EXPECT_EQ(packed_bytes(WeightFormat::bf16, 65, 3), size_t{2 * 2 * 256});
    EXPECT_EQ(packed_bytes(WeightFormat::f32, 1, 3), size_t{3 * 128});
    EXPECT_EQ(packed_bytes(WeightFormat::bf16_rows, 3, 5), size_t{64});
}

}  // namespace
}  // namespace hone::math
