#include "math/ops/expert_lora.h"

#include "math/ops/phase_clock.h"

namespace hone::math {

void ExpertLoraPart::add_gate_and_up(const KernelTable& kernels, int64_t block, int64_t column, int64_t columns,
                                     float* gate_values, float* up_values, int64_t stride) const {
    const int64_t offset = (first_row - block) * stride;
    if (gate.weights) gate.add(kernels, column, columns, gate_values + offset, stride);
    if (up.weights) up.add(kernels, column, columns, up_values + offset, stride);
}

void ExpertLoraPart::keep_hidden(const KernelTable& kernels, int64_t block, int64_t column, int64_t columns,
                                 const float* values, int64_t stride) const {
    if (hidden == nullptr) return;
    constexpr auto kFormat = ActivationFormat::f32;
    for (int64_t row = 0; row < rows; row++) {
        const auto lines = row_lines(kFormat, down.weights->a.k, hidden, rows, row);
        kernels.gemm.prepare_f32.run(values + (first_row - block + row) * stride, columns,
                                     lines.first + column / line_of(kFormat).k * lines.stride, lines.stride);
    }
}

ExpertLora::ExpertLora(OpContext& context, const GroupedRows& grouped, const ExpertWeights& experts,
                       std::span<const ExpertLoraRun> runs, int64_t blocks)
    : context_(context), grouped_(grouped), experts_(experts), runs_(runs) {
    if (runs.empty()) return;
    const auto rows = static_cast<int64_t>(grouped.token.size());
    parts_ = context.workspace.vector<ExpertLoraPart>(rows / kLoraPartRows + std::min(rows, blocks * std::ssize(runs)));
}

ExpertLoraPart ExpertLora::part_of(const ExpertLoraRun& run, size_t expert, int64_t first_row, int64_t rows) {
    const auto of_matrix = [&](std::span<const LoraWeights> weights, const Weight& base) {
        if (weights.empty()) return LoraPart{};
        CHECK(weights.size() == experts_.gate.size(), "factors of {} experts", weights.size());
        most_rank_ = std::max<int64_t>(most_rank_, weights[expert].a.n);
        return LoraPart::take(context_.workspace, weights[expert], rows, base.n, base.k);
    };
    ExpertLoraPart part{.first_row = first_row,
                        .rows = rows,
                        .gate = of_matrix(run.gate, experts_.gate[expert]),
                        .up = of_matrix(run.up, experts_.up[expert]),
                        .down = of_matrix(run.down, experts_.down[expert])};
    if (part.down.weights) {
        const int64_t row_bytes = activation_row_bytes(ActivationFormat::f32, part.down.weights->a.k);
        part.hidden = context_.workspace.vector<std::byte>(rows * row_bytes).data();
    }
    return part;
}

void ExpertLora::add_block(size_t expert, int64_t first_row, int64_t rows) {
    const auto tokens = grouped_.token.subspan(static_cast<size_t>(first_row), static_cast<size_t>(rows));
    for_each_run(tokens, std::identity{}, runs_, [&](size_t run, int64_t first, int64_t count) {
        for (int64_t at = 0; at < count; at += kLoraPartRows) {
            parts_[count_++] = part_of(runs_[run], expert, first_row + first + at, std::min(kLoraPartRows, count - at));
        }
    });
}

std::span<const ExpertLoraPart> ExpertLora::parts_of(int64_t first_row, int64_t rows) const {
    const auto parts = parts_.first(count_);
    const auto first = std::ranges::lower_bound(parts, first_row, {}, &ExpertLoraPart::first_row);
    return {first, std::ranges::lower_bound(parts, first_row + rows, {}, &ExpertLoraPart::first_row)};
}

void ExpertLora::for_parts(FunctionRef<void(const ExpertLoraPart& part, float* scratch, int worker)> body) {
    if (count_ == 0) return;
    const PhaseScope phase(context_, Phase::lora);
    const Workspace::Scope scope(context_.workspace);
    const auto scratch = context_.workspace.matrix<float>(context_.pool.threads(), kLoraPartRows * most_rank_);
    context_.pool.parallel_for(static_cast<int64_t>(count_), [&](int64_t i, int worker) {
        body(parts_[static_cast<size_t>(i)], scratch.row(worker), worker);
    });
}

void ExpertLora::project_tokens(MatrixView<const float> x) {
    const Workspace::Scope scope(context_.workspace);
    const int64_t row_bytes = activation_row_bytes(ActivationFormat::f32, x.cols);
    const int threads = count_ == 0 ? 0 : context_.pool.threads();
    const auto tiles = context_.workspace.matrix<std::byte>(threads, kLoraPartRows * row_bytes);
    for_parts([&](const ExpertLoraPart& part, float* scratch, int worker) {
        if (part.gate.weights == nullptr && part.up.weights == nullptr) return;
        for (int64_t row = 0; row < part.rows; row++) {
            const int64_t token = grouped_.token[static_cast<size_t>(part.first_row + row)];
            const auto lines = row_lines(ActivationFormat::f32, x.cols, tiles.row(worker), part.rows, row);
            context_.kernels.gemm.prepare_f32.run(x.row(token), x.cols, lines.first, lines.stride);
        }
        for (const LoraPart& matrix : {part.gate, part.up}) {
            if (matrix.weights) matrix.project(context_.kernels, tiles.row(worker), scratch);
        }
    });
}

void ExpertLora::project_hidden() {
    for_parts([&](const ExpertLoraPart& part, float* scratch, int) {
        if (part.down.weights) part.down.project(context_.kernels, part.hidden, scratch);
    });
}

}  // namespace hone::math
