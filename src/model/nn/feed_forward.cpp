#include "model/nn/feed_forward.h"

#include "math/autograd/tape.h"
#include "math/ops/phase_clock.h"
#include "model/nn/recorded.h"

namespace hone::model {

void GluWeights::visit(int32_t hidden, int32_t inner, const std::string& prefix, WeightVisitor visitor) {
    const auto matrix = [&](const char* name, int32_t n, int32_t k, math::Weight& weight) {
        visitor({.name = prefix + name, .role = WeightRole::linear, .n = n, .k = k, .matrix = &weight});
    };
    matrix("gate_proj.weight", inner, hidden, gate);
    matrix("up_proj.weight", inner, hidden, up);
    matrix("down_proj.weight", hidden, inner, down);
}

void gated_linear_unit(const GluWeights& weights, math::MatrixView<const float> x, math::MatrixView<float> y,
                       Pass& pass) {
    const math::PhaseScope phase(pass.ops, math::Phase::dense);
    const PassScope scope(pass);
    const auto gate_TF = result_matrix(ResultKind::product, x.rows, weights.gate.n, pass);
    const auto up_TF = result_matrix(ResultKind::product, x.rows, weights.up.n, pass);
    const math::Weight* const inputs[] = {&weights.gate, &weights.up};
    const math::MatrixView<float> outputs[] = {gate_TF, up_TF};
    linear(x, inputs, outputs, pass);
    const auto hidden_TF = in_place_of(gate_TF, pass);
    swiglu(gate_TF, up_TF, hidden_TF, pass);
    last_linear(hidden_TF, weights.down, y, pass);
}

MoeSpec read_moe(ConfigReader& config, ModelSpec& spec, const char* experts_field, const char* inner_field) {
    spec.experts = config.count(experts_field, std::nullopt, 1 << 16);
    spec.experts_per_token = config.count("num_experts_per_tok", std::nullopt, 1 << 10);
    config.require(
        spec.experts_per_token <= spec.experts,
        fmt::format("num_experts_per_tok {} is more than {} {}", spec.experts_per_token, experts_field, spec.experts));
    return {.hidden = spec.hidden,
            .inner = config.count(inner_field),
            .experts = spec.experts,
            .router = {.score = math::RouterScore::softmax,
                       .experts_per_token = spec.experts_per_token,
                       .normalise = config.flag("norm_topk_prob", false)}};
}

void MoeWeights::visit(const MoeSpec& spec, const std::string& prefix, WeightVisitor visitor) {
    visitor({.name = prefix + "gate.weight",
             .role = WeightRole::router,
             .n = spec.experts,
             .k = spec.hidden,
             .matrix = &router});
    if (spec.names.router_bias) {
        visitor({.name = prefix + spec.names.router_bias,
                 .role = WeightRole::router_bias,
                 .n = spec.experts,
                 .k = 1,
                 .vector = &router_bias});
    }
    gate.resize(static_cast<size_t>(spec.experts));
    up.resize(gate.size());
    down.resize(gate.size());
    for (size_t e = 0; e < gate.size(); e++) {
        const auto matrix = [&](const char* name, int32_t n, int32_t k, math::Weight& weight) {
            visitor({.name = fmt::format("{}experts.{}.{}.weight", prefix, e, name),
                     .role = WeightRole::expert,
                     .n = n,
                     .k = k,
                     .matrix = &weight});
        };
        matrix(spec.names.gate, spec.inner, spec.hidden, gate[e]);
        matrix(spec.names.up, spec.inner, spec.hidden, up[e]);
        matrix(spec.names.down, spec.hidden, spec.inner, down[e]);
    }
}

void mixture_of_experts(const MoeSpec& spec, const MoeWeights& weights, int32_t layer, math::MatrixView<const float> x,
                        math::MatrixView<float> y, Pass& pass) {
    auto& workspace = pass.ops.workspace;
    const PassScope scope(pass);
    const auto scores_TE = workspace.matrix<float>(x.rows, spec.experts);
    const math::Routing routing{workspace.matrix<int32_t>(x.rows, spec.router.experts_per_token),
                                workspace.matrix<float>(x.rows, spec.router.experts_per_token)};
    {
        const math::PhaseScope phase(pass.ops, math::Phase::router);
        linear(x, weights.router, scores_TE, pass);
        if (pass.tape && pass.router_gradient_tap) {
            pass.tape->push([&tape = *pass.tape, &tap = *pass.router_gradient_tap, layer, scores_TE] {
                tap(layer, scores_TE, tape.gradient(scores_TE));
            });
        }
        math::RouterSpec router = spec.router;
        router.selection_bias = weights.router_bias;
        route(router, scores_TE, routing, pass);
    }
    if (pass.router_tap) (*pass.router_tap)(layer, scores_TE, routing);
    moe(x, routing, {weights.gate, weights.up, weights.down}, y, pass);
}

}  // namespace hone::model
