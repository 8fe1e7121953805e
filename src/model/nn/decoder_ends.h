// The two ends of a decoder: token embedding in, final norm and output head out.
#pragma once

#include "model/nn/recorded.h"

namespace hone::model {

struct DecoderEnds {
    math::Weight embedding;             // [V, D]
    std::span<const float> final_norm;  // [D]
    math::Weight head;                  // [V, D]
    bool tied = false;                  // the head is the embedding's tensor
    NormSpec norm;

    // The slots that come before and after the layers' in Model::visit.
    void visit_front(const ModelSpec& spec, WeightVisitor visitor);
    void visit_back(const ModelSpec& spec, WeightVisitor visitor);

    // x [T, D] of ids [T].
    void embed(std::span<const int32_t> ids, math::MatrixView<float> x, Pass& pass) const;
    // logits [T, V] of the residual stream x [T, D].
    void logits(math::MatrixView<const float> x, math::MatrixView<float> logits, Pass& pass) const;
};

}  // namespace hone::model
