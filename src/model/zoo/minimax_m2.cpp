// MiniMax-M2 (transformers' minimax_m2; M2.1, M2.5 and M2.7 have the same graph): the pre-norm decoder with one RMS norm
// over all heads' queries and one over all heads' keys, rotary positions over the first rotary_dim dimensions of a head,
// and a mixture of experts in every layer: a sigmoid a score, the k best of score + bias, the scores without the bias
// renormalised. The bias evens out the experts' load (Wang et al., arXiv 2408.15664).
//
// Checkpoint names: model.layers.I.block_sparse_moe.gate.weight (router), .e_score_correction_bias,
// .experts.E.{w1,w3,w2}.weight (gate, up, down). Layers for multi-token prediction are not used.
#include <algorithm>

#include "model/nn/pre_norm_decoder.h"
#include "model/printable.h"
#include "model/zoo/architectures.h"

namespace hone::model {
namespace {

// Fields that may say that the checkpoint computes something else.
void refuse_other_routing(ConfigReader& config) {
    const auto layers = config.integers("attn_type_list");
    config.require(std::ranges::all_of(layers, [](int32_t type) { return type == 1; }),
                   "attn_type_list: only 1 (full attention) is supported for this architecture");
    const auto only = [&](const char* field, const char* value) {
        const std::string said = config.text(field, value);
        config.require(said == value, fmt::format("{} {} is not supported for this architecture, only {}", field,
                                                  in_quotes(said), value));
    };
    only("scoring_func", "sigmoid");
    only("qk_norm_type", "per_layer");
    for (const char* field : {"use_qk_norm", "use_routing_bias", "norm_topk_prob"}) {
        config.require(config.flag(field, true), fmt::format("{} false is not supported for this architecture", field));
    }
    for (const char* field : {"shared_intermediate_size", "router_jitter_noise", "sliding_window"}) {
        config.require(config.number(field, 0) == 0,
                       fmt::format("{} other than 0 is not supported for this architecture", field));
    }
    const double scale = config.number("routed_scaling_factor", 1);
    config.require(scale == 1, fmt::format("routed_scaling_factor {} is not supported for this architecture", scale));
}

class MinimaxM2 final : public PreNormDecoder {
  public:
    void read(ConfigReader& config, const boost::json::object& object) {
        read_shared_fields(config, object, {.has_partial_rotary = true});
        refuse_other_routing(config);
        feed_forward_name_ = "block_sparse_moe";
        attention_.qk_norm = QkNorm::all_heads;
        moe_ = read_moe(config, spec_, "num_local_experts", "intermediate_size");
        moe_.router.score = math::RouterScore::sigmoid;
        moe_.router.normalise = true;
        moe_.names = {.gate = "w1", .up = "w3", .down = "w2", .router_bias = "e_score_correction_bias"};
        feed_forwards_.resize(static_cast<size_t>(spec_.layers));
        for (int32_t i = 0; i < spec_.layers; i++) spec_.routed_layers.push_back(i);
    }

  private:
    void visit_feed_forward(int32_t i, const std::string& prefix, WeightVisitor visitor) override {
        feed_forwards_[static_cast<size_t>(i)].visit(moe_, prefix, visitor);
    }

    void feed_forward(int32_t i, math::MatrixView<const float> x, math::MatrixView<float> y,
                      Pass& pass) const override {
        mixture_of_experts(moe_, feed_forwards_[static_cast<size_t>(i)], i, x, y, pass);
    }

    MoeSpec moe_;
    std::vector<MoeWeights> feed_forwards_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_minimax_m2(const boost::json::object& config) {
    return read_architecture<MinimaxM2>(config);
}

}  // namespace hone::model
