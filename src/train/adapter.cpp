#include "train/adapter.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace hone::train {

using math::MatrixView;
using model::AdapterPart;
using model::AdapterTarget;

static bool wants(const AdapterSpec& spec, AdapterPart part) {
    switch (part) {
        case AdapterPart::attention:
            return spec.attention;
        case AdapterPart::mlp:
            return spec.mlp;
        case AdapterPart::unembed:
            return spec.unembed;
    }
    return false;
}

TrainedAdapter::TrainedAdapter(model::Model& model, const AdapterSpec& spec, ThreadPool& pool) {
    CHECK(spec.rank >= 1, "rank {}", spec.rank);
    const std::vector<AdapterTarget> all = model::adapter_targets(model);
    std::vector<uint64_t> ordinals;  // among all that could be adapted, whether they are or not
    for (size_t i = 0; i < all.size(); i++) {
        const AdapterTarget& target = all[i];
        if (!wants(spec, target.part)) continue;
        const bool shares = spec.experts == ExpertFactors::shared_outer;
        const auto shape = [&](int64_t n, int64_t k, bool is_shared) {
            return target.is_expert ? math::Shape{is_shared ? 1 : target.experts, n, k} : math::Shape{n, k};
        };
        add_target(target, spec.rank, static_cast<double>(spec.alpha),
                   shape(spec.rank, target.k, shares && model::may_share_a(target.name)),
                   shape(target.n, spec.rank, shares && model::may_share_b(target.name)));
        ordinals.push_back(i);
    }
    pool.parallel_for(std::ssize(targets_), [&](int64_t i, int) {
        const auto index = static_cast<size_t>(i);
        const double limit = 1 / std::sqrt(static_cast<double>(targets_[index].k));
        const std::span<float> a = parameters_[2 * index].values;
        for (size_t j = 0; j < a.size(); j++)
            a[j] = static_cast<float>((2 * uniform_at(spec.seed, ordinals[index], j) - 1) * limit);
    });
}

Result<TrainedAdapter> TrainedAdapter::from(model::Model& model, const model::AdapterContents& contents) {
    TrainedAdapter adapter;
    const std::vector<AdapterTarget> all = model::adapter_targets(model);
    if (const auto fits = model::fit_adapter(contents, all); !fits) return fits.error();
    for (const AdapterTarget& target : all) {
        const auto of_target = [&](const model::AdapterFactors& factors) { return factors.target == target.name; };
        const auto factors = std::ranges::find_if(contents.factors, of_target);
        if (factors == contents.factors.end()) continue;
        adapter.add_target(target, factors->rank, factors->alpha, factors->a_shape, factors->b_shape);
        std::ranges::copy(factors->a, adapter.parameters_.rbegin()[1].values.begin());
        std::ranges::copy(factors->b, adapter.parameters_.back().values.begin());
    }
    return adapter;
}

void TrainedAdapter::add_target(const AdapterTarget& target, int32_t rank, double alpha, math::Shape a, math::Shape b) {
    CHECK(target.base.data, "{} has no data", target.name);
    targets_.push_back(target);
    ranks_.push_back(rank);
    alphas_.push_back(alpha);
    add_parameter(target.name + ".lora_A.weight", std::move(a));
    add_parameter(target.name + ".lora_B.weight", std::move(b));
}

void TrainedAdapter::add_parameter(const std::string& name, math::Shape shape) {
    const auto size = static_cast<size_t>(math::element_count(shape));
    values_.emplace_back(size);
    const std::span<float> values = values_.back();
    values_.emplace_back(size);
    parameters_.push_back({.name = name, .shape = std::move(shape), .values = values, .gradient = values_.back()});
}

void TrainedAdapter::clear_gradients(ThreadPool& pool) {
    pool.parallel_for(std::ssize(parameters_),
                      [&](int64_t i, int) { std::ranges::fill(parameters_[static_cast<size_t>(i)].gradient, 0.0f); });
}

model::AdapterContents TrainedAdapter::contents(std::string base_model) const {
    model::AdapterContents contents;
    contents.base_model = std::move(base_model);
    for (size_t i = 0; i < targets_.size(); i++) {
        const Parameter &a = parameters_[2 * i], &b = parameters_[2 * i + 1];
        contents.factors.push_back({.target = targets_[i].name,
                                    .rank = ranks_[i],
                                    .alpha = alphas_[i],
                                    .a_shape = a.shape,
                                    .b_shape = b.shape,
                                    .a = a.values,
                                    .b = b.values});
    }
    return contents;
}

Result<std::shared_ptr<const model::Adapter>> TrainedAdapter::publish(ThreadPool& pool) {
    const model::AdapterContents factors_now = contents();
    const auto matrices = model::fit_adapter(factors_now, targets_);
    CHECK(matrices.ok(), "{}", matrices.error().message);
    published_.reset();
    gradients_ = {};
    auto packed = model::Adapter::pack(*matrices, pool);
    if (!packed) return packed.error();
    published_ = *packed;
    const auto train = [&](const math::Weight& factor, const Parameter& parameter, size_t expert) {
        const size_t size = static_cast<size_t>(factor.n) * static_cast<size_t>(factor.k);
        const size_t at = expert * size % parameter.gradient.size();  // 0 for every expert if they share it
        gradients_.train(factor.data, MatrixView<float>(&parameter.gradient[at], factor.n, factor.k));
    };
    for (size_t i = 0; i < targets_.size(); i++) {
        const auto factors = published_->of(targets_[i].base);
        for (size_t e = 0; e < factors.size(); e++) {
            train(factors[e].a, parameters_[2 * i], e);
            train(factors[e].b, parameters_[2 * i + 1], e);
        }
    }
    return published_;
}

}  // namespace hone::train
