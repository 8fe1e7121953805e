// The extents that kernels meet in known models (model/checkpoint/shapes.h): what `hone bench kernels` measures. Free
// functions, any thread.
#pragma once

#include <compare>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "math/quant/weight.h"

namespace hone::cli {

// A weight matrix in a format that some --weights gives it: y [m, n] = x [m, k] W^T.
struct MatrixShape {
    math::WeightFormat format;
    int32_t k, n;
    bool is_head;  // only rows that want logits meet it
    auto operator<=>(const MatrixShape&) const = default;
};

// The routed experts of a layer.
struct ExpertShape {
    math::WeightFormat format;
    int32_t experts, experts_per_token, hidden, inner;
    auto operator<=>(const ExpertShape&) const = default;
};

struct HeadShape {
    int32_t heads, kv_heads, head_dim;
    auto operator<=>(const HeadShape&) const = default;
};

// Each distinct one once, ascending.
struct ZooShapes {
    std::vector<MatrixShape> matrices;
    std::vector<ExpertShape> experts;
    std::vector<HeadShape> heads;
};

// Of these known shapes. The error names one that is not known.
Result<ZooShapes> zoo_shapes(std::span<const std::string> names);

// Whether it is the largest matrix of its format but for heads.
bool is_largest(const MatrixShape& shape, std::span<const MatrixShape> all);

// All known shapes but the tiny ones, which are there for tests, and those that are there for training.
std::vector<std::string> measured_shape_names();

}  // namespace hone::cli
