// Qwen3-MoE (Qwen3 Technical Report, arXiv 2505.09388): Qwen3 with a mixture of experts for the feed-forward: softmax
// over all experts, the k best, their scores renormalised if norm_topk_prob. Layers in mlp_only_layers, and those that
// decoder_sparse_step passes over, keep one dense feed-forward.
//
// Checkpoint names: model.layers.I.mlp.gate.weight (router), .mlp.experts.E.{gate,up,down}_proj.weight, dense layers as
// Qwen3.
#include <algorithm>

#include "model/nn/pre_norm_decoder.h"
#include "model/zoo/architectures.h"

namespace hone::model {
namespace {

class Qwen3Moe final : public PreNormDecoder {
  public:
    void read(ConfigReader& config, const boost::json::object& object) {
        read_shared_fields(config, object);
        attention_.qk_norm = QkNorm::per_head;
        moe_ = read_moe(config, spec_, "num_experts", "moe_intermediate_size");
        const int32_t sparse_step = config.count("decoder_sparse_step", 1);
        const auto dense = config.integers("mlp_only_layers");
        for (int32_t i = 0; i < spec_.layers; i++) {
            const bool is_dense = (i + 1) % sparse_step != 0 || std::find(dense.begin(), dense.end(), i) != dense.end();
            feed_forwards_.push_back({.is_dense = is_dense, .glu = {}, .moe = {}});
            if (is_dense) {
                inner_ = config.count("intermediate_size");
            } else {
                spec_.routed_layers.push_back(i);
            }
        }
    }

  private:
    struct FeedForward {
        bool is_dense;
        GluWeights glu;  // of a dense layer
        MoeWeights moe;  // of the others
    };

    void visit_feed_forward(int32_t i, const std::string& prefix, WeightVisitor visitor) override {
        FeedForward& block = feed_forwards_[static_cast<size_t>(i)];
        if (block.is_dense) {
            block.glu.visit(spec_.hidden, inner_, prefix, visitor);
        } else {
            block.moe.visit(moe_, prefix, visitor);
        }
    }

    void feed_forward(int32_t i, math::MatrixView<const float> x, math::MatrixView<float> y,
                      Pass& pass) const override {
        const FeedForward& block = feed_forwards_[static_cast<size_t>(i)];
        if (block.is_dense) {
            gated_linear_unit(block.glu, x, y, pass);
        } else {
            mixture_of_experts(moe_, block.moe, i, x, y, pass);
        }
    }

    MoeSpec moe_;
    int32_t inner_ = 0;  // of the dense layers
    std::vector<FeedForward> feed_forwards_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_qwen3_moe(const boost::json::object& config) {
    return read_architecture<Qwen3Moe>(config);
}

}  // namespace hone::model
