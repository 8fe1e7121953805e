// OLMoE (Muennighoff et al., arXiv 2409.02060): the pre-norm decoder with one RMS norm over all heads' queries and one
// over all heads' keys, optionally queries, keys and values clipped to +-clip_qkv, and a mixture of experts in every
// layer: softmax over all experts, the k best, renormalised only if norm_topk_prob.
//
// Checkpoint names: model.layers.I.mlp.gate.weight (router), .mlp.experts.E.{gate,up,down}_proj.weight.
#include "model/nn/pre_norm_decoder.h"
#include "model/zoo/architectures.h"

namespace hone::model {
namespace {

class Olmoe final : public PreNormDecoder {
  public:
    void read(ConfigReader& config, const boost::json::object& object) {
        read_shared_fields(config, object, {.epsilon = 1e-5});
        attention_.qk_norm = QkNorm::all_heads;
        if (config.has("clip_qkv")) attention_.clip = config.positive("clip_qkv");
        moe_ = read_moe(config, spec_, "num_experts", "intermediate_size");
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

Result<std::unique_ptr<Model>> make_olmoe(const boost::json::object& config) {
    return read_architecture<Olmoe>(config);
}

}  // namespace hone::model
