// What both numeric classes do with a panel of INT4 weights: two groups a step of the panel, and the last one where
// their number is odd. A class derives from it and says what adding a group means:
//
//   add_group<0 or 1>(x, step, acc)    the group's line of row 0 (the other rows' follow), the panel's step
#pragma once

#include "math/kernels/cpu/gemm/tile_task.h"

namespace hone::math {

template <class Class, class Lanes, ActivationFormat activations>
struct Int4Tile {
    static constexpr ActivationFormat kActivations = activations;
    static constexpr PanelLayout kPanel = kInt4Panel;
    static constexpr int32_t kPrefetchK = 2 * kGroup;
    static constexpr int32_t kBlockK = 1 << 30;  // a panel is small enough to stay in cache whole
    static constexpr int vectors(int rows) { return Lanes::int4_vectors(rows); }

    template <int rows>
    static void tile(const TileTask& task) {
        constexpr int32_t kLines = rows * line_of(activations).bytes;  // of one group
        Accumulators<Lanes, rows, vectors(rows)> acc;
        acc.start(task);
        const std::byte *x = task.x, *w = task.w, *ahead = task.ahead;
        int32_t groups = (task.k + kGroup - 1) / kGroup;
        for (; groups >= 2; groups -= 2, x += 2 * kLines, w += kPanel.step_bytes) {
            ahead = prefetch(task, ahead);
            Class::template add_group<0>(x, w, acc);
            Class::template add_group<1>(x + kLines, w, acc);
        }
        if (groups > 0) Class::template add_group<0>(x, w, acc);
        acc.finish(task);
    }
};

}  // namespace hone::math
