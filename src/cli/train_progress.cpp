#include "cli/train_progress.h"

#include <cmath>

#include <boost/json/serialize.hpp>
#include <unistd.h>

#include "base/clock.h"
#include "base/progress.h"

namespace hone::cli {

constexpr double kTerminalPeriod = 0.1, kPlainPeriod = 5;  // seconds between lines

TrainProgress::TrainProgress(train::Job& job, const TrainProgressOptions& options, const math::KernelTable& kernels,
                             ThreadPool& pool)
    : job_(job),
      options_(options),
      is_terminal_(isatty(STDERR_FILENO) != 0),
      // Whatever the weights' format: operations are compared with the bf16 peak.
      cost_(cost_of(job.model(), math::NumericClass::f32seq)) {
    // The gradient of what a frozen weight read is one more product, that of a trained weight another.
    flops_factor_ = job.recipe().train.is_full ? 3 : 2;
    auto meter = LimitMeter::create(pool, kernels);
    if (meter) bf16_peak_ = meter->sample(Limit::bf16);
}

double TrainProgress::fraction_of_peak(const train::JobEvent& event) const {
    const auto rows = static_cast<double>(event.step.tokens);
    const double a_row = cost_.dense.bf16_ops + cost_.expert.bf16_ops + cost_.head.bf16_ops;
    const double operations = flops_factor_ * (rows * a_row + event.keys_seen * cost_.attention_ops);
    return bf16_peak_ > 0 && event.seconds > 0 ? operations / event.seconds / bf16_peak_ : 0;
}

std::string TrainProgress::line_of(const train::JobEvent& event) const {
    const auto& [step, steps] = std::pair(job_.state().step, job_.plan().steps);
    const double left = static_cast<double>(steps - step) * seconds_a_step_;
    return fmt::format(
        "step {} of {}, loss {:.4f}{}, {:.0f} tokens/s, {:.0f} % of peak, lr {:.3g}, gradient {:.3g}{}, {} left", step,
        steps, event.step.loss.loss, last_evaluation_, static_cast<double>(event.step.tokens) / event.seconds,
        100 * fraction_of_peak(event), event.step.learning_rate, event.step.gradient_norm,
        event.step.is_skipped ? " (skipped)" : "", format_duration(left));
}

void TrainProgress::print_json(const train::JobEvent& event) const {
    const train::StepReport& step = event.step;
    boost::json::object line{{"step", job_.state().step},
                             {"steps", job_.plan().steps},
                             {"learning_rate", step.learning_rate},
                             {"tokens", step.tokens},
                             {"tokens_per_second", static_cast<double>(step.tokens) / event.seconds},
                             {"fraction_of_peak", fraction_of_peak(event)},
                             {"skipped", step.is_skipped},
                             {"saved", event.is_saved}};
    // JSON has no infinities.
    if (std::isfinite(step.loss.loss)) line["loss"] = step.loss.loss;
    if (std::isfinite(step.gradient_norm)) line["gradient_norm"] = step.gradient_norm;
    for (const auto& [name, value] : step.loss.more)
        if (std::isfinite(value)) line[name] = value;
    if (event.evaluation && std::isfinite(event.evaluation->loss)) line["evaluation_loss"] = event.evaluation->loss;
    fmt::print("{}\n", boost::json::serialize(line));
    std::fflush(stdout);
}

void TrainProgress::show(const train::JobEvent& event) {
    constexpr double kNew = 0.1;  // of the newest step in the mean
    seconds_a_step_ = seconds_a_step_ == 0 ? event.seconds : seconds_a_step_ + kNew * (event.seconds - seconds_a_step_);
    if (event.evaluation) last_evaluation_ = fmt::format(", evaluation {:.4f}", event.evaluation->loss);
    if (options_.json) print_json(event);
    if (options_.json || options_.quiet) return;
    last_line_ = line_of(event);
    const double now = monotonic_seconds();
    if (now - shown_ < (is_terminal_ ? kTerminalPeriod : kPlainPeriod)) return;
    shown_ = now;
    fmt::print(stderr, "{}{}{}", is_terminal_ ? "\r\x1b[K" : "", last_line_, is_terminal_ ? "" : "\n");
    std::fflush(stderr);
}

void TrainProgress::end() {
    if (!last_line_.empty()) fmt::print(stderr, "{}{}\n", is_terminal_ ? "\r\x1b[K" : "", last_line_);
}

}  // namespace hone::cli
