#include "train/balance.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace hone::train {

static int64_t sum_of(std::span<const int64_t> selections) {
    return std::accumulate(selections.begin(), selections.end(), int64_t{0});
}

void balance(std::span<const int64_t> selections, const BalanceSpec& spec, std::span<float> bias) {
    CHECK_EQ(selections.size(), bias.size());
    if (spec.rate == 0) return;
    const int64_t all = sum_of(selections), experts = std::ssize(selections);
    for (size_t e = 0; e < bias.size(); e++) {
        const int64_t load = selections[e] * experts;  // against all: no mean is rounded
        if (load < all) bias[e] += spec.rate;
        if (load > all) bias[e] -= spec.rate;
    }
    if (!spec.is_centred) return;
    const double sum = std::accumulate(bias.begin(), bias.end(), 0.0);
    const auto mean = static_cast<float>(sum / static_cast<double>(experts));
    for (float& value : bias) value -= mean;
}

double maximal_violation(std::span<const int64_t> selections) {
    const int64_t all = sum_of(selections);
    if (all == 0) return 0;
    const auto largest = static_cast<double>(*std::ranges::max_element(selections));
    return largest * static_cast<double>(selections.size()) / static_cast<double>(all) - 1;
}

ExpertBalance::ExpertBalance(std::span<const int32_t> routed_layers, std::span<const Parameter> biases) {
    CHECK_EQ(routed_layers.size(), biases.size());
    for (size_t i = 0; i < biases.size(); i++) {
        const std::span<float> bias = biases[i].values;
        layers_.push_back({routed_layers[i], bias, std::vector<int64_t>(bias.size())});
    }
}

void ExpertBalance::add(math::MatrixView<const int64_t> selections) {
    for (Layer& layer : layers_) {
        CHECK(layer.layer < selections.rows && std::ssize(layer.bias) == selections.cols, "[{}, {}]", selections.rows,
              selections.cols);
        const auto added = selections.row_span(layer.layer);
        std::ranges::transform(layer.selections, added, layer.selections.begin(), std::plus());
    }
}

void ExpertBalance::step(const BalanceSpec& spec) {
    for (Layer& layer : layers_) {
        balance(layer.selections, spec, layer.bias);
        std::ranges::fill(layer.selections, 0);
    }
}

double ExpertBalance::violation() const {
    double sum = 0;
    for (const Layer& layer : layers_) sum += maximal_violation(layer.selections);
    return layers_.empty() ? 0 : sum / static_cast<double>(layers_.size());
}

}  // namespace hone::train
