#include "train/trainer.h"

#include <cmath>

#include "base/turns.h"

namespace hone::train {

Trainer::Trainer(const model::Model& model, TrainedWeights& weights, Objective& objective,
                 const OptimiserOptions& optimiser, const BalanceOptions& balance, math::OpContext& ops,
                 size_t activation_bytes)
    : model_(model),
      weights_(weights),
      objective_(objective),
      balancing_(balance),
      ops_(ops),
      optimiser_(weights.parameters(), optimiser),
      pass_(model, ops, weights.gradients(), {.activation_bytes = activation_bytes}) {
    if (balancing_.bias_rate > 0) balance_.emplace(model.spec().routed_layers, weights.router_biases());
}

Result<StepReport> Trainer::step(std::span<const Batch> passes, double learning_rate) {
    StepReport report{.loss = {}, .learning_rate = learning_rate};
    for (const Batch& pass : passes) {
        report.weight += objective_.weight(pass);
        report.tokens += std::ssize(pass.tokens);
    }
    const auto count = static_cast<double>(passes.size());
    const Visit visit(ops_.pool);
    weights_.clear_gradients(ops_.pool);
    pass_.set_aux_coefficient(static_cast<float>(double{balancing_.aux_coefficient} / count));
    for (const Batch& pass : passes) {
        const PassPurpose purpose{.total = report.weight != 0 ? report.weight : 1};
        report.loss.add(objective_.run(student(balance_ ? &*balance_ : nullptr), pass, purpose));
    }
    report.loss.aux_loss /= count;
    const Undivided change(ops_.pool);
    is_whole_ = false;
    report.gradient_norm = optimiser_.step(ops_, learning_rate);
    report.is_skipped = !std::isfinite(report.gradient_norm);
    if (balance_) {
        report.load_violation = balance_->violation();
        balance_->step({.rate = report.is_skipped ? 0 : balancing_.bias_rate});
    }
    const Status published = report.is_skipped ? ok() : weights_.publish(ops_.pool);
    is_whole_ = true;
    if (!published) return published.error();
    return report;
}

PassLoss Trainer::evaluate(const Batch& batch) {
    const Visit visit(ops_.pool);
    pass_.set_aux_coefficient(0);
    return objective_.run(student(), batch, {.learns = false});
}

}  // namespace hone::train
