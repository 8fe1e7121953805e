#include "train/optimisers/optimiser.h"

#include <algorithm>
#include <cmath>

#include "train/optimisers/gradient_norm.h"
#include "train/optimisers/muon.h"

namespace hone::train {
namespace {

std::vector<Parameter> chosen(std::span<const Parameter> parameters, const OptimiserOptions& options, bool for_muon) {
    std::vector<Parameter> chosen;
    for (const Parameter& parameter : parameters) {
        const bool is_for_muon = options.kind == OptimiserKind::muon && Optimiser::is_for_muon(parameter);
        if (is_for_muon == for_muon) chosen.push_back(parameter);
    }
    return chosen;
}

}  // namespace

// Embeddings and heads are told by their names in checkpoints (embed_tokens, lm_head) and adapter files
// (unembed_tokens).
bool Optimiser::is_for_muon(const Parameter& parameter) {
    const auto has = [&](std::string_view word) { return parameter.name.find(word) != std::string::npos; };
    return parameter.shape.size() >= 2 && !has("embed_tokens") && !has("lm_head");
}

Optimiser::Optimiser(std::span<const Parameter> parameters, const OptimiserOptions& options)
    : options_(options),
      parameters_(parameters.begin(), parameters.end()),
      elementwise_(chosen(parameters, options, false)),
      matrices_(chosen(parameters, options, true)),
      adamw_(elementwise_) {
    for (const Parameter& matrix : matrices_) momentum_.emplace_back(matrix.values.size());
}

double Optimiser::step(math::OpContext& ops, double learning_rate) {
    std::vector<std::span<const float>> gradients;
    for (const Parameter& parameter : parameters_) gradients.push_back(parameter.gradient);
    const double norm = gradient_norm(ops.pool, gradients);
    if (!std::isfinite(norm)) return norm;
    AdamParams adam = options_.adam;
    adam.learning_rate = learning_rate;
    const float factor = clip_factor(norm, adam.grad_clip_norm);
    adamw_.apply(ops.pool, adam, factor);
    const MuonParams muon{
        .learning_rate = learning_rate, .momentum = options_.momentum, .weight_decay = adam.weight_decay};
    std::vector<MuonMatrix> matrices;
    for (size_t i = 0; i < matrices_.size(); i++) {
        const Parameter& matrix = matrices_[i];
        // Of experts, each is a matrix of its own.
        const int64_t cols = matrix.shape.back(), rows = matrix.shape[matrix.shape.size() - 2];
        for (size_t at = 0; at < matrix.values.size(); at += static_cast<size_t>(rows * cols)) {
            matrices.push_back({.parameter = {&matrix.values[at], rows, cols},
                                .gradient = {&matrix.gradient[at], rows, cols},
                                .momentum = {&momentum_[i][at], rows, cols}});
        }
    }
    muon_steps(ops, matrices, muon, factor);
    return norm;
}

std::vector<Optimiser::Moment> Optimiser::moments() {
    std::vector<Moment> moments;
    for (size_t i = 0; i < elementwise_.size(); i++) {
        moments.push_back({elementwise_[i].name + ".m", elementwise_[i].shape, adamw_.m(i)});
        moments.push_back({elementwise_[i].name + ".v", elementwise_[i].shape, adamw_.v(i)});
    }
    for (size_t i = 0; i < matrices_.size(); i++)
        moments.push_back({matrices_[i].name + ".momentum", matrices_[i].shape, momentum_[i]});
    return moments;
}

}  // namespace hone::train
