#include "model/nn/decoder_ends.h"

#include "math/ops/phase_clock.h"

namespace hone::model {

constexpr const char* kEmbeddingName = "model.embed_tokens.weight";

void DecoderEnds::visit_front(const ModelSpec& spec, WeightVisitor visitor) {
    visitor({.name = kEmbeddingName,
             .role = WeightRole::embedding,
             .n = spec.vocabulary,
             .k = spec.hidden,
             .matrix = &embedding});
}

void DecoderEnds::visit_back(const ModelSpec& spec, WeightVisitor visitor) {
    visitor({.name = "model.norm.weight", .role = WeightRole::norm, .n = spec.hidden, .k = 1, .vector = &final_norm});
    visitor({.name = tied ? kEmbeddingName : "lm_head.weight",
             .role = WeightRole::head,
             .n = spec.vocabulary,
             .k = spec.hidden,
             .matrix = &head});
}

void DecoderEnds::embed(std::span<const int32_t> ids, math::MatrixView<float> x, Pass& pass) const {
    model::embedding(embedding, ids, x, pass);
}

void DecoderEnds::logits(math::MatrixView<const float> x, math::MatrixView<float> logits, Pass& pass) const {
    const math::PhaseScope phase(pass.ops, math::Phase::head);
    const PassScope scope(pass);
    const auto normed = pass.ops.workspace.matrix<float>(x.rows, x.cols);
    rms_norm(x, final_norm, norm, normed, pass);
    linear(normed, head, logits, pass);
}

}  // namespace hone::model
