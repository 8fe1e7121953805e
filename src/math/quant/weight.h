// Weight matrices as the kernels read them: a format, the logical extents [n, k] (y = x W^T) and the packed bytes.
// Views: the model's weight store, or a mapped pack file, owns the memory. Immutable once loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "math/tensor/bf16.h"

namespace hone::math {

enum class WeightFormat : uint8_t {
    f32,        // panels for the fp32 chain (router): quant/packed_layout.h
    bf16,       // panels of 64 columns, [k/2][64][2]
    int4_g32,   // panels of 32 columns, symmetric INT4 in groups of 32 along k with a bf16 scale each
    bf16_rows,  // plain row-major bf16 (embedding table that is not also the head)
};

std::string_view name_of(WeightFormat format);  // "f32", "bf16", "int4_g32", "bf16_rows"
std::optional<WeightFormat> weight_format_named(std::string_view name);

// Which chain the matrix products over INT4 weights follow (numerics.md). bf16 weights always take f32seq.
enum class NumericClass : uint8_t { f32seq, i8g32, i8p32 };

// All of them, the usual one first.
inline constexpr NumericClass kNumericClasses[] = {NumericClass::i8g32, NumericClass::i8p32, NumericClass::f32seq};

std::string_view name_of(NumericClass numeric_class);  // "f32seq", "i8g32", "i8p32"

struct Weight {
    WeightFormat format = WeightFormat::bf16;
    int32_t n = 0, k = 0;
    const std::byte* data = nullptr;

    explicit operator bool() const { return data != nullptr; }
};

// Rows of W (columns of y) in a panel, and the bytes of a panel of k values; for bf16_rows a panel is a row.
int32_t panel_columns(WeightFormat format);
int64_t panel_bytes(WeightFormat format, int64_t k);

// Bytes of a packed [n, k] matrix, paddings included; a multiple of 64. n, k >= 1 (checked), below 2^31.
size_t packed_bytes(WeightFormat format, int64_t n, int64_t k);

// Packs row-major fp32 values of rows [first_row, first_row + rows) of an [n, k] matrix; `out` holds
// packed_bytes(format, n, k) and was zeroed before the first call. first_row is a multiple of 64 (so that threads can
// share the work); rows a multiple of 64 but for the last part. bf16 formats round to nearest even; int4_g32 quantises
// by rule 16 of numerics.md.
void pack_weight(WeightFormat format, int64_t n, int64_t k, int64_t first_row, int64_t rows, const float* values,
                 std::byte* out);

// Reads row `row` back as fp32 (codes times scale for int4_g32): embedding lookup of a tied table, export, tests.
void unpack_row(const Weight& weight, int64_t row, float* out);

}  // namespace hone::math
