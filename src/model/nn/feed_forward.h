// Feed-forward blocks: the gated linear unit with SiLU (Shazeer, arXiv 2002.05202), and a router with experts of that
// kind.
#pragma once

#include <string>
#include <vector>

#include "math/ops/router.h"
#include "model/config.h"
#include "model/model.h"

namespace hone::model {

struct GluWeights {
    math::Weight gate, up, down;  // [F, D], [F, D], [D, F]

    void visit(int32_t hidden, int32_t inner, const std::string& prefix, WeightVisitor visitor);
};

// y [T, D] = down(silu(gate x) * up x) of the normed input x [T, D].
void gated_linear_unit(const GluWeights& weights, math::MatrixView<const float> x, math::MatrixView<float> y,
                       Pass& pass);

// What a checkpoint calls an expert's matrices, and the bias of the router's choice (null: it has none).
struct MoeNames {
    const char *gate = "gate_proj", *up = "up_proj", *down = "down_proj";
    const char* router_bias = nullptr;
};

struct MoeSpec {
    int32_t hidden = 0, inner = 0, experts = 0;
    math::RouterSpec router;  // its bias is a weight
    MoeNames names;
};

// Experts, experts a token and norm_topk_prob of a softmax router, also noted in `spec`; the fields hold the number of
// experts and an expert's inner size.
MoeSpec read_moe(ConfigReader& config, ModelSpec& spec, const char* experts_field, const char* inner_field);

struct MoeWeights {
    math::Weight router;                       // [E, D], fp32 chain
    std::span<const float> router_bias;        // [E], or empty
    std::vector<math::Weight> gate, up, down;  // an expert each: [F, D], [F, D], [D, F]

    // Slots `prefix`gate.weight, `prefix`experts.E.gate_proj.weight and so on, as spec.names has them.
    void visit(const MoeSpec& spec, const std::string& prefix, WeightVisitor visitor);
};

// y [T, D] = the chosen experts' weighted sum for the normed input x [T, D]; tells pass.router_tap the choice of
// `layer`.
void mixture_of_experts(const MoeSpec& spec, const MoeWeights& weights, int32_t layer, math::MatrixView<const float> x,
                        math::MatrixView<float> y, Pass& pass);

}  // namespace hone::model
