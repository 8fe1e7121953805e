#include "math/quant/weight.h"

#include <array>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "math/quant/int4_g32.h"
#include "math/quant/packed_layout.h"

namespace hone::math {

namespace {

// A format as data.
struct Format {
    std::string_view name;
    PanelLayout panel;
};

constexpr std::array<Format, 4> kFormats = {{
    {"f32", kF32Panel},
    {"bf16", kBf16Panel},
    {"int4_g32", kInt4Panel},
    {"bf16_rows", {1, 1, 2}},
}};

const Format& data_of(WeightFormat format) {
    return kFormats[static_cast<size_t>(format)];
}

// Byte offset of an element of f32, bf16 or bf16_rows within its panel.
int64_t element_offset(WeightFormat format, int64_t column, int64_t k) {
    switch (format) {
        case WeightFormat::f32:
            return (k * kF32Panel.columns + column) * 4;
        case WeightFormat::bf16:
            return (k / 2 * kBf16Panel.columns + column) * 4 + k % 2 * 2;
        default:
            return k * 2;
    }
}

void check_part(int64_t n, int64_t k, int64_t first_row, int64_t rows) {
    CHECK(n >= 1 && k >= 1 && first_row >= 0 && rows >= 0 && first_row + rows <= n, "rows {}+{} of [{}, {}]", first_row,
          rows, n, k);
    CHECK(first_row % 64 == 0 && (rows % 64 == 0 || first_row + rows == n), "rows {}+{} of {}", first_row, rows, n);
}

// Writes one row's codes (k of them, -7..7) and scales into the panel that begins at `panel`.
void pack_int4_row(int64_t column, int64_t k, const int8_t* codes, const bf16* scales, std::byte* panel) {
    for (int64_t octet = 0; octet < (k + kGroup - 1) / kGroup * kGroup; octet += 8) {
        uint32_t packed = 0;
        for (int32_t i = 0; i < 8; i++) {
            const int32_t code = octet + i < k ? codes[octet + i] : 0;
            packed |= static_cast<uint32_t>(code + 8) << int4_bit(i);
        }
        std::memcpy(panel + int4_codes_offset(column, octet), &packed, sizeof packed);
    }
    for (int64_t group = 0; group * kGroup < k; group++) {
        std::memcpy(panel + int4_scale_offset(column, group * kGroup), &scales[group], sizeof(bf16));
    }
}

}  // namespace

std::string_view name_of(WeightFormat format) {
    return data_of(format).name;
}

std::optional<WeightFormat> weight_format_named(std::string_view name) {
    for (size_t i = 0; i < kFormats.size(); i++) {
        if (kFormats[i].name == name) return static_cast<WeightFormat>(i);
    }
    return std::nullopt;
}

std::string_view name_of(NumericClass numeric_class) {
    constexpr std::string_view kNames[] = {"f32seq", "i8g32", "i8p32"};
    return kNames[static_cast<size_t>(numeric_class)];
}

int32_t panel_columns(WeightFormat format) {
    return data_of(format).panel.columns;
}

int64_t panel_bytes(WeightFormat format, int64_t k) {
    return data_of(format).panel.panel_bytes(k);
}

size_t packed_bytes(WeightFormat format, int64_t n, int64_t k) {
    constexpr int64_t kLimit = int64_t{1} << 31;
    CHECK(n >= 1 && k >= 1 && n < kLimit && k < kLimit, "[{}, {}]", n, k);
    const int64_t panels = (n + panel_columns(format) - 1) / panel_columns(format);
    size_t bytes = 0;
    CHECK(!__builtin_mul_overflow(panels, panel_bytes(format, k), &bytes) && bytes < size_t{1} << 63, "[{}, {}]", n, k);
    return (bytes + 63) / 64 * 64;
}

void pack_weight(WeightFormat format, int64_t n, int64_t k, int64_t first_row, int64_t rows, const float* values,
                 std::byte* out) {
    check_part(n, k, first_row, rows);
    std::vector<int8_t> codes(static_cast<size_t>(k));
    std::vector<bf16> scales(static_cast<size_t>(k + kGroup - 1) / kGroup);
    for (int64_t row = first_row; row < first_row + rows; row++, values += k) {
        const int64_t column = row % panel_columns(format);
        std::byte* panel = out + row / panel_columns(format) * panel_bytes(format, k);
        if (format == WeightFormat::int4_g32) {
            quantise_int4_row(values, k, codes.data(), scales.data());
            pack_int4_row(column, k, codes.data(), scales.data(), panel);
        } else if (format == WeightFormat::f32) {
            for (int64_t i = 0; i < k; i++)
                std::memcpy(panel + element_offset(format, column, i), &values[i], sizeof(float));
        } else {
            for (int64_t i = 0; i < k; i++) {
                const bf16 value = round_to_bf16(values[i]);
                std::memcpy(panel + element_offset(format, column, i), &value, sizeof value);
            }
        }
    }
}

void unpack_row(const Weight& weight, int64_t row, float* out) {
    CHECK(row >= 0 && row < weight.n, "row {} of {}", row, weight.n);
    const int64_t column = row % panel_columns(weight.format);
    const std::byte* panel = weight.data + row / panel_columns(weight.format) * panel_bytes(weight.format, weight.k);
    for (int64_t k = 0; k < weight.k; k++) {
        if (weight.format == WeightFormat::int4_g32) {
            uint32_t octet;
            bf16 scale;
            std::memcpy(&octet, panel + int4_codes_offset(column, k), sizeof octet);
            std::memcpy(&scale, panel + int4_scale_offset(column, k), sizeof scale);
            const int32_t code = static_cast<int32_t>(octet >> int4_bit(k % 8) & 15) - 8;
            out[k] = static_cast<float>(code) * to_float(scale);
        } else if (weight.format == WeightFormat::f32) {
            std::memcpy(&out[k], panel + element_offset(weight.format, column, k), sizeof(float));
        } else {
            bf16 value;
            std::memcpy(&value, panel + element_offset(weight.format, column, k), sizeof value);
            out[k] = to_float(value);
        }
    }
}

}  // namespace hone::math
