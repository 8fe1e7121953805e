// Scratch memory of one forward pass: typed matrices from an arena. Owned by the thread that runs the pass.
#pragma once

#include <memory>
#include <vector>

#include "base/arena.h"
#include "math/tensor/tensor_view.h"

namespace hone::math {

class Workspace {
  public:
    explicit Workspace(size_t most = SIZE_MAX) : arena_(most) {}

    // Not initialised; 64-byte aligned base; valid until the enclosing Scope ends.
    template <class T>
    MatrixView<T> matrix(int64_t rows, int64_t cols) {
        return {arena_.take<T>(static_cast<size_t>(rows * cols)).data(), rows, cols};
    }
    template <class T>
    std::span<T> vector(int64_t count) {
        return arena_.take<T>(static_cast<size_t>(count));
    }

    class Scope : Arena::Scope {
      public:
        explicit Scope(Workspace& workspace) : Arena::Scope(workspace.arena_) {}
    };

    // One more for each of the threads of a loop whose tiles need scratch of their own; the same in every loop, so that
    // their memory is not asked of the system again.
    std::span<const std::unique_ptr<Workspace>> of_workers(int threads) {
        while (std::ssize(workers_) < threads) workers_.push_back(std::make_unique<Workspace>(kWorkerBytes));
        return workers_;
    }

  private:
    static constexpr size_t kWorkerBytes = size_t{64}
                                           << 30;  // far more than a tile's; addresses for hundreds of threads

    Arena arena_;
    std::vector<std::unique_ptr<Workspace>> workers_;
};

}  // namespace hone::math
