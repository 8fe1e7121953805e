// The specification of kernels/gemm_kernels.h: one output at a time, one term after the other, nothing clever.

#include "math/kernels/gemm_kernels.h"

#include <cstring>

#include "math/quant/int8_g32.h"
#include "math/tensor/bf16.h"

namespace hone::math {
namespace {

template <class T>
T read(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class T>
void write(std::byte* to, T value) {
    std::memcpy(to, &value, sizeof value);
}

// One row of activations in its tile.
struct Row {
    RowLines<const std::byte> lines;
    const std::byte* line(int64_t i) const { return lines.first + i * lines.stride; }
};

float f32_chain(float sum, const Row& x, const std::byte* panel, int64_t column, int64_t k) {
    for (int64_t i = 0; i < k; i++) {
        const float w = read<float>(panel + (i * kF32Panel.columns + column) * 4);
        sum = __builtin_fmaf(read<float>(x.line(i / 16) + i % 16 * 4), w, sum);
    }
    return sum;
}

// What VDPBF16PS computes: the odd element, then the even one.
float add_pair(float sum, const std::byte* x, float even_w, float odd_w) {
    sum = __builtin_fmaf(to_float(read<bf16>(x + 2)), odd_w, sum);
    return __builtin_fmaf(to_float(read<bf16>(x)), even_w, sum);
}

float bf16_chain(float sum, const Row& x, const std::byte* panel, int64_t column, int64_t k) {
    for (int64_t i = 0; i < k; i += 2) {
        const std::byte* w = panel + (i / 2 * kBf16Panel.columns + column) * 4;
        sum = add_pair(sum, x.line(i / 32) + i % 32 * 2, to_float(read<bf16>(w)), to_float(read<bf16>(w + 2)));
    }
    return sum;
}

int32_t code_at(const std::byte* panel, int64_t column, int64_t k) {
    const auto octet = read<uint32_t>(panel + int4_codes_offset(column, k));
    return static_cast<int32_t>(octet >> int4_bit(static_cast<int32_t>(k % 8)) & 15) - 8;
}

float int4_scale(const std::byte* panel, int64_t column, int64_t k) {
    return to_float(read<bf16>(panel + int4_scale_offset(column, k)));
}

float bf16_int4_chain(float sum, const Row& x, const std::byte* panel, int64_t column, int64_t k) {
    for (int64_t group = 0; group < k; group += kGroup) {
        float group_sum = 0;
        for (int64_t i = group; i < group + kGroup; i += 2) {
            const auto even = static_cast<float>(code_at(panel, column, i));
            const auto odd = static_cast<float>(code_at(panel, column, i + 1));
            group_sum = add_pair(group_sum, x.line(i / 32) + i % 32 * 2, even, odd);
        }
        sum = __builtin_fmaf(group_sum, int4_scale(panel, column, group), sum);
    }
    return sum;
}

template <ActivationFormat format>
float scale_of(const std::byte* line) {
    if (format == ActivationFormat::i8_p32) return to_float(read<bf16>(line + kI8ScaleOffset));
    return read<float>(line + kI8ScaleOffset);
}

template <ActivationFormat format>
float i8_int4_chain(float sum, const Row& x, const std::byte* panel, int64_t column, int64_t k) {
    for (int64_t group = 0; group < k; group += kGroup) {
        const std::byte* line = x.line(group / kGroup);
        int32_t dot = read<int32_t>(line + kI8StartOffset);  // -8 * sum of x, for codes are stored as code + 8
        for (int32_t i = 0; i < kGroup; i++) {
            dot += (code_at(panel, column, group + i) + 8) * read<int8_t>(line + i / 8 * 8 + i8_position(i % 8));
        }
        const float scale = int4_scale(panel, column, group) * scale_of<format>(line);
        sum = __builtin_fmaf(static_cast<float>(dot), scale, sum);
    }
    return sum;
}

// y for every row of the block and every column of the panels.
template <ActivationFormat format, const PanelLayout& layout, auto chain>
void gemm(const GemmTask& task) {
    const int64_t first_column = int64_t{task.first_panel} * layout.columns;
    const int64_t columns = int64_t{task.panels} * layout.columns;
    for (int64_t row = 0; row < task.rows; row++) {
        const Row x{row_lines(format, task.k, task.activations, task.rows, row)};
        for (int64_t i = 0; i < columns && first_column + i < task.n; i++) {
            const int64_t panel = task.first_panel + i / layout.columns;
            const std::byte* w = task.weight + panel * layout.panel_bytes(task.k);
            float& y = task.y[row * task.y_stride + i];
            y = chain(task.adds ? y : 0, x, w, i % layout.columns, task.k);
        }
    }
}

void prepare_f32(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    for (int64_t i = 0; i < (k + 15) / 16 * 16; i++) {
        const float value = i < k ? x[i] : 0;
        std::memcpy(lines + i / 16 * line_stride + i % 16 * 4, &value, sizeof value);
    }
}

void prepare_bf16(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    for (int64_t i = 0; i < (k + 31) / 32 * 32; i++) {
        const bf16 value = round_to_bf16(i < k ? x[i] : 0);
        std::memcpy(lines + i / 32 * line_stride + i % 32 * 2, &value, sizeof value);
    }
}

template <ActivationFormat format>
void prepare_int8(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    for (int64_t first = 0; first < k; first += kGroup, lines += line_stride) {
        int8_t codes[kGroup] = {};
        float scale;
        quantise_int8_row(format, x + first, k - first < kGroup ? k - first : kGroup, codes, &scale);
        int32_t start = 0;
        for (int32_t i = 0; i < kGroup; i++) {
            lines[i / 8 * 8 + i8_position(i % 8)] = static_cast<std::byte>(codes[i]);
            start -= 8 * codes[i];
        }
        const uint32_t field = int8_scale_field(format, scale);
        std::memcpy(lines + kI8ScaleOffset, &field, sizeof field);
        std::memcpy(lines + kI8StartOffset, &start, sizeof start);
    }
}

template <ActivationFormat format, auto prepare>
void tile_columns(const float* x, int64_t stride, int64_t k, int64_t rows, std::byte* block) {
    for (int64_t row = 0; row < rows; row++) {
        const auto lines = row_lines(format, k, block, rows, row);
        const int64_t line_k = line_of(format).k;
        for (int64_t first = 0; first < k; first += line_k) {
            float values[32] = {};
            for (int64_t i = 0; i < line_k && first + i < k; i++) values[i] = x[(first + i) * stride + row];
            prepare(values, line_k, lines.first + first / line_k * lines.stride, lines.stride);
        }
    }
}

void pack_columns_f32(const float* x, int64_t stride, int64_t k, int64_t columns, std::byte* panel) {
    for (int64_t i = 0; i < k; i++) {
        for (int64_t column = 0; column < kF32Panel.columns; column++)
            write(panel + (i * kF32Panel.columns + column) * 4, column < columns ? x[i * stride + column] : 0);
    }
}

void pack_columns_bf16(const float* x, int64_t stride, int64_t k, int64_t columns, std::byte* panel) {
    for (int64_t i = 0; i < (k + 1) / 2 * 2; i++) {
        for (int64_t column = 0; column < kBf16Panel.columns; column++) {
            const float value = i < k && column < columns ? x[i * stride + column] : 0;
            write(panel + (i / 2 * kBf16Panel.columns + column) * 4 + i % 2 * 2, round_to_bf16(value));
        }
    }
}

// weight_at(panel, column, k) is an element of the packed weight.
template <class T, const PanelLayout& source, const PanelLayout& target, auto weight_at>
void transpose(const TransposeTask& task) {
    const int64_t steps = (task.count_n + target.step_k - 1) / target.step_k;
    for (int64_t i = 0; i < steps * target.step_k; i++) {
        const int64_t n = task.first_n + i;
        const std::byte* panel = task.weight + n / source.columns * source.panel_bytes(task.k);
        for (int64_t column = 0; column < target.columns && task.first_k + column < task.k; column++) {
            const T value = weight_at(panel, n % source.columns, task.first_k + column);
            const int64_t step = i / target.step_k * target.columns + column;
            write(task.panel + step * 4 + i % target.step_k * int64_t{sizeof(T)}, value);
        }
    }
}

float f32_at(const std::byte* panel, int64_t column, int64_t k) {
    return read<float>(panel + (k * kF32Panel.columns + column) * 4);
}

bf16 bf16_at(const std::byte* panel, int64_t column, int64_t k) {
    return read<bf16>(panel + (k / 2 * kBf16Panel.columns + column) * 4 + k % 2 * 2);
}

bf16 rounded_int4_at(const std::byte* panel, int64_t column, int64_t k) {
    return round_to_bf16(static_cast<float>(code_at(panel, column, k)) * int4_scale(panel, column, k));
}

void weighted_sum(const float* rows, int64_t stride, const int32_t* positions, const float* weights, int64_t count,
                  float* y, int64_t n) {
    for (int64_t column = 0; column < n; column++) {
        float sum = 0;
        for (int64_t i = 0; i < count; i++) sum = __builtin_fmaf(weights[i], rows[positions[i] * stride + column], sum);
        y[column] = sum;
    }
}

float dot(const float* a, const float* b, int64_t n) {
    float lanes[16] = {};
    for (int64_t i = 0; i < n; i++) lanes[i % 16] = __builtin_fmaf(a[i], b[i], lanes[i % 16]);
    for (int64_t half = 8; half > 0; half /= 2) {
        for (int64_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
    }
    return lanes[0];
}

void peak(int64_t turns) {
    float sum = 0;
    for (int64_t i = 0; i < turns; i++) {
        sum = __builtin_fmaf(sum, 1.0f, 1.0f);
        asm volatile("" : "+x"(sum));
    }
}

}  // namespace

const GemmKernels& reference::gemm_kernels() {
    static constexpr GemmKernels kKernels{
        .f32_f32 = {"gemm_f32_f32__reference", gemm<ActivationFormat::f32, kF32Panel, f32_chain>},
        .bf16_bf16 = {"gemm_bf16_bf16__reference", gemm<ActivationFormat::bf16, kBf16Panel, bf16_chain>},
        .bf16_int4g32 = {"gemm_bf16_int4g32__reference", gemm<ActivationFormat::bf16, kInt4Panel, bf16_int4_chain>},
        .i8_int4g32 = {"gemm_i8_int4g32__reference",
                       gemm<ActivationFormat::i8_g32, kInt4Panel, i8_int4_chain<ActivationFormat::i8_g32>>},
        .i8p32_int4g32 = {"gemm_i8p32_int4g32__reference",
                          gemm<ActivationFormat::i8_p32, kInt4Panel, i8_int4_chain<ActivationFormat::i8_p32>>},
        .prepare_f32 = {"prepare_f32__reference", prepare_f32},
        .prepare_bf16 = {"prepare_bf16__reference", prepare_bf16},
        .prepare_i8g32 = {"prepare_i8g32__reference", prepare_int8<ActivationFormat::i8_g32>},
        .prepare_i8p32 = {"prepare_i8p32__reference", prepare_int8<ActivationFormat::i8_p32>},
        .tile_columns_f32 = {"tile_columns_f32__reference", tile_columns<ActivationFormat::f32, prepare_f32>},
        .tile_columns_bf16 = {"tile_columns_bf16__reference", tile_columns<ActivationFormat::bf16, prepare_bf16>},
        .pack_columns_f32 = {"pack_columns_f32__reference", pack_columns_f32},
        .pack_columns_bf16 = {"pack_columns_bf16__reference", pack_columns_bf16},
        .transpose_f32 = {"transpose_f32__reference", transpose<float, kF32Panel, kF32Panel, f32_at>},
        .transpose_bf16 = {"transpose_bf16__reference", transpose<bf16, kBf16Panel, kBf16Panel, bf16_at>},
        .transpose_int4g32 = {"transpose_int4g32__reference", transpose<bf16, kInt4Panel, kBf16Panel, rounded_int4_at>},
        .weighted_sum = {"weighted_sum__reference", weighted_sum},
        .dot = {"dot__reference", dot},
        .peak_f32 = {{"peak_f32__reference", peak}, 2},
        .peak_bf16 = {{"peak_bf16__reference", peak}, 2},
        .peak_i8 = {{"peak_i8__reference", peak}, 2},
    };
    return kKernels;
}

}  // namespace hone::math
