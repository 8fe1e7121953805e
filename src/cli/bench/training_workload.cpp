#include "cli/bench/training_workload.h"

#include <algorithm>

#include "base/progress.h"
#include "train/losses/tinker.h"

namespace hone::cli {

using math::Phase;
using math::Way;

Result<std::unique_ptr<TrainingWorkload>> TrainingWorkload::create(const OpenModel& open, LimitMeter& meter,
                                                                   const TrainingShape& shape) {
    std::unique_ptr<TrainingWorkload> workload(new TrainingWorkload(open, meter, shape));
    if (const Status started = workload->start(); !started) return started.error();
    return workload;
}

TrainingWorkload::TrainingWorkload(const OpenModel& open, LimitMeter& meter, const TrainingShape& shape)
    : open_(open),
      shape_(shape),
      cost_(cost_of(*open.loaded.model, open.int4_class)),
      watch_(meter),
      ops_{*open.pool, workspace_, *open.kernels, open.int4_class, &clock_} {
    Random random(1);
    const auto vocabulary = static_cast<uint64_t>(open.loaded.model->spec().vocabulary);
    for (int64_t i = 0; i < shape.rows(); i++) {
        tokens_.push_back(static_cast<int32_t>(random.below(vocabulary)));
        targets_.push_back(static_cast<int32_t>(random.below(vocabulary)));
    }
    for (int64_t document = 0; document <= shape.documents; document++) offsets_.push_back(document * shape.tokens);
}

Status TrainingWorkload::start() {
    model::Model& model = *open_.loaded.model;
    if (shape_.rank > 0) {
        adapter_.emplace(model, train::AdapterSpec{.rank = shape_.rank}, *open_.pool);
    } else {
        auto full = train::FullParameters::create(model, model::WeightChoice::as_stored, *open_.pool);
        if (!full) return full.error();
        full_.emplace(std::move(*full));
    }
    optimiser_.emplace(parameters());
    pass_.emplace(model, ops_, gradients(), shape_.options);
    return publish();
}

std::span<const train::Parameter> TrainingWorkload::parameters() const {
    return adapter_ ? adapter_->parameters() : full_->parameters();
}

const math::WeightGradients& TrainingWorkload::gradients() const {
    return adapter_ ? adapter_->gradients() : full_->gradients();
}

double TrainingWorkload::trained_bytes() const {
    size_t values = 0;
    for (const train::Parameter& parameter : parameters()) values += parameter.values.size();
    return 4.0 * sizeof(float) * static_cast<double>(values);
}

Status TrainingWorkload::publish() {
    if (full_) {
        full_->publish();
        return ok();
    }
    published_.reset();
    auto published = adapter_->publish(*open_.pool);
    if (!published) return published.error();
    published_ = *published;
    return ok();
}

void TrainingWorkload::step(Sample& sample) {
    const int64_t rows = shape_.rows();
    clock_.restart();
    std::vector<float> logprobs(static_cast<size_t>(rows)), weights(static_cast<size_t>(rows), 1.0f);
    pass_->use(published_.get());
    train::TokenLoss loss = train::cross_entropy(logprobs, weights);  // whose gradients are known before
    pass_->run({.tokens = tokens_, .offsets = offsets_, .targets = {targets_.data(), rows, 1}},
               {logprobs.data(), rows, 1}, {loss.dlp.data(), rows, 1});
    clock_.enter(Phase::other);  // so that the time since the last phase counts
    sample.clock = clock_;
    const double started = monotonic_seconds();
    optimiser_->step(*open_.pool, {.learning_rate = 1e-6, .grad_clip_norm = 1});
    if (adapter_) adapter_->clear_gradients(ops_.pool);
    if (full_) full_->clear_gradients(ops_.pool);
    const Status published = publish();
    CHECK(published.ok(), "{}", published.error().message);
    sample.step_seconds = monotonic_seconds() - started;
}

double TrainingWorkload::limit(double prefill, const MachineLimits& limits) const {
    const auto rows = static_cast<double>(shape_.rows());
    PhaseWork work = work_of(cost_, {.rows = rows, .logits_rows = rows, .keys_seen = rows * (shape_.tokens + 1) / 2.0});
    if (adapter_) {
        double operations = 0;  // whatever their class is forward
        for (const Phase phase : {Phase::dense, Phase::experts, Phase::head, Phase::router}) {
            const Work& own = work[static_cast<size_t>(phase)];
            operations += own.i8_ops + own.bf16_ops + own.f32_ops;
        }
        return rows / (operations / limits[Limit::bf16] + 2 * rows / prefill);
    }
    return rows / (3 * seconds_of(work, limits));
}

std::vector<BenchRow> TrainingWorkload::measure(const std::string& name, double prefill, int repeats, bool quiet) {
    const auto rows = static_cast<double>(shape_.rows());
    Progress progress("measuring " + name, static_cast<uint64_t>(shape_.rows()) * static_cast<uint64_t>(repeats),
                      Progress::Unit::tokens, quiet);
    Sample first;
    step(first);  // touches the memory that all others use
    std::vector<Sample> samples;
    const Work every_limit{1, 1, 1, 1};
    const auto timings = watch_.time(repeats, every_limit, [&] {
        step(samples.emplace_back());
        if (std::ssize(samples) <= repeats) progress.advance(static_cast<uint64_t>(shape_.rows()));
    });
    progress.finish();

    std::vector<Repetition> whole;
    for (const Timing& timing : timings)
        whole.push_back({rows / timing.seconds, limit(prefill, timing.limits), timing.is_clean});
    std::vector<BenchRow> result{summarise(name, "tokens/s", whole, repeats)};
    const auto add_part = [&](const std::string& part, auto seconds_of_sample) {
        std::vector<Repetition> parts;
        for (size_t i = 0; i < timings.size(); i++)
            parts.push_back({1000 * seconds_of_sample(samples[i]), 0, timings[i].is_clean});
        BenchRow row = summarise(fmt::format("{}/{}", name, part), "ms", parts, repeats);
        if (row.value > 0) result.push_back(std::move(row));
    };
    for (const Way way : {Way::forward, Way::again, Way::back}) {
        for (const Phase phase : {Phase::attention, Phase::experts, Phase::dense, Phase::head, Phase::lora,
                                  Phase::router, Phase::quantise, Phase::other}) {
            add_part(fmt::format("{}-{}", name_of(way), name_of(phase)),
                     [&](const Sample& sample) { return sample.clock.seconds(phase, way); });
        }
    }
    add_part("step", [](const Sample& sample) { return sample.step_seconds; });
    return result;
}

}  // namespace hone::cli
