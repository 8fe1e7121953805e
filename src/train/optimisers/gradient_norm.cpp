#include "train/optimisers/gradient_norm.h"

#include <cmath>

#include "train/optimisers/blocks.h"

namespace hone::train {
namespace {

double sum_of_squares(std::span<const float> x) {
    constexpr size_t kLanes = 16;
    double lanes[kLanes] = {};
    size_t i = 0;
    for (; i + kLanes <= x.size(); i += kLanes) {
        for (size_t lane = 0; lane < kLanes; lane++) lanes[lane] += double{x[i + lane]} * double{x[i + lane]};
    }
    for (; i < x.size(); i++) lanes[i % kLanes] += double{x[i]} * double{x[i]};
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
        for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

}  // namespace

double gradient_norm(ThreadPool& pool, std::span<const std::span<const float>> gradients) {
    std::vector<size_t> sizes;
    for (const auto& gradient : gradients) sizes.push_back(gradient.size());
    const std::vector<Block> blocks = blocks_of(sizes);
    std::vector<double> squares(blocks.size());
    pool.parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t i, int) {
        const Block& block = blocks[static_cast<size_t>(i)];
        squares[static_cast<size_t>(i)] = sum_of_squares(gradients[block.tensor].subspan(block.first, block.count));
    });
    double sum = 0;
    for (const double square : squares) sum += square;
    return std::sqrt(sum);
}

float clip_factor(double norm, double grad_clip_norm) {
    if (grad_clip_norm == 0) return 1;
    return static_cast<float>(std::min(1.0, grad_clip_norm / (norm + 1e-6)));
}

}  // namespace hone::train
