#include "train/optimisers/adamw_state.h"

#include <cmath>

#include "train/optimisers/gradient_norm.h"

namespace hone::train {

AdamwState::AdamwState(std::span<const Parameter> parameters) : parameters_(parameters.begin(), parameters.end()) {
    for (const Parameter& parameter : parameters_) {
        m_.emplace_back(parameter.values.size());
        v_.emplace_back(parameter.values.size());
    }
}

double AdamwState::step(ThreadPool& pool, const AdamParams& params) {
    std::vector<std::span<const float>> gradients;
    for (const Parameter& parameter : parameters_) gradients.push_back(parameter.gradient);
    const double norm = gradient_norm(pool, gradients);
    if (std::isfinite(norm)) apply(pool, params, clip_factor(norm, params.grad_clip_norm));
    return norm;
}

void AdamwState::apply(ThreadPool& pool, const AdamParams& params, float gradient_factor) {
    std::vector<AdamwTensor> tensors;
    for (size_t i = 0; i < parameters_.size(); i++) {
        const Parameter& parameter = parameters_[i];
        tensors.push_back({.parameter = parameter.values,
                           .gradient = parameter.gradient,
                           .m = m_[i],
                           .v = v_[i],
                           .decays = parameter.decays});
    }
    adamw_step(pool, tensors, params, ++steps_, gradient_factor);
}

}  // namespace hone::train
