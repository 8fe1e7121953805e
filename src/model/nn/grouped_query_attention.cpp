// Dimensions: T rows, D hidden, H query heads, K key-value heads, d head size.
#include "model/nn/grouped_query_attention.h"

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

// Where the normed values lie.
static math::MatrixView<float> normalised(const GqaSpec& spec, std::span<const float> weight, math::MatrixView<float> x,
                                          Pass& pass) {
    if (spec.qk_norm == QkNorm::none) return x;
    const auto y = in_place_of(x, pass);
    if (spec.qk_norm == QkNorm::per_head)
        rms_norm_heads(x, weight, spec.norm, y, pass);
    else
        rms_norm(x, weight, spec.norm, y, pass);
    return y;
}

void grouped_query_attention(const GqaSpec& spec, const GqaWeights& weights, const math::KvLayer& cache,
                             math::MatrixView<const float> x, math::MatrixView<float> y, Pass& pass) {
    auto& workspace = pass.ops.workspace;
    const PassScope scope(pass);
    const int64_t q_size = int64_t{spec.heads} * spec.head_dim, kv_size = int64_t{spec.kv_heads} * spec.head_dim;
    const bool stay = spec.qk_norm != QkNorm::none && !spec.clip;  // otherwise they are changed in place
    const auto matrix = [&](int64_t cols) {
        return stay ? result_matrix(ResultKind::product, x.rows, cols, pass) : workspace.matrix<float>(x.rows, cols);
    };
    const math::MatrixView<float> projected[] = {matrix(q_size), matrix(kv_size), matrix(kv_size)};
    const auto o_THd = result_matrix(ResultKind::attention, x.rows, q_size, pass);

    const math::Weight* const inputs[] = {&weights.query, &weights.key, &weights.value};
    {
        const math::PhaseScope phase(pass.ops, math::Phase::dense);
        linear(x, inputs, projected, pass);
    }
    const auto q_THd = normalised(spec, weights.query_norm, projected[0], pass);
    const auto k_TKd = normalised(spec, weights.key_norm, projected[1], pass);
    const auto v_TKd = projected[2];
    if (spec.clip) {
        for (const auto& values : {q_THd, k_TKd, v_TKd}) clamp(*spec.clip, values, pass);
    }
    rotary(spec.rotary, q_THd, pass);
    rotary(spec.rotary, k_TKd, pass);
    attention(q_THd, k_TKd, v_TKd, spec.heads, cache, o_THd, pass);
    const math::PhaseScope phase(pass.ops, math::Phase::dense);
    linear(o_THd, weights.output, y, pass);
}

}  // namespace hone::model
