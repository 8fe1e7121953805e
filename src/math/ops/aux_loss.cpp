#include "math/ops/aux_loss.h"

#include "math/ops/parallel.h"

namespace hone::math {
namespace {

bool is_counted(std::span<const uint8_t> counted, int64_t row) {
    return counted.empty() || counted[static_cast<size_t>(row)] != 0;
}

void check_shapes(MatrixView<const float> logits, std::span<const uint8_t> counted, const RouterLoad& load) {
    CHECK_EQ(logits.cols, static_cast<int64_t>(load.selections.size()));
    CHECK(counted.empty() || static_cast<int64_t>(counted.size()) == logits.rows, "{} marks for {} rows",
          counted.size(), logits.rows);
}

constexpr int64_t kWork = 8;  // of a logit: an exponential twice, a division

}  // namespace

void add_router_load(OpContext& context, MatrixView<const float> logits, MatrixView<const int32_t> experts,
                     std::span<const uint8_t> counted, RouterLoad& load) {
    constexpr int64_t kBlock = 32;  // rows whose probabilities are one fp32 chain
    check_shapes(logits, counted, load);
    CHECK_EQ(experts.rows, logits.rows);
    const int64_t blocks = (logits.rows + kBlock - 1) / kBlock;
    const RowKernels& kernels = context.kernels.rows;
    const Workspace::Scope scope(context.workspace);
    const auto sums = context.workspace.matrix<float>(blocks, logits.cols);
    const auto scratch = context.workspace.matrix<float>(context.pool.threads(), logits.cols);
    for_tiles(context, blocks, kWork * logits.rows * logits.cols, [&](int64_t block, int worker) {
        std::ranges::fill(sums.row_span(block), 0.0f);
        for (int64_t i = block * kBlock; i < std::min(logits.rows, (block + 1) * kBlock); i++) {
            if (!is_counted(counted, i)) continue;
            kernels.softmax.run(logits.row(i), scratch.row(worker), logits.cols);
            kernels.add.run(scratch.row(worker), sums.row(block), logits.cols);
        }
    });
    for (int64_t block = 0; block < blocks; block++) {
        for (size_t e = 0; e < load.probabilities.size(); e++) load.probabilities[e] += double{sums.row(block)[e]};
    }
    for (int64_t i = 0; i < logits.rows; i++) {
        if (!is_counted(counted, i)) continue;
        load.rows++;
        for (const int32_t expert : experts.row_span(i)) {
            CHECK(expert >= 0 && expert < logits.cols, "expert {} of {}", expert, logits.cols);
            load.selections[static_cast<size_t>(expert)]++;
        }
    }
}

double aux_loss(const RouterLoad& load) {
    if (load.rows == 0) return 0;
    const auto rows = static_cast<double>(load.rows);
    double sum = 0;
    for (size_t e = 0; e < load.selections.size(); e++) {
        sum += static_cast<double>(load.selections[e]) / rows * (load.probabilities[e] / rows);
    }
    return static_cast<double>(load.selections.size()) * sum;
}

void aux_loss_backward(OpContext& context, const RouterLoad& load, double coefficient, MatrixView<const float> logits,
                       std::span<const uint8_t> counted, MatrixView<float> dlogits) {
    check_shapes(logits, counted, load);
    CHECK(dlogits.rows == logits.rows && dlogits.cols == logits.cols, "[{}, {}] for [{}, {}]", dlogits.rows,
          dlogits.cols, logits.rows, logits.cols);
    if (load.rows == 0) return;
    const RowKernels& kernels = context.kernels.rows;
    const Workspace::Scope scope(context.workspace);
    const auto dprobabilities = context.workspace.vector<float>(logits.cols);
    const auto experts = static_cast<double>(logits.cols), rows = static_cast<double>(load.rows);
    double all = 0;
    for (const int64_t selections : load.selections) all += static_cast<double>(selections);
    for (size_t e = 0; e < dprobabilities.size(); e++) {
        const double more_than_mean = static_cast<double>(load.selections[e]) - all / experts;
        dprobabilities[e] = static_cast<float>(coefficient * experts / rows * (more_than_mean / rows));
    }
    const auto scratch = context.workspace.matrix<float>(context.pool.threads(), logits.cols);
    for_row_blocks(context, logits.rows, kWork * logits.cols, [&](int64_t first, int64_t count, int worker) {
        for (int64_t i = first; i < first + count; i++) {
            if (!is_counted(counted, i)) continue;
            kernels.softmax.run(logits.row(i), scratch.row(worker), logits.cols);
            kernels.softmax_backward.run(scratch.row(worker), dprobabilities.data(), dlogits.row(i), logits.cols);
        }
    });
}

}  // namespace hone::math
