// Grouped-query attention (Ainslie et al., arXiv 2305.13245) with optional RMS norm of queries and keys, rotary
// positions, and keys and values in cache pages.
#pragma once

#include <optional>
#include <string>

#include "model/nn/recorded.h"

namespace hone::model {

enum class QkNorm { none, per_head, all_heads };  // over head_dim, or over all heads' values at once; before rotary

struct GqaSpec {
    int32_t hidden = 0, heads = 0, kv_heads = 0, head_dim = 0;
    QkNorm qk_norm = QkNorm::none;
    NormSpec norm;              // of queries and keys
    std::optional<float> clip;  // limit of |q|, |k| and |v| before rotary
    math::RotarySpec rotary;

    size_t kv_bytes() const { return math::kv_layer_bytes(kv_heads, head_dim); }  // a page, one layer
};

struct GqaWeights {
    math::Weight query, key, value, output;       // [H*d, D], [KV*d, D], [KV*d, D], [D, H*d]
    std::span<const float> query_norm, key_norm;  // [d] per head, or [H*d] and [KV*d]

    // Slots `prefix`q_proj.weight and so on.
    void visit(const GqaSpec& spec, const std::string& prefix, WeightVisitor visitor);
};

// y [T, D] = attention of the normed input x [T, D]; the rows' keys and values go into their pages.
void grouped_query_attention(const GqaSpec& spec, const GqaWeights& weights, const math::KvLayer& cache,
                             math::MatrixView<const float> x, math::MatrixView<float> y, Pass& pass);

}  // namespace hone::model
