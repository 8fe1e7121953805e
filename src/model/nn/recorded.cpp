#include "model/nn/recorded.h"

#include <algorithm>
#include <deque>

#include "math/autograd/tape.h"
#include "math/ops/activation.h"
#include "math/ops/embedding.h"
#include "math/ops/linear.h"
#include "math/ops/lora.h"
#include "model/adapter.h"

namespace hone::model {

using math::MatrixView;
using math::OpContext;
using math::Tape;

static MatrixView<const float> copy_of(MatrixView<const float> x, OpContext& ops) {
    const auto copy = ops.workspace.matrix<float>(x.rows, x.cols);
    math::copy(ops, x, copy);
    return copy;
}

MatrixView<float> result_matrix(ResultKind kind, int64_t rows, int64_t cols, Pass& pass) {
    const auto kept = pass.results ? pass.results->take(kind, rows, cols) : MatrixView<float>{};
    return kept.data ? kept : pass.ops.workspace.matrix<float>(rows, cols);
}

MatrixView<float> in_place_of(MatrixView<float> x, Pass& pass) {
    const bool stays = pass.tape || (pass.results && pass.results->is_kept(x));
    return stays ? pass.ops.workspace.matrix<float>(x.rows, x.cols) : x;
}

MatrixView<float> last_result(MatrixView<float> unused, Pass& pass) {
    return pass.tape ? pass.tape->without_values(unused.rows, unused.cols) : in_place_of(unused, pass);
}

static bool is_known(MatrixView<const float> y, const Pass& pass) {
    return pass.results && pass.results->is_known(y);
}

// The factors for these matrices of every adapter of the pass; empty if no adapter has any.
static std::span<const math::LoraRun> lora_runs(std::span<const math::Weight* const> weights, Pass& pass) {
    const auto runs = pass.ops.workspace.vector<math::LoraRun>(std::ssize(pass.adapters));
    size_t count = 0;
    for (const auto& [first_row, rows, adapter] : pass.adapters) {
        const auto factors = pass.ops.workspace.vector<const math::LoraWeights*>(std::ssize(weights));
        bool has_any = false;
        for (size_t i = 0; i < weights.size(); i++) {
            const auto found = adapter->of(*weights[i]);
            factors[i] = found.empty() ? nullptr : found.data();
            has_any |= !found.empty();
        }
        if (has_any) runs[count++] = {first_row, rows, factors};
    }
    return runs.first(count);
}

static math::LoraGradients gradients_of(const math::LoraWeights& factors, const Tape& tape) {
    return {tape.weights().of(factors.a), tape.weights().of(factors.b)};
}

static void linear(MatrixView<const float> x, std::span<const math::Weight* const> weights,
                   std::span<const MatrixView<float>> outputs, bool is_read, Pass& pass) {
    const PassScope scope(pass);
    const auto runs = lora_runs(weights, pass);
    const auto is_there = [&](MatrixView<const float> y) { return is_known(y, pass); };
    if (is_read && !std::ranges::all_of(outputs, is_there)) {
        math::linear(pass.ops, x, weights, outputs);
        math::lora_linear(pass.ops, x, runs, outputs);
    }
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, x, runs,
                     weights = std::vector<const math::Weight*>(weights.begin(), weights.end()),
                     outputs = std::vector<MatrixView<float>>(outputs.begin(), outputs.end())] {
        std::vector<MatrixView<const float>> dy;
        std::vector<MatrixView<float>> dweights;
        for (size_t i = 0; i < weights.size(); i++) {
            dy.push_back(tape.gradient(outputs[i]));
            dweights.push_back(tape.weights().of(*weights[i]));
        }
        math::linear_backward_weights(ops, math::operands_of(*weights.front()), x, dy, dweights);
        math::linear_backward_input(ops, dy, weights, tape.gradient(x));
        std::vector<math::LoraGradients> dfactors;
        for (const auto& run : runs) {
            for (const auto* factors : run.weights)
                dfactors.push_back(factors ? gradients_of(*factors, tape) : math::LoraGradients{});
        }
        math::lora_linear_backward(ops, x, runs, dy, tape.gradient(x), dfactors);
        for (const auto& y : outputs) tape.release(y);
    });
}

void linear(MatrixView<const float> x, std::span<const math::Weight* const> weights,
            std::span<const MatrixView<float>> outputs, Pass& pass) {
    linear(x, weights, outputs, true, pass);
}

void linear(MatrixView<const float> x, const math::Weight& weight, MatrixView<float> y, Pass& pass) {
    const math::Weight* const weights[] = {&weight};
    const MatrixView<float> outputs[] = {y};
    linear(x, weights, outputs, true, pass);
}

void last_linear(MatrixView<const float> x, const math::Weight& weight, MatrixView<float> y, Pass& pass) {
    const math::Weight* const weights[] = {&weight};
    const MatrixView<float> outputs[] = {y};
    linear(x, weights, outputs, !pass.tape, pass);
}

void rms_norm(MatrixView<const float> x, std::span<const float> weight, const NormSpec& spec, MatrixView<float> y,
              Pass& pass) {
    math::rms_norm(pass.ops, x, weight, spec.epsilon, spec.kind, y);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, x, weight, spec, y] {
        math::rms_norm_backward(ops, x, weight, spec.epsilon, spec.kind, tape.gradient(y), tape.gradient(x),
                                tape.weights().of(weight));
        tape.release(y);
    });
}

void rms_norm_heads(MatrixView<const float> x, std::span<const float> weight, const NormSpec& spec, MatrixView<float> y,
                    Pass& pass) {
    if (y.data != x.data) math::copy(pass.ops, x, y);
    math::rms_norm_heads(pass.ops, y, weight, spec.epsilon, spec.kind);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, x, weight, spec, y] {
        math::rms_norm_heads_backward(ops, x, weight, spec.epsilon, spec.kind, tape.gradient(y), tape.gradient(x),
                                      tape.weights().of(weight));
        tape.release(y);
    });
}

void rotary(const math::RotarySpec& spec, MatrixView<float> x, Pass& pass) {
    math::rotary(pass.ops, pass.positions, spec, x);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, positions = pass.positions, &spec, x] {
        math::rotary_backward(ops, positions, spec, tape.gradient(x));
    });
}

void clamp(float limit, MatrixView<float> x, Pass& pass) {
    const auto given = pass.tape ? copy_of(x, pass.ops) : MatrixView<const float>{};
    math::clamp(pass.ops, limit, x);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, given, limit, x] {
        math::clamp_backward(ops, given, limit, tape.gradient(x));
    });
}

void swiglu(MatrixView<const float> gate, MatrixView<const float> up, MatrixView<float> y, Pass& pass) {
    math::swiglu(pass.ops, gate, up, y);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, gate, up, y] {
        math::swiglu_backward(ops, gate, up, tape.gradient(y), tape.gradient(gate), tape.gradient(up));
        tape.release(y);
    });
}

MatrixView<float> add(MatrixView<float> first, MatrixView<float> x, Pass& pass) {
    const auto& [from, sum] = pass.tape ? std::pair{x, first} : std::pair{first, x};
    math::add(pass.ops, from, sum);
    return sum;
}

void last_add(MatrixView<const float> second, MatrixView<const float> sum, MatrixView<float> x, Pass& pass) {
    if (!pass.tape) return math::add(pass.ops, second, x);
    pass.tape->push([&tape = *pass.tape, second, sum, x] {
        CHECK(tape.is_set(x), "the gradient of a layer's result [{}, {}] is not set before the way back", x.rows,
              x.cols);
        tape.add_gradient(x, sum);
        tape.add_gradient(x, second);
    });
}

void attention(MatrixView<const float> q, MatrixView<float> k, MatrixView<float> v, int32_t heads,
               const math::KvLayer& cache, MatrixView<float> y, Pass& pass) {
    const auto log_sums =
        pass.tape || pass.results ? result_matrix(ResultKind::attention, q.rows, heads, pass) : MatrixView<float>{};
    math::store_kv(pass.ops, pass.segments, k, v, cache);
    if (!is_known(y, pass) || !is_known(log_sums, pass))
        math::attention(pass.ops, pass.segments, q, heads, cache, y, log_sums);
    if (!pass.tape) return;
    pass.tape->push(
        [&ops = pass.ops, &tape = *pass.tape, segments = pass.segments, q, k, v, heads, cache, y, log_sums] {
            math::attention_backward(ops, segments, cache, {.q = q, .y = y, .log_sums = log_sums, .heads = heads},
                                     tape.gradient(y),
                                     {.dq = tape.gradient(q), .dk = tape.gradient(k), .dv = tape.gradient(v)});
            tape.release(y);
        });
    pass.tape->forget(k), pass.tape->forget(v);  // what is stored is read
}

void route(const math::RouterSpec& spec, MatrixView<const float> logits, const math::Routing& routing, Pass& pass) {
    math::route(pass.ops, spec, logits, routing);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, spec, logits, routing] {
        math::route_backward(ops, spec, logits, routing, tape.gradient(routing.weights), tape.gradient(logits));
    });
}

static std::vector<MatrixView<float>> gradients_of(std::span<const math::Weight> experts, const Tape& tape) {
    std::vector<MatrixView<float>> gradients;
    for (const math::Weight& expert : experts) {
        if (const auto gradient = tape.weights().of(expert); gradient.data) gradients.push_back(gradient);
    }
    return gradients;
}

// The factors for all experts of every adapter of the pass; empty if no adapter has any.
static std::span<const math::ExpertLoraRun> lora_runs(const math::ExpertWeights& experts, Pass& pass) {
    const auto runs = pass.ops.workspace.vector<math::ExpertLoraRun>(std::ssize(pass.adapters));
    size_t count = 0;
    for (const auto& [first_row, rows, adapter] : pass.adapters) {
        const math::ExpertLoraRun run{first_row, rows, adapter->of(experts.gate[0]), adapter->of(experts.up[0]),
                                      adapter->of(experts.down[0])};
        if (!run.gate.empty() || !run.up.empty() || !run.down.empty()) runs[count++] = run;
    }
    return runs.first(count);
}

// The gradients of some adapters' factors.
struct ExpertFactorGradients {
    std::deque<std::vector<math::LoraGradients>> kinds;  // of the experts, what `runs` refers to
    std::vector<math::ExpertLoraGradients> runs;

    ExpertFactorGradients(std::span<const math::ExpertLoraRun> adapters, const Tape& tape) {
        const auto of_kind = [&](std::span<const math::LoraWeights> experts) -> std::span<const math::LoraGradients> {
            auto& all = kinds.emplace_back();
            for (const math::LoraWeights& factors : experts) all.push_back(gradients_of(factors, tape));
            return all;
        };
        for (const auto& run : adapters) runs.push_back({of_kind(run.gate), of_kind(run.up), of_kind(run.down)});
    }
};

// Room for gate and up of all choices among the results that are kept, if there is any.
static math::ExpertInner kept_inner(const math::Routing& routing, const math::ExpertWeights& experts, Pass& pass) {
    if (!pass.results) return {};
    const int64_t rows = routing.experts.rows * routing.experts.cols;
    const auto both = pass.results->take(ResultKind::product, 2 * rows, experts.gate[0].n);
    if (!both.data) return {};
    return {both.rows_from(0, rows), both.rows_from(rows, rows)};
}

void moe(MatrixView<const float> x, const math::Routing& routing, const math::ExpertWeights& experts,
         MatrixView<float> y, Pass& pass) {
    const PassScope scope(pass);
    const auto adapters = lora_runs(experts, pass);
    const auto inner = kept_inner(routing, experts, pass);
    if (!pass.tape) math::moe(pass.ops, x, routing, experts, y, adapters, inner);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, x, routing, experts, adapters, inner, y] {
        const ExpertFactorGradients dfactors(adapters, tape);
        const auto dgate = gradients_of(experts.gate, tape), dup = gradients_of(experts.up, tape),
                   ddown = gradients_of(experts.down, tape);
        math::moe_backward(ops, x, routing, experts, tape.gradient(y),
                           {.dx = tape.gradient(x),
                            .dweights = tape.gradient(routing.weights),
                            .dgate = dgate,
                            .dup = dup,
                            .ddown = ddown,
                            .adapters = dfactors.runs},
                           adapters, inner);
        tape.release(y);
    });
}

void embedding(const math::Weight& table, std::span<const int32_t> ids, MatrixView<float> x, Pass& pass) {
    math::embedding(pass.ops, table, ids, x);
    if (!pass.tape) return;
    pass.tape->push([&ops = pass.ops, &tape = *pass.tape, &table, ids, x] {
        if (const auto dtable = tape.weights().of(table); dtable.data) {
            math::embedding_backward(ops, ids, tape.gradient(x), dtable);
        }
    });
}

}  // namespace hone::model
