// What is trained: a matrix or vector of fp32 values with its gradient. Whoever owns the values lists them; losses add to
// the gradients, optimisers change the values.
#pragma once

#include <span>
#include <string>

#include "math/tensor/tensor_view.h"

namespace hone::train {

struct Parameter {
    std::string name;                   // as checkpoints, or adapter files, have it
    math::Shape shape;                  // [n], [n, k], of experts with their number in front
    std::span<float> values, gradient;  // row-major
    bool decays = true;                 // false for vectors
};

}  // namespace hone::train
