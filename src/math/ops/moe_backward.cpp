// Expert by expert, and of one expert a bounded number of rows at a time: gathered, taken forward to the hidden layer
// again where that was not kept, then backward by the ops that a dense layer would use. All threads compute one expert's
// rows together, or, where there are experts enough and no factors that they share, each those of another expert; but a
// guest, whose tiles hold up its host, never makes one of a whole expert.
#include <algorithm>

#include "math/ops/activation.h"
#include "math/ops/expert_lora.h"
#include "math/ops/linear.h"
#include "math/ops/moe.h"
#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {

namespace {

// Of the rows of one expert that are computed at once, by all threads and, as much as stays in its core's L2, by one; and
// of the rows of dx that experts leave side by side.
constexpr int64_t kScratchBytes = int64_t{24} << 20, kThreadScratchBytes = int64_t{1} << 20;
constexpr int64_t kExpertsPerThread = 4;  // so that threads end together

// Some rows of one expert, and the matrices that its gradients are made of, a row each.
struct ExpertRows {
    size_t expert;
    std::span<const int32_t> choices;  // t * k + s
    MatrixView<float> x, gate, up, hidden;
    MatrixView<float> dy;  // of the token's output; from weigh() on, where weights are trained, of the expert's
    MatrixView<float> dhidden, dgate, dup, dx;
    std::span<float> weights;                    // of the expert's output
    std::span<LoraRun> gate_up_lora, down_lora;  // of the rows that have an adapter
    std::span<LoraGradients> dgate_up_lora, ddown_lora;
};

// One call of moe_backward().
struct MoeBackward {
    OpContext& context;
    MatrixView<const float> x;
    const Routing& routing;
    const ExpertWeights& weights;
    MatrixView<const float> dy;
    const MoeGradients& gradients;
    std::span<const ExpertLoraRun> adapters;
    const ExpertInner& inner;

    bool wants_weights() const { return !gradients.dgate.empty(); }
    int64_t token_of(int32_t choice) const { return choice / routing.experts.cols; }

    void run_together(const GroupedRows& grouped, std::span<const int32_t> choices);
    void run_side_by_side(const GroupedRows& grouped, std::span<const int32_t> choices);
    // The grouped rows from first_row on. `dx` gets theirs, or, without data, the tokens' is added to.
    void run(size_t expert, int64_t first_row, std::span<const int32_t> choices, MatrixView<float> dx);
    ExpertRows allocate(size_t expert, int64_t first_row, std::span<const int32_t> choices, MatrixView<float> dx);
    void find_adapters(ExpertRows& rows);
    void gather(const ExpertRows& rows);
    void weigh(const ExpertRows& rows);
    void add_to_tokens(const ExpertRows& rows);
    void add_to_tokens(const GroupedRows& grouped, int64_t first_row, MatrixView<const float> rows);
    void add_weight_gradients(const ExpertRows& rows);
};

void MoeBackward::run(size_t expert, int64_t first_row, std::span<const int32_t> choices, MatrixView<float> dx) {
    const Workspace::Scope scope(context.workspace);
    const Weight &gate = weights.gate[expert], &up = weights.up[expert], &down = weights.down[expert];
    ExpertRows rows = allocate(expert, first_row, choices, dx);
    find_adapters(rows);
    gather(rows);
    const Weight* inputs[] = {&gate, &up};
    const MatrixView<float> outputs[] = {rows.gate, rows.up};
    if (!inner.gate.data) {
        linear(context, rows.x, inputs, outputs);
        lora_linear(context, rows.x, rows.gate_up_lora, outputs);
    }
    swiglu(context, rows.gate, rows.up, rows.hidden);

    const MatrixView<const float> dy_of_down[] = {rows.dy};
    linear_backward_input(context, rows.dy, down, rows.dhidden, false);
    lora_linear_backward(context, rows.hidden, rows.down_lora, dy_of_down, rows.dhidden, rows.ddown_lora, rows.weights);
    weigh(rows);
    const MatrixView<const float> terms[] = {rows.dgate, rows.dup};
    linear_backward_input(context, terms, inputs, rows.dx, false);
    lora_linear_backward(context, rows.x, rows.gate_up_lora, terms, rows.dx, rows.dgate_up_lora);
    if (!dx.data) add_to_tokens(rows);
    if (wants_weights()) add_weight_gradients(rows);
}

ExpertRows MoeBackward::allocate(size_t expert, int64_t first_row, std::span<const int32_t> choices,
                                 MatrixView<float> dx) {
    const auto matrix = [&](int64_t columns) {
        return context.workspace.matrix<float>(static_cast<int64_t>(choices.size()), columns);
    };
    const int64_t hidden = weights.gate[0].n;
    const auto inner_of = [&](MatrixView<float> all) {
        return all.data ? all.rows_from(first_row, std::ssize(choices)) : matrix(hidden);
    };
    return {.expert = expert,
            .choices = choices,
            .x = matrix(x.cols),
            .gate = inner_of(inner.gate),
            .up = inner_of(inner.up),
            .hidden = matrix(hidden),
            .dy = matrix(dy.cols),
            .dhidden = matrix(hidden),
            .dgate = matrix(hidden),
            .dup = matrix(hidden),
            .dx = dx.data ? dx : matrix(x.cols),
            .weights = context.workspace.vector<float>(std::ssize(choices)),
            .gate_up_lora = {},
            .down_lora = {},
            .dgate_up_lora = {},
            .ddown_lora = {}};
}

// The factors and their gradients of the rows' runs, as lora_linear_backward takes them.
void MoeBackward::find_adapters(ExpertRows& rows) {
    const size_t most = adapters.size();
    const auto runs = context.workspace.vector<LoraRun>(static_cast<int64_t>(2 * most));
    const auto factors = context.workspace.vector<const LoraWeights*>(static_cast<int64_t>(3 * most));
    const auto dfactors = context.workspace.vector<LoraGradients>(static_cast<int64_t>(3 * most));
    const auto of_expert = [&](auto all) { return all.empty() ? nullptr : &all[rows.expert]; };
    const auto gradient_of = [&](auto all) { return all.empty() ? LoraGradients{} : all[rows.expert]; };
    const auto token = [&](int32_t choice) { return token_of(choice); };
    size_t count = 0;
    for_each_run(rows.choices, token, adapters, [&](size_t i, int64_t first, int64_t size) {
        const auto& [first_row, token_count, gate, up, down] = adapters[i];
        const auto wanted = gradients.adapters.empty() ? ExpertLoraGradients{} : gradients.adapters[i];
        const size_t pair = 2 * count, single = 2 * most + count;
        factors[pair] = of_expert(gate), factors[pair + 1] = of_expert(up), factors[single] = of_expert(down);
        dfactors[pair] = gradient_of(wanted.gate), dfactors[pair + 1] = gradient_of(wanted.up);
        dfactors[single] = gradient_of(wanted.down);
        runs[count] = {first, size, factors.subspan(pair, 2)};
        runs[most + count] = {first, size, factors.subspan(single, 1)};
        count++;
    });
    rows.gate_up_lora = runs.first(count), rows.down_lora = runs.subspan(most, count);
    rows.dgate_up_lora = dfactors.first(2 * count), rows.ddown_lora = dfactors.subspan(2 * most, count);
}

// Copies the tokens' x and dy.
void MoeBackward::gather(const ExpertRows& rows) {
    for_row_blocks(context, rows.x.rows, 2 * x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t row = first; row < first + count; row++) {
            const int32_t choice = rows.choices[static_cast<size_t>(row)];
            const int64_t token = token_of(choice);
            rows.weights[static_cast<size_t>(row)] = routing.weights.row(token)[choice % routing.weights.cols];
            std::copy_n(x.row(token), x.cols, rows.x.row(row));
            std::copy_n(dy.row(token), dy.cols, rows.dy.row(row));
        }
    });
}

// From gradients of the token's output to those of the expert's, by the routing weight, whose own gradient is what the
// former say of the expert's output: dot(dy, down h) = dot(dy W_down, h). Then on to gate and up.
void MoeBackward::weigh(const ExpertRows& rows) {
    const int64_t slots = routing.weights.cols;
    const auto& kernels = context.kernels;
    for_row_blocks(context, rows.dy.rows, rows.dy.cols + 10 * rows.hidden.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t row = first; row < first + count; row++) {
            const int32_t choice = rows.choices[static_cast<size_t>(row)];
            const int64_t token = choice / slots, slot = choice % slots;
            const float weight = rows.weights[static_cast<size_t>(row)];
            gradients.dweights.row(token)[slot] +=
                kernels.gemm.dot.run(rows.dhidden.row(row), rows.hidden.row(row), rows.hidden.cols);
            kernels.rows.scale.run(weight, rows.dhidden.row(row), rows.dhidden.cols);
            if (wants_weights()) kernels.rows.scale.run(weight, rows.dy.row(row), rows.dy.cols);
            for (const auto& gradient : {rows.dgate, rows.dup}) std::ranges::fill(gradient.row_span(row), 0.0f);
            kernels.rows.swiglu_backward.run(rows.gate.row(row), rows.up.row(row), rows.dhidden.row(row),
                                             rows.dgate.row(row), rows.dup.row(row), rows.hidden.cols);
        }
    });
}

// In slices of columns, so that a token is one thread's even if it had chosen the expert twice.
void MoeBackward::add_to_tokens(const ExpertRows& rows) {
    constexpr int64_t kColumns = 256;
    const MatrixView<float>& dx = gradients.dx;
    for_tiles(context, (dx.cols + kColumns - 1) / kColumns, rows.dx.rows * dx.cols, [&](int64_t slice, int) {
        const int64_t column = slice * kColumns, columns = std::min(kColumns, dx.cols - column);
        for (int64_t row = 0; row < rows.dx.rows; row++) {
            float* to = dx.row(token_of(rows.choices[static_cast<size_t>(row)]));
            context.kernels.rows.add.run(rows.dx.row(row) + column, to + column, columns);
        }
    });
}

// `rows` are the grouped rows from first_row on; a token's in order of their experts.
void MoeBackward::add_to_tokens(const GroupedRows& grouped, int64_t first_row, MatrixView<const float> rows) {
    const int64_t slots = routing.experts.cols;
    const auto order = context.workspace.matrix<int32_t>(context.pool.threads(), slots);
    for_row_blocks(context, x.rows, 2 * slots * x.cols, [&](int64_t first, int64_t count, int worker) {
        const std::span<int32_t> positions = order.row_span(worker);
        for (int64_t token = first; token < first + count; token++) {
            std::copy_n(&grouped.position[static_cast<size_t>(token * slots)], slots, positions.begin());
            std::ranges::sort(positions);
            for (const int32_t position : positions) {
                if (position >= first_row && position < first_row + rows.rows)
                    context.kernels.rows.add.run(rows.row(position - first_row), gradients.dx.row(token), x.cols);
            }
        }
    });
}

void MoeBackward::add_weight_gradients(const ExpertRows& rows) {
    const GradientOperands up_operands = operands_of(weights.gate[0]), down_operands = operands_of(weights.down[0]);
    const MatrixView<const float> terms[] = {rows.dgate, rows.dup};
    const MatrixView<float> dweights[] = {gradients.dgate[rows.expert], gradients.dup[rows.expert]};
    linear_backward_weights(context, up_operands, rows.x, terms, dweights);
    linear_backward_weight(context, down_operands, rows.hidden, rows.dy, gradients.ddown[rows.expert]);
}

// Rows of one expert that scratch has room for. Even: the pairs of rows of linear_backward_weight never span two blocks.
int64_t rows_in(int64_t scratch_bytes, int64_t width, int64_t hidden) {
    const int64_t row_bytes = (3 * width + 6 * hidden) * static_cast<int64_t>(sizeof(float));
    return std::max<int64_t>(scratch_bytes / row_bytes / 2, 1) * 2;
}

// Calls body(first, count) for equal parts of an expert's grouped rows, of `most` at most.
void for_parts(const GroupedRows& grouped, size_t expert, int64_t most, auto&& body) {
    const int64_t last = grouped.first[expert + 1];
    int64_t first = grouped.first[expert];
    for (int64_t left = (last - first + most - 1) / most; first < last; left--) {
        const int64_t share = (last - first + left - 1) / left, count = std::min(share + share % 2, last - first);
        body(first, count);
        first += count;
    }
}

void MoeBackward::run_together(const GroupedRows& grouped, std::span<const int32_t> choices) {
    const int64_t most = rows_in(kScratchBytes, x.cols, weights.gate[0].n);
    for (size_t expert = 0; expert < weights.gate.size(); expert++) {
        for_parts(grouped, expert, most, [&](int64_t first, int64_t count) {
            run(expert, first, choices.subspan(static_cast<size_t>(first), static_cast<size_t>(count)), {});
        });
    }
}

void MoeBackward::run_side_by_side(const GroupedRows& grouped, std::span<const int32_t> choices) {
    const int64_t most = rows_in(kThreadScratchBytes, x.cols, weights.gate[0].n);
    const int64_t room = kScratchBytes / x.cols / static_cast<int64_t>(sizeof(float));
    const size_t experts = weights.gate.size();
    for (size_t begin = 0, end = 0; begin < experts; begin = end) {
        const int64_t first_row = grouped.first[begin];
        for (end = begin + 1; end < experts && grouped.first[end + 1] - first_row <= room;) end++;
        const Workspace::Scope scope(context.workspace);
        const auto dx = context.workspace.matrix<float>(grouped.first[end] - first_row, x.cols);
        for_each_alone(context, static_cast<int64_t>(end - begin), [&](OpContext& own, int64_t i) {
            MoeBackward expert{own, x, routing, weights, dy, gradients, adapters, inner};
            for_parts(grouped, begin + static_cast<size_t>(i), most, [&](int64_t first, int64_t count) {
                expert.run(begin + static_cast<size_t>(i), first,
                           choices.subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                           dx.rows_from(first - first_row, count));
            });
        });
        add_to_tokens(grouped, first_row, dx);
    }
}

void check_shapes(MatrixView<const float> x, const Routing& routing, const ExpertWeights& experts,
                  MatrixView<const float> dy, const MoeGradients& gradients, std::span<const ExpertLoraRun> adapters) {
    CHECK(!experts.gate.empty() && experts.gate[0].k == x.cols && experts.down[0].n == dy.cols,
          "{} experts for x [{}, {}], dy [{}, {}]", experts.gate.size(), x.rows, x.cols, dy.rows, dy.cols);
    CHECK(routing.experts.rows == x.rows && routing.weights.rows == x.rows && dy.rows == x.rows &&
              routing.experts.cols == routing.weights.cols,
          "routing [{}, {}] for x [{}, {}], dy [{}, {}]", routing.experts.rows, routing.experts.cols, x.rows, x.cols,
          dy.rows, dy.cols);
    const auto& [dx, dweights, dgate, dup, ddown, dadapters] = gradients;
    CHECK(dx.rows == x.rows && dx.cols == x.cols && dweights.rows == x.rows && dweights.cols == routing.weights.cols,
          "dx [{}, {}], dweights [{}, {}]", dx.rows, dx.cols, dweights.rows, dweights.cols);
    CHECK(dgate.size() == dup.size() && dgate.size() == ddown.size() &&
              (dgate.empty() || dgate.size() == experts.gate.size()),
          "{}, {}, {} gradients of {} experts", dgate.size(), dup.size(), ddown.size(), experts.gate.size());
    CHECK(dadapters.empty() || dadapters.size() == adapters.size(), "{} gradients of {} adapters", dadapters.size(),
          adapters.size());
}

}  // namespace

void moe_backward(OpContext& context, MatrixView<const float> x, const Routing& routing, const ExpertWeights& experts,
                  MatrixView<const float> dy, const MoeGradients& gradients, std::span<const ExpertLoraRun> adapters,
                  const ExpertInner& inner) {
    check_shapes(x, routing, experts, dy, gradients, adapters);
    inner.check_shape(routing, experts);
    if (x.rows == 0) return;
    const PhaseScope phase(context, Phase::experts);
    const Workspace::Scope scope(context.workspace);
    const GroupedRows grouped =
        group_rows(context.workspace, routing.experts, static_cast<int64_t>(experts.gate.size()));
    const std::span<int32_t> choices = context.workspace.vector<int32_t>(std::ssize(grouped.position));
    for (size_t choice = 0; choice < grouped.position.size(); choice++)
        choices[static_cast<size_t>(grouped.position[choice])] = static_cast<int32_t>(choice);

    MoeBackward pass{context, x, routing, experts, dy, gradients, adapters, inner};
    const bool has_many_experts = std::ssize(experts.gate) >= kExpertsPerThread * context.pool.threads();
    if (adapters.empty() && has_many_experts && !context.pool.is_guest())
        pass.run_side_by_side(grouped, choices);
    else
        pass.run_together(grouped, choices);
}

}  // namespace hone::math
