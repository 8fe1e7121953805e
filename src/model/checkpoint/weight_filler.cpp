#include "model/checkpoint/weight_filler.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace hone::model {

constexpr int64_t kRowStep = 64;  // pack_weight shares a matrix among threads by multiples of this
constexpr int64_t kTileElements = int64_t{1} << 18;

// IEEE binary16, denormals included; NaN stays NaN.
static float half_to_float(uint16_t half) {
    const uint32_t sign = uint32_t{half} >> 15 << 31;
    const uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
}

void widen(const math::TensorView& tensor, int64_t first, int64_t count, float* out) {
    const std::byte* in = tensor.bytes.data() + static_cast<size_t>(first) * math::size_of(tensor.dtype);
    if (tensor.dtype == math::DType::f32) {
        std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
        return;
    }
    const bool is_half = tensor.dtype == math::DType::f16;
    CHECK(is_half || tensor.dtype == math::DType::bf16, "{}", math::name_of(tensor.dtype));
    for (int64_t i = 0; i < count; i++) {
        uint16_t bits;  // the source need not be aligned
        std::memcpy(&bits, in + i * 2, sizeof bits);
        out[i] = is_half ? half_to_float(bits) : math::to_float({bits});
    }
}

void fill_weights(std::span<const FillJob> jobs, ThreadPool& pool) {
    struct Tile {
        const FillJob* job;
        int64_t first_row, rows;
    };
    std::vector<Tile> tiles;
    for (const FillJob& job : jobs) {
        const int64_t n = job.weight->slot.n, k = job.weight->slot.k;
        const int64_t step = std::max<int64_t>(1, kTileElements / (kRowStep * k)) * kRowStep;
        for (int64_t row = 0; row < n; row += step) tiles.push_back({&job, row, std::min(step, n - row)});
    }
    std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.threads()));
    pool.parallel_for(static_cast<int64_t>(tiles.size()), [&](int64_t index, int worker) {
        const auto& [job, first_row, rows] = tiles[static_cast<size_t>(index)];
        const WeightSlot& slot = job->weight->slot;
        auto& values = scratch[static_cast<size_t>(worker)];
        values.resize(std::max(values.size(), static_cast<size_t>(rows * slot.k)));
        widen(*job->source, first_row * slot.k, rows * slot.k, values.data());
        if (job->weight->format) {
            math::pack_weight(*job->weight->format, slot.n, slot.k, first_row, rows, values.data(), job->out);
        } else {
            std::memcpy(job->out + static_cast<size_t>(first_row) * sizeof(float), values.data(),
                        static_cast<size_t>(rows) * sizeof(float));
        }
    });
}

}  // namespace hone::model
