// Qwen3, dense (Qwen3 Technical Report, arXiv 2505.09388): the pre-norm decoder with an RMS norm per head on queries
// and keys, rotary positions over the whole head, and a SiLU-gated feed-forward.
//
// Checkpoint names: model.layers.I.mlp.{gate,up,down}_proj.weight; the rest is the decoder skeleton's.
#include "model/nn/pre_norm_decoder.h"
#include "model/zoo/architectures.h"

namespace hone::model {
namespace {

class Qwen3 final : public PreNormDecoder {
  public:
    void read(ConfigReader& config, const boost::json::object& object) {
        read_shared_fields(config, object, {.head_dim = 128});
        attention_.qk_norm = QkNorm::per_head;
        inner_ = config.count("intermediate_size");
        glu_.resize(static_cast<size_t>(spec_.layers));
    }

  private:
    void visit_feed_forward(int32_t i, const std::string& prefix, WeightVisitor visitor) override {
        glu_[static_cast<size_t>(i)].visit(spec_.hidden, inner_, prefix, visitor);
    }

    void feed_forward(int32_t i, math::MatrixView<const float> x, math::MatrixView<float> y,
                      Pass& pass) const override {
        gated_linear_unit(glu_[static_cast<size_t>(i)], x, y, pass);
    }

    int32_t inner_ = 0;
    std::vector<GluWeights> glu_;  // a layer each
};

}  // namespace

Result<std::unique_ptr<Model>> make_qwen3(const boost::json::object& config) {
    return read_architecture<Qwen3>(config);
}

}  // namespace hone::model
