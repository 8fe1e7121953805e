// How ops share their work: tiles go to the pool only if there is more to do than waking threads costs. Any split gives
// the same bits, since no kernel's result depends on the rows beside it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

#include "math/ops/op_context.h"

namespace hone::math {

// Multiplications of a task at most, where it can be cut: about half a millisecond of a core, so that a guest's turn
// (base/turns.h) ends soon after its time.
constexpr int64_t kTaskProducts = int64_t{1} << 27;

// Tasks that a loop over weights of so many multiplications is cut into at least, where there is enough to cut: several for
// each thread, so that one that was held up leaves its share to the others.
inline int64_t wanted_tasks(int threads, int64_t products = 0) {
    constexpr int64_t kTasksPerThread = 8;
    return std::max<int64_t>(threads == 1 ? 1 : threads * kTasksPerThread, products / kTaskProducts);
}

// Runs body(tile, worker) for every tile in [0, tiles). `work` is the whole work in units of one element read, computed
// and written by a vector kernel (some 0.1 ns).
inline void for_tiles(OpContext& context, int64_t tiles, int64_t work,
                      FunctionRef<void(int64_t tile, int worker)> body) {
    constexpr int64_t kWorthWaking = 32 * 1024;
    if (work >= kWorthWaking) return context.pool.parallel_for(tiles, body);
    for (int64_t tile = 0; tile < tiles; tile++) body(tile, 0);
}

// Runs body(first, count, worker) over blocks that cover rows [0, rows); `row_work` is the work of one row.
inline void for_row_blocks(OpContext& context, int64_t rows, int64_t row_work,
                           FunctionRef<void(int64_t first, int64_t count, int worker)> body) {
    constexpr int64_t kBlockWork = 16 * 1024;
    const int64_t block = std::max<int64_t>(1, kBlockWork / std::max<int64_t>(1, row_work));
    for_tiles(context, (rows + block - 1) / block, rows * row_work,
              [&](int64_t tile, int worker) { body(tile * block, std::min(block, rows - tile * block), worker); });
}

// Runs body(context, i) for every i in [0, count), each on one thread with a context of its own, so that loops within are that
// thread's alone. Without memory: std::bad_alloc, once the others have ended.
template <class Body>
void for_each_alone(OpContext& context, int64_t count, Body body) {
    const auto workspaces = context.workspace.of_workers(context.pool.threads());
    std::atomic<bool> without_memory = false;
    context.pool.parallel_for(count, [&](int64_t i, int worker) {
        ThreadPool pool{1};
        OpContext own{pool, *workspaces[static_cast<size_t>(worker)], context.kernels, context.int4_class};
        try {
            body(own, i);
        } catch (const std::bad_alloc&) {  // a worker has nobody above it
            without_memory = true;
        }
    });
    if (without_memory) throw std::bad_alloc();
}

}  // namespace hone::math
