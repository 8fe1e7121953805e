// What an architecture is to the rest of Hone: layers, not a forward. Chunked and layered prefill, hidden-state taps
// and later recomputation live outside (engine/executor.h); a model file says only what one layer does to the rows it
// is given. A Model is immutable once its weights are set; one thread at a time runs a pass.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "math/ops/attention.h"
#include "math/ops/moe.h"
#include "math/ops/op_context.h"

namespace hone::math {
class Tape;  // autograd/tape.h
}

namespace hone::model {

class Adapter;      // adapter.h
class KeptResults;  // nn/kept_results.h

struct ModelSpec {
    std::string architecture;  // config.json's model_type: "qwen3_moe"
    int32_t layers = 0, hidden = 0, vocabulary = 0, max_positions = 0;
    int32_t heads = 0, kv_heads = 0, head_dim = 0;
    int32_t experts = 0, experts_per_token = 0;  // 0 for a dense model
    std::vector<int32_t> routed_layers;          // those with experts, ascending
};

// What the model keeps per token, so that the cache can hand out pages without interpreting them.
struct CacheSpec {
    size_t page_bytes = 0;   // of math::kPageTokens tokens, all layers
    size_t layer_bytes = 0;  // of the layer that keeps most
};

// The expert choice of one layer for the rows of a pass, and the router's logits [T, experts]; told to whoever listens, in
// layer order.
using RouterTap = FunctionRef<void(int32_t layer, math::MatrixView<const float> logits, const math::Routing& routing)>;
// On the way back: may add to the gradient dlogits [T, experts] of that layer's logits.
using RouterGradientTap =
    FunctionRef<void(int32_t layer, math::MatrixView<const float> logits, math::MatrixView<float> dlogits)>;

// Rows that one adapter changes.
struct AdapterRun {
    int64_t first_row = 0, rows = 0;
    const Adapter* adapter = nullptr;
};

// Everything a pass over some rows needs; lives as long as the call, or until its tape has run.
struct Pass {
    math::OpContext& ops;
    std::span<const int32_t> positions;                // [T], absolute
    std::span<const math::AttentionSegment> segments;  // cover the T rows in order
    std::byte* page_pool = nullptr;                    // page p begins at page_pool + p * cache_spec().page_bytes
    const RouterTap* router_tap = nullptr;
    const RouterGradientTap* router_gradient_tap = nullptr;
    // Not null: the pass records its way back. What layer() leaves in x is not read then: products that only it is made of
    // are recorded, but not computed.
    math::Tape* tape = nullptr;
    // Where layer() keeps results, or finds those that it need not compute; null: nowhere.
    KeptResults* results = nullptr;
    // The pool's pages hold one layer, that which is being passed: page p begins at page_pool + p * layer_bytes.
    bool one_layer_pages = false;
    // Of the rows that layer() or head() is given, without a row in common; rows in none of them are the model's own.
    std::span<const AdapterRun> adapters = {};
};

// A router_bias is added to a router's scores for the choice of experts only.
enum class WeightRole : uint8_t { embedding, head, linear, expert, router, norm, router_bias };

// One weight of a model, as Model::visit lists it. The loader, packer, quantiser, `inspect`, adapters and
// (later) optimisers all work from this list. Either matrix or vector is set.
struct WeightSlot {
    std::string name;  // as Hugging Face checkpoints have it
    WeightRole role;
    int32_t n = 0, k = 0;  // y = x W^T with W [n, k]; a vector has k = 1
    math::Weight* matrix = nullptr;
    std::span<const float>* vector = nullptr;

    // Matrix products may read INT4; the embedding, routers and norms stay as they are.
    bool may_quantise() const {
        return role == WeightRole::linear || role == WeightRole::expert || role == WeightRole::head;
    }
    // No gradient goes through a choice, so none reaches its bias (train/balance.h moves it).
    bool has_gradient() const { return role != WeightRole::router_bias; }
};

using WeightVisitor = FunctionRef<void(const WeightSlot& slot)>;

class Model {
  public:
    virtual ~Model() = default;

    virtual const ModelSpec& spec() const = 0;
    virtual CacheSpec cache_spec() const = 0;
    // Copies what a cache page holds of its first `rows` tokens, at every layer, into the same place of another page.
    virtual void copy_cache_rows(const std::byte* from, std::byte* to, int32_t rows) const = 0;

    // Lists every weight once, in file order: embedding, layers ascending, final norm, head. A tied head is listed with
    // the embedding's name. The visitor may set the slots' targets (loading).
    virtual void visit(WeightVisitor visitor) = 0;

    // x [T, hidden] = the embeddings of ids [T]; ids are in [0, vocabulary).
    virtual void embed(std::span<const int32_t> ids, math::MatrixView<float> x, Pass& pass) const = 0;
    // Takes the residual stream x [T, hidden] through layer i in place; writes keys and values of the rows into their
    // pages.
    virtual void layer(int32_t i, math::MatrixView<float> x, Pass& pass) const = 0;
    // logits [T, vocabulary] of the residual stream after the last layer.
    virtual void head(math::MatrixView<const float> x, math::MatrixView<float> logits, Pass& pass) const = 0;
};

}  // namespace hone::model
