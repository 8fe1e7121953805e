// What the tests of matrix products share: values over many orders of magnitude, packed weights, prepared rows,
// products.
#pragma once

#include <cmath>
#include <cstring>

#include "math/ops/matrix_product.h"
#include "test_context.h"

namespace hone::math {

// Mostly normal values; some zeros, some denormal or so small that products are, some large: no two orders of adding
// agree.
inline std::vector<float> wide_values(uint64_t seed, int64_t count) {
    Random random(seed, 77);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) {
        const double kind = random.uniform();
        value = random.normal();
        if (kind < 0.05)
            value = 0;
        else if (kind < 0.1)
            value *= 0x1p-130f;
        else if (kind < 0.2)
            value *= 0x1p-66f;
        else if (kind < 0.3)
            value *= 1000;
    }
    return values;
}

// A packed matrix that owns its bytes; exactly as many as packed_bytes says.
struct PackedWeight {
    std::vector<std::byte> bytes;
    Weight weight;

    PackedWeight(WeightFormat format, int32_t n, int32_t k)
        : bytes(packed_bytes(format, n, k)), weight{format, n, k, bytes.data()} {}
    PackedWeight(WeightFormat format, int32_t n, int32_t k, const std::vector<float>& values)
        : PackedWeight(format, n, k) {
        pack_weight(format, n, k, 0, n, values.data(), bytes.data());
    }
    PackedWeight(PackedWeight&&) = default;
};

// Packs row-major codes (-8..7, [n, k]) and scales [n, ceil(k / 32)] by the drawing in quant/packed_layout.h: as
// checkpoints ship them, with the code -8 that our quantiser never gives.
inline PackedWeight packed_codes(int32_t n, int32_t k, std::span<const int8_t> codes, std::span<const bf16> scales) {
    PackedWeight packed(WeightFormat::int4_g32, n, k);
    for (int64_t row = 0; row < n; row++) {
        const int64_t column = row % kInt4Panel.columns, groups = (k + kGroup - 1) / kGroup;
        std::byte* panel = packed.bytes.data() + row / kInt4Panel.columns * kInt4Panel.panel_bytes(k);
        for (int64_t i = 0; i < groups * kGroup; i++) {
            const int32_t code = i < k ? codes[static_cast<size_t>(row * k + i)] : 0;
            std::byte* dword = panel + int4_codes_offset(column, i);
            uint32_t octet;
            std::memcpy(&octet, dword, sizeof octet);
            octet |= static_cast<uint32_t>(code + 8) << int4_bit(static_cast<int32_t>(i % 8));
            std::memcpy(dword, &octet, sizeof octet);
        }
        for (int64_t group = 0; group < groups; group++) {
            std::memcpy(panel + int4_scale_offset(column, group * kGroup),
                        &scales[static_cast<size_t>(row * groups + group)], sizeof(bf16));
        }
    }
    return packed;
}

// INT4 with codes -8..7, as shipped, and scales of either sign, some denormal.
inline PackedWeight shipped_int4(uint64_t seed, int32_t n, int32_t k) {
    Random random(seed);
    std::vector<int8_t> codes(static_cast<size_t>(n) * static_cast<size_t>(k));
    for (int8_t& code : codes) code = static_cast<int8_t>(static_cast<int>(random.below(16)) - 8);
    std::vector<bf16> scales(static_cast<size_t>(n) * static_cast<size_t>((k + 31) / 32));
    for (bf16& scale : scales) {
        scale = round_to_bf16(0.01f * random.normal());
        if (random.uniform() < 0.05) scale.bits &= 0x807f;
    }
    return packed_codes(n, k, codes, scales);
}

inline std::vector<std::byte> prepare_block(const MatrixProduct& product, const std::vector<float>& x, int64_t rows,
                                            int64_t k) {
    std::vector<std::byte> block(static_cast<size_t>(rows * activation_row_bytes(product.activations, k)));
    for (int64_t row = 0; row < rows; row++) {
        const auto lines = row_lines(product.activations, k, block.data(), rows, row);
        product.prepare.run(&x[static_cast<size_t>(row * k)], k, lines.first, lines.stride);
    }
    return block;
}

// y [rows, n] of prepared rows, all panels in one call. Columns behind n are checked to be left alone.
inline std::vector<float> multiply(const GemmKernels::Gemm& gemm, const std::vector<std::byte>& block, int32_t rows,
                                   const Weight& weight) {
    constexpr int64_t kGuard = 5;
    constexpr float kUntouched = 12345;
    const int64_t stride = weight.n + kGuard;
    std::vector<float> padded(static_cast<size_t>(rows * stride), kUntouched), y;
    gemm.run({.activations = block.data(),
              .rows = rows,
              .weight = weight.data,
              .n = weight.n,
              .k = weight.k,
              .first_panel = 0,
              .panels = static_cast<int32_t>(panel_count(weight)),
              .y = padded.data(),
              .y_stride = stride});
    for (int64_t row = 0; row < rows; row++) {
        const float* from = &padded[static_cast<size_t>(row * stride)];
        y.insert(y.end(), from, from + weight.n);
        for (int64_t i = 0; i < kGuard; i++) EXPECT_EQ(from[weight.n + i], kUntouched) << gemm.name;
    }
    return y;
}

// A weight format together with the class that multiplies by it.
struct ProductKind {
    WeightFormat format;
    NumericClass int4_class;
};
constexpr ProductKind kProductKinds[] = {{WeightFormat::f32, NumericClass::f32seq},
                                         {WeightFormat::bf16, NumericClass::f32seq},
                                         {WeightFormat::int4_g32, NumericClass::f32seq},
                                         {WeightFormat::int4_g32, NumericClass::i8g32},
                                         {WeightFormat::int4_g32, NumericClass::i8p32}};

inline std::string describe(const KernelTable& table, const ProductKind& kind) {
    return fmt::format("{} {} {}", name_of(table.isa), name_of(kind.format), name_of(kind.int4_class));
}

}  // namespace hone::math
