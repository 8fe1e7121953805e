// The ops that layers are made of, each followed by the step of its way back where the pass records: the one place that
// knows both. What a step reads is kept by the caller until the tape has run (PassScope). Shapes and errors are those of
// the ops.
#pragma once

#include <optional>

#include "math/ops/norm.h"
#include "math/ops/rotary.h"
#include "math/ops/router.h"
#include "model/model.h"
#include "model/nn/kept_results.h"

namespace hone::model {

// Scratch of a block, released at its end, unless the pass records: then at the end of the scope around the recording.
class PassScope {
  public:
    explicit PassScope(Pass& pass) {
        if (!pass.tape) scope_.emplace(pass.ops.workspace);
    }

  private:
    std::optional<math::Workspace::Scope> scope_;
};

// Where the result of attention or a product is to lie so that it may be kept: as it came out, nobody may change it then.
math::MatrixView<float> result_matrix(ResultKind kind, int64_t rows, int64_t cols, Pass& pass);
// Where the result that ends a layer lies, in `unused` memory: nowhere, if the pass records, which does not compute it.
math::MatrixView<float> last_result(math::MatrixView<float> unused, Pass& pass);
// What an op may change in place: x itself, or a matrix of its own where the pass records or keeps x.
math::MatrixView<float> in_place_of(math::MatrixView<float> x, Pass& pass);

void linear(math::MatrixView<const float> x, std::span<const math::Weight* const> weights,
            std::span<const math::MatrixView<float>> outputs, Pass& pass);
void linear(math::MatrixView<const float> x, const math::Weight& weight, math::MatrixView<float> y, Pass& pass);
// The product that ends a layer: y goes into the residual stream and nowhere else, and is not set where the pass records.
void last_linear(math::MatrixView<const float> x, const math::Weight& weight, math::MatrixView<float> y, Pass& pass);

struct NormSpec {
    float epsilon = 1e-6f;
    math::NormWeight kind = math::NormWeight::plain;
};
// Where the pass records, x stays as it is, and y is another matrix.
void rms_norm(math::MatrixView<const float> x, std::span<const float> weight, const NormSpec& spec,
              math::MatrixView<float> y, Pass& pass);
// Over each head of weight.size() columns.
void rms_norm_heads(math::MatrixView<const float> x, std::span<const float> weight, const NormSpec& spec,
                    math::MatrixView<float> y, Pass& pass);

// In place.
void rotary(const math::RotarySpec& spec, math::MatrixView<float> x, Pass& pass);
void clamp(float limit, math::MatrixView<float> x, Pass& pass);

// y = silu(gate) * up; y may be gate only where the pass does not record.
void swiglu(math::MatrixView<const float> gate, math::MatrixView<const float> up, math::MatrixView<float> y,
            Pass& pass);

// The residual stream x of a layer, which adds two results to it: add() the first, which returns where the sum lies, and
// last_add() the second to that sum. Without a tape all is in x; where the pass records, x stays, the sum lies in the
// first result's place, the last sum is not computed, and the gradients of x and of both results are one.
math::MatrixView<float> add(math::MatrixView<float> first, math::MatrixView<float> x, Pass& pass);
void last_add(math::MatrixView<const float> second, math::MatrixView<const float> sum, math::MatrixView<float> x,
              Pass& pass);

// Stores keys and values and attends to them. Where the pass records, nobody may read k and v again.
void attention(math::MatrixView<const float> q, math::MatrixView<float> k, math::MatrixView<float> v, int32_t heads,
               const math::KvLayer& cache, math::MatrixView<float> y, Pass& pass);

void route(const math::RouterSpec& spec, math::MatrixView<const float> logits, const math::Routing& routing,
           Pass& pass);
// Ends a layer, as last_linear.
void moe(math::MatrixView<const float> x, const math::Routing& routing, const math::ExpertWeights& experts,
         math::MatrixView<float> y, Pass& pass);

void embedding(const math::Weight& table, std::span<const int32_t> ids, math::MatrixView<float> x, Pass& pass);

}  // namespace hone::model
