#include "math/ops/linear.h"

#include <algorithm>
#include <array>

#include "math/ops/matrix_product.h"
#include "math/ops/parallel.h"

namespace hone::math {

namespace {

// One matrix's share of the tasks: its panels in runs, for each block of rows.
struct Job {
    const Weight* weight;
    GemmKernels::Gemm gemm;
    const ActivationBlocks* x;
    MatrixView<float> y;
    EvenSplit runs;  // of the panels

    int64_t tasks() const { return runs.parts * x->blocks.parts; }

    // Where a task begins to read. Blocks of one run are neighbours, so that its weights are read from memory once.
    const std::byte* weights_of(int64_t task) const { return panel_of(*weight, runs.first(task / x->blocks.parts)); }
    void run(int64_t task, const std::byte* next) const {
        const int64_t block = task % x->blocks.parts, run = task / x->blocks.parts;
        const int64_t column = runs.first(run) * panel_columns(weight->format);
        gemm.run({.activations = x->block(block),
                  .rows = static_cast<int32_t>(x->blocks.size(block)),
                  .weight = weight->data,
                  .n = weight->n,
                  .k = weight->k,
                  .first_panel = static_cast<int32_t>(runs.first(run)),
                  .panels = static_cast<int32_t>(runs.size(run)),
                  .y = y.row(x->blocks.first(block)) + column,
                  .y_stride = y.stride,
                  .next = next});
    }
};

}  // namespace

void linear(OpContext& context, MatrixView<const float> x, std::span<const Weight* const> weights,
            std::span<const MatrixView<float>> outputs) {
    CHECK_EQ(weights.size(), outputs.size());
    if (x.rows == 0 || weights.empty()) return;
    Workspace::Scope scope(context.workspace);
    int64_t panels = 0, columns = 0;
    for (size_t i = 0; i < weights.size(); i++) {
        CHECK(weights[i]->k == x.cols && outputs[i].cols == weights[i]->n && outputs[i].rows == x.rows,
              "x [{}, {}], weight [{}, {}], y [{}, {}]", x.rows, x.cols, weights[i]->n, weights[i]->k, outputs[i].rows,
              outputs[i].cols);
        panels += panel_count(*weights[i]);
        columns += weights[i]->n;
    }

    const int64_t wanted = wanted_tasks(context.pool.threads(), x.rows * x.cols * columns);
    std::array<ActivationBlocks, kActivationFormats> prepared;  // by activation format, as they are needed
    std::span<Job> jobs = context.workspace.vector<Job>(static_cast<int64_t>(weights.size()));
    int64_t tasks = 0;
    for (size_t i = 0; i < weights.size(); i++) {
        const MatrixProduct product = matrix_product(context, *weights[i]);
        ActivationBlocks& activations = prepared[static_cast<size_t>(product.activations)];
        if (activations.data == nullptr) {
            const EvenSplit blocks = block_split(product.activations, x.cols, x.rows, (wanted + panels - 1) / panels);
            activations = prepare_activations(context, product, x, blocks);
        }
        const int64_t own = panel_count(*weights[i]);
        const int64_t runs = (wanted * own + panels - 1) / panels / activations.blocks.parts;
        jobs[i] = {weights[i], product.gemm, &activations, outputs[i], {own, std::clamp<int64_t>(runs, 1, own)}};
        tasks += jobs[i].tasks();
    }
    const auto find = [&](int64_t& task) {
        const Job* job = jobs.data();
        for (; task >= job->tasks(); job++) task -= job->tasks();
        return job;
    };
    context.pool.parallel_for(tasks, [&](int64_t task, int) {
        int64_t follower = task + context.pool.threads();  // this worker's next, if the threads keep pace
        const std::byte* next = follower < tasks ? find(follower)->weights_of(follower) : nullptr;
        const Job* job = find(task);
        job->run(task, next);
    });
}

void linear(OpContext& context, MatrixView<const float> x, const Weight& weight, MatrixView<float> y) {
    const Weight* weights[] = {&weight};
    const MatrixView<float> outputs[] = {y};
    linear(context, x, weights, outputs);
}

}  // namespace hone::math
