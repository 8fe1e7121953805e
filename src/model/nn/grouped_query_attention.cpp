// Dimensions: T rows, D hidden, H query heads, K key-value heads, d head size.
#include "model/nn/grouped_query_attention.h"

#include "math/ops/activation.h"
#include "math/ops/linear.h"
#include "math/ops/phase_clock.h"

namespace hone::model {

void GqaWeights::visit(const GqaSpec& spec, const std::string& prefix, WeightVisitor visitor) {
    const int32_t q_size = spec.heads * spec.head_dim, kv_size = spec.kv_heads * spec.head_dim;
    const auto matrix = [&](const char* name, int32_t n, int32_t k, math::Weight& weight) {
        visitor({.name = prefix + name, .role = WeightRole::linear, .n = n, .k = k, .matrix = &weight});
    };
    const auto norm = [&](const char* name, int32_t all, std::span<const float>& vector) {
        const int32_t n = spec.qk_norm == QkNorm::per_head ? spec.head_dim : all;
        visitor({.name = prefix + name, .role = WeightRole::norm, .n = n, .k = 1, .vector = &vector});
    };
    matrix("q_proj.weight", q_size, spec.hidden, query);
    matrix("k_proj.weight", kv_size, spec.hidden, key);
    matrix("v_proj.weight", kv_size, spec.hidden, value);
    if (spec.qk_norm != QkNorm::none) {
        norm("q_norm.weight", q_size, query_norm);
        norm("k_norm.weight", kv_size, key_norm);
    }
    matrix("o_proj.weight", spec.hidden, q_size, output);
}

static void normalise(const GqaSpec& spec, std::span<const float> weight, math::MatrixView<float> x, Pass& pass) {
    if (spec.qk_norm == QkNorm::per_head) {
        math::rms_norm_heads(pass.ops, x, weight, spec.epsilon, spec.norm_kind);
    } else if (spec.qk_norm == QkNorm::all_heads) {
        math::rms_norm(pass.ops, x, weight, spec.epsilon, spec.norm_kind, x);
    }
}

void grouped_query_attention(const GqaSpec& spec, const GqaWeights& weights, const math::KvLayer& cache,
                             math::MatrixView<const float> x, math::MatrixView<float> y, Pass& pass) {
    auto& workspace = pass.ops.workspace;
    const math::Workspace::Scope scope(workspace);
    const auto q_THd = workspace.matrix<float>(x.rows, int64_t{spec.heads} * spec.head_dim);
    const auto k_TKd = workspace.matrix<float>(x.rows, int64_t{spec.kv_heads} * spec.head_dim);
    const auto v_TKd = workspace.matrix<float>(x.rows, int64_t{spec.kv_heads} * spec.head_dim);
    const auto o_THd = workspace.matrix<float>(x.rows, int64_t{spec.heads} * spec.head_dim);

    const math::Weight* const inputs[] = {&weights.query, &weights.key, &weights.value};
    const math::MatrixView<float> outputs[] = {q_THd, k_TKd, v_TKd};
    {
        const math::PhaseScope phase(pass.ops, math::Phase::dense);
        math::linear(pass.ops, x, inputs, outputs);
    }
    normalise(spec, weights.query_norm, q_THd, pass);
    normalise(spec, weights.key_norm, k_TKd, pass);
    if (spec.clip) {
        for (const auto& values : outputs) math::clamp(pass.ops, *spec.clip, values);
    }
    math::rotary(pass.ops, pass.positions, spec.rotary, q_THd);
    math::rotary(pass.ops, pass.positions, spec.rotary, k_TKd);

    math::store_kv(pass.ops, pass.segments, k_TKd, v_TKd, cache);
    math::attention(pass.ops, pass.segments, q_THd, spec.heads, cache, o_THd);
    const math::PhaseScope phase(pass.ops, math::Phase::dense);
    math::linear(pass.ops, o_THd, weights.output, y);
}

}  // namespace hone::model
