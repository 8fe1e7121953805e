// The skeleton of most open decoders: pre-norm layers with grouped-query attention,
//
//   x += attention(rms(x)),  x += feed_forward(rms(x))
//
// An architecture derives from it, reads its config into the protected fields, and says what its feed-forward is.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "model/config.h"
#include "model/nn/decoder_ends.h"
#include "model/nn/feed_forward.h"
#include "model/nn/grouped_query_attention.h"

namespace hone::model {

class PreNormDecoder : public Model {
  public:
    const ModelSpec& spec() const final { return spec_; }
    CacheSpec cache_spec() const final { return {attention_.kv_bytes() * layers_.size(), attention_.kv_bytes()}; }
    void copy_cache_rows(const std::byte* from, std::byte* to, int32_t rows) const final;
    void visit(WeightVisitor visitor) final;
    void embed(std::span<const int32_t> ids, math::MatrixView<float> x, Pass& pass) const final;
    void layer(int32_t i, math::MatrixView<float> x, Pass& pass) const final;
    void head(math::MatrixView<const float> x, math::MatrixView<float> logits, Pass& pass) const final;

  protected:
    // The slots of layer i's feed-forward, their names beginning with `prefix` ("model.layers.3.mlp.").
    virtual void visit_feed_forward(int32_t i, const std::string& prefix, WeightVisitor visitor) = 0;
    // y [T, D] = feed-forward of layer i for the normed input x [T, D].
    virtual void feed_forward(int32_t i, math::MatrixView<const float> x, math::MatrixView<float> y,
                              Pass& pass) const = 0;

    // Fills spec_, attention_, ends_ and the number of layers from the fields that the families share; refuses what
    // would silently change the function: activations other than SiLU, biases, sliding windows in use, rotary positions
    // that are scaled or (unless the family has them) over a part of the head, quantised weights.
    struct Family {
        int32_t head_dim = 0;  // where the config has none; 0 is hidden_size / num_attention_heads
        double epsilon = 1e-6;
        bool has_partial_rotary = false;
    };
    void read_shared_fields(ConfigReader& config, const boost::json::object& object, const Family& family);
    void read_shared_fields(ConfigReader& config, const boost::json::object& object) {
        read_shared_fields(config, object, Family());
    }

    // How all norms weigh: those of the layers, of queries and keys, and the final one.
    void set_norms(float epsilon, math::NormWeight kind = math::NormWeight::plain);

    ModelSpec spec_;
    std::string feed_forward_name_ = "mlp";  // in a layer's names
    GqaSpec attention_;
    DecoderEnds ends_;

  private:
    struct Layer {
        std::span<const float> attention_norm, feed_forward_norm;  // [D]
        GqaWeights attention;
    };
    // Where layer i keeps its keys and values in the pages of a pass.
    math::KvLayer cache_of_layer(int32_t i, const Pass& pass) const;

    std::vector<Layer> layers_;
};

}  // namespace hone::model
