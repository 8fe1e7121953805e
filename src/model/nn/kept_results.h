// Results of a layer's costly ops, kept by a pass for the way back: where the layer is computed again, recorded, they are
// taken as they are. Attention's have room of their own, as they save most for their size; matrix products' follow in the
// order in which they are computed, while there is room. Lies in a workspace, in the scope that encloses the forward pass.
// One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "math/tensor/workspace.h"

namespace hone::model {

enum class ResultKind : uint8_t { attention, product };

class KeptResults {
  public:
    struct Room {
        size_t attention = 0, product = 0;  // bytes
    };

    // `workspace` outlives it.
    KeptResults(math::Workspace& workspace, int32_t layers, Room room)
        : workspace_(workspace), layers_(static_cast<size_t>(layers)), room_(room) {}

    // What layer i asks for from here on is kept.
    void keep(int32_t i) { start(i, false); }
    // Layer i is computed again, and asks for the same.
    void recall(int32_t i) { start(i, true); }

    // Where the layer's next result lies; no data if it is not kept.
    math::MatrixView<float> take(ResultKind kind, int64_t rows, int64_t cols) {
        if (recalls_) return (*layer_)[next_++];
        size_t& room = kind == ResultKind::attention ? room_.attention : room_.product;
        const size_t bytes = static_cast<size_t>(rows * cols) * sizeof(float);
        const bool fits = bytes <= room;
        if (fits) room -= bytes;
        layer_->push_back(fits ? workspace_.matrix<float>(rows, cols) : math::MatrixView<float>{});
        return layer_->back();
    }
    // Whether x is a result of the layer that is kept; and, of a recalled layer, stands there already.
    bool is_kept(math::MatrixView<const float> x) const {
        return std::ranges::any_of(*layer_, [&](const auto& result) { return result.data == x.data; });
    }
    bool is_known(math::MatrixView<const float> x) const { return recalls_ && is_kept(x); }

  private:
    void start(int32_t i, bool recalls) {
        layer_ = &layers_[static_cast<size_t>(i)];
        recalls_ = recalls;
        next_ = 0;
    }

    math::Workspace& workspace_;
    std::vector<std::vector<math::MatrixView<float>>> layers_;  // as they were asked for
    Room room_;                                                 // that is left
    std::vector<math::MatrixView<float>>* layer_ = nullptr;
    bool recalls_ = false;
    size_t next_ = 0;
};

}  // namespace hone::model
