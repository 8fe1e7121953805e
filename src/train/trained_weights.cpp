#include "train/trained_weights.h"

namespace hone::train {

std::span<const Parameter> TrainedWeights::parameters() const {
    return std::visit([](const auto& trained) { return trained.parameters(); }, trained_);
}

std::span<const Parameter> TrainedWeights::router_biases() const {
    const auto* full = std::get_if<FullParameters>(&trained_);
    return full ? full->router_biases() : std::span<const Parameter>{};
}

const math::WeightGradients& TrainedWeights::gradients() const {
    return std::visit(
        [](const auto& trained) -> const auto& { return trained.gradients(); }, trained_);
}

void TrainedWeights::clear_gradients(ThreadPool& pool) {
    std::visit([&](auto& trained) { trained.clear_gradients(pool); }, trained_);
}

Status TrainedWeights::publish(ThreadPool& pool) {
    if (auto* full = std::get_if<FullParameters>(&trained_)) {
        full->publish();
        return ok();
    }
    adapter_.reset();
    auto published = std::get<TrainedAdapter>(trained_).publish(pool);
    if (!published) return published.error();
    adapter_ = std::move(*published);
    return ok();
}

}  // namespace hone::train
