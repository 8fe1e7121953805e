// What is trained: a matrix or vector of fp32 values with its gradient. Whoever owns the values lists them; losses add to
// the gradients, optimisers change the values.
#pragma once

#include <string>

#include "math/tensor/tensor_view.h"

namespace hone::train {

struct Parameter {
    std::string name;                // as checkpoints have it
    math::MatrixView<float> value;   // [n, k]; a vector is [1, n]
    math::MatrixView<float> dvalue;  // of value's shape; both dense
    bool decays = true;              // false for vectors

    std::span<float> values() const { return {value.data, static_cast<size_t>(value.rows * value.cols)}; }
    std::span<float> gradients() const { return {dvalue.data, static_cast<size_t>(dvalue.rows * dvalue.cols)}; }
};

}  // namespace hone::train
