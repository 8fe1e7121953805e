#include "math/ops/rotary.h"

#include <bit>

#include "math/ops/parallel.h"

namespace hone::math {
namespace {

// The natural logarithm and the exponential from additions, multiplications and divisions alone, so that every machine
// and library gives the same bits; both within some 1e-15, far below the rounding to fp32 that follows.
constexpr double kLn2High = 0x1.62e42fefap-1, kLn2Low = 0x1.cf79abc9e3b39p-40;

double natural_log(double x) {
    uint64_t bits = std::bit_cast<uint64_t>(x);
    const auto exponent = static_cast<int64_t>(bits >> 52) - 1023;
    const double mantissa = std::bit_cast<double>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
    const double s = (mantissa - 1) / (mantissa + 1), square = s * s;  // ln m = 2 artanh(s), |s| < 1/3
    double series = 0;
    for (int k = 37; k >= 1; k -= 2) series = series * square + 1.0 / k;
    const auto e = static_cast<double>(exponent);
    return e * kLn2High + (e * kLn2Low + 2 * s * series);
}

double exponential(double x) {
    const auto n = static_cast<int64_t>(x / (kLn2High + kLn2Low) + (x < 0 ? -0.5 : 0.5));
    const double r = x - static_cast<double>(n) * kLn2High - static_cast<double>(n) * kLn2Low;
    double series = 1;
    for (int k = 20; k >= 1; k--) series = 1 + series * r / k;
    return series * std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52);
}

enum class Turn { forth, back };

// Sines and cosines of one position, a factor of scale in each, for turning back the sines of the opposite angle; every
// value twice if interleaved.
struct AngleTables {
    float *angles, *sine, *cosine;

    void fill(const RowKernels& kernels, const RotarySpec& spec, Turn turn, int32_t position) const {
        int64_t count = 0;
        for (const float frequency : spec.inverse_frequencies) {
            const float angle = static_cast<float>(position) * frequency;
            angles[count++] = angle;
            if (spec.interleaved) angles[count++] = angle;
        }
        kernels.sin.run(angles, sine, count);
        kernels.cos.run(angles, cosine, count);
        const float sine_scale = turn == Turn::back ? -spec.scale : spec.scale;
        if (sine_scale != 1) kernels.scale.run(sine_scale, sine, count);
        if (spec.scale != 1) kernels.scale.run(spec.scale, cosine, count);
    }
};

void turn_rows(OpContext& context, std::span<const int32_t> positions, const RotarySpec& spec, Turn direction,
               MatrixView<float> x) {
    const auto half = static_cast<int64_t>(spec.inverse_frequencies.size());
    CHECK_EQ(static_cast<int64_t>(positions.size()), x.rows);
    CHECK(spec.head_dim > 0 && x.cols % spec.head_dim == 0 && 2 * half <= spec.head_dim,
          "{} columns in heads of {}, {} of them turned", x.cols, spec.head_dim, 2 * half);
    const RowKernels& kernels = context.kernels.rows;
    const auto turn = spec.interleaved ? kernels.rotate_pairs.run : kernels.rotate_halves.run;
    const Workspace::Scope scope(context.workspace);
    const auto scratch = context.workspace.matrix<float>(3 * context.pool.threads(), 2 * half);
    constexpr int64_t kTableWork = 32;  // sine and cosine of an angle
    for_row_blocks(context, x.rows, x.cols + kTableWork * half, [&](int64_t first, int64_t count, int worker) {
        const AngleTables tables{scratch.row(3 * worker), scratch.row(3 * worker + 1), scratch.row(3 * worker + 2)};
        for (int64_t i = first; i < first + count; i++) {
            tables.fill(kernels, spec, direction, positions[static_cast<size_t>(i)]);
            for (float* head = x.row(i); head < x.row(i) + x.cols; head += spec.head_dim) {
                turn(tables.cosine, tables.sine, head, half);
            }
        }
    });
}

}  // namespace

std::vector<float> rotary_inverse_frequencies(float theta, int32_t rotary_dim) {
    CHECK(theta >= 1 && theta < 0x1p100f && rotary_dim >= 0 && rotary_dim % 2 == 0, "theta {}, {} dimensions", theta,
          rotary_dim);
    const double log_theta = natural_log(theta);
    std::vector<float> frequencies;
    for (int32_t i = 0; i < rotary_dim / 2; i++) {
        frequencies.push_back(static_cast<float>(exponential(-2.0 * i / rotary_dim * log_theta)));
    }
    return frequencies;
}

void rotary(OpContext& context, std::span<const int32_t> positions, const RotarySpec& spec, MatrixView<float> x) {
    turn_rows(context, positions, spec, Turn::forth, x);
}

void rotary_backward(OpContext& context, std::span<const int32_t> positions, const RotarySpec& spec,
                     MatrixView<float> dy) {
    turn_rows(context, positions, spec, Turn::back, dy);
}

}  // namespace hone::math
