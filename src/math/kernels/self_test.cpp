#include "math/kernels/self_test.h"

#include <bit>
#include <cmath>
#include <vector>

#include "base/cpu_features.h"
#include "base/log.h"
#include "base/rng.h"
#include "math/quant/weight.h"

namespace hone::math {

namespace {

constexpr int32_t kRows = 7, kN = 70, kK = 130;  // tiles of 4 and 3 rows; partial panels, groups and lines

// Values over many binary orders, so that no two orders of adding them agree; a tenth so small that products are
// denormal.
std::vector<float> wide_values(uint64_t stream, size_t count) {
    Random random(1, stream);
    std::vector<float> values(count);
    for (float& value : values) {
        const double exponent = random.uniform() < 0.1 ? -66 : 16 * random.uniform() - 8;
        value = static_cast<float>((2 * random.uniform() - 1) * std::exp2(exponent));
    }
    return values;
}

std::vector<float> product(const GemmKernels::Gemm& gemm, const GemmKernels::PrepareRow& prepare,
                           ActivationFormat format, const Weight& weight, const std::vector<float>& x) {
    const int64_t row_bytes = activation_row_bytes(format, kK);
    std::vector<std::byte> lines(static_cast<size_t>(kRows * row_bytes));
    for (int64_t row = 0; row < kRows; row++) {
        const auto own = row_lines(format, int64_t{kK}, lines.data(), kRows, row);
        prepare.run(&x[static_cast<size_t>(row * kK)], int64_t{kK}, own.first, own.stride);
    }
    std::vector<float> y(size_t{kRows} * kN);
    const int32_t columns = panel_columns(weight.format);
    gemm.run({.activations = lines.data(),
              .rows = kRows,
              .weight = weight.data,
              .n = kN,
              .k = kK,
              .first_panel = 0,
              .panels = (kN + columns - 1) / columns,
              .y = y.data(),
              .y_stride = kN});
    return y;
}

}  // namespace

Status self_test(const KernelTable& table) {
    flush_denormals();
    const GemmKernels &tested = table.gemm, &reference = reference::gemm_kernels();
    struct Case {
        const GemmKernels::Gemm &tested, &reference;
        const GemmKernels::PrepareRow &tested_prepare, &reference_prepare;
        ActivationFormat activations;
        WeightFormat format;
    };
    const Case cases[] = {
        {tested.f32_f32, reference.f32_f32, tested.prepare_f32, reference.prepare_f32, ActivationFormat::f32,
         WeightFormat::f32},
        {tested.bf16_bf16, reference.bf16_bf16, tested.prepare_bf16, reference.prepare_bf16, ActivationFormat::bf16,
         WeightFormat::bf16},
        {tested.bf16_int4g32, reference.bf16_int4g32, tested.prepare_bf16, reference.prepare_bf16,
         ActivationFormat::bf16, WeightFormat::int4_g32},
        {tested.i8_int4g32, reference.i8_int4g32, tested.prepare_i8g32, reference.prepare_i8g32,
         ActivationFormat::i8_g32, WeightFormat::int4_g32},
        {tested.i8p32_int4g32, reference.i8p32_int4g32, tested.prepare_i8p32, reference.prepare_i8p32,
         ActivationFormat::i8_p32, WeightFormat::int4_g32},
    };
    const std::vector<float> x = wide_values(0, size_t{kRows} * kK), w = wide_values(1, size_t{kN} * kK);
    for (const Case& c : cases) {
        std::vector<std::byte> packed(packed_bytes(c.format, kN, kK));
        pack_weight(c.format, kN, kK, 0, kN, w.data(), packed.data());
        const Weight weight{c.format, kN, kK, packed.data()};
        const auto y = product(c.tested, c.tested_prepare, c.activations, weight, x);
        const auto expected = product(c.reference, c.reference_prepare, c.activations, weight, x);
        for (size_t i = 0; i < y.size(); i++) {
            if (std::bit_cast<uint32_t>(y[i]) == std::bit_cast<uint32_t>(expected[i])) continue;
            return error(
                "self-test: kernel {} gives {} where the reference gives {}; this processor ({}) computes otherwise "
                "and cannot use kernels '{}'",
                c.tested.name, y[i], expected[i], cpu_model_name(), name_of(table.isa));
        }
    }
    return ok();
}

Result<const KernelTable*> fastest_sound(std::span<const KernelTable* const> tables) {
    CHECK(!tables.empty());
    for (size_t i = tables.size();; i--) {
        const Status tested = self_test(*tables[i - 1]);
        if (tested) return tables[i - 1];
        if (i == 1) return tested.error();
        LOG_WARN("{}; trying kernels '{}'", tested.error().message, name_of(tables[i - 2]->isa));
    }
}

}  // namespace hone::math
