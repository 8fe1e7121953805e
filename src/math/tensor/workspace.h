// Scratch memory of one forward pass: typed matrices from an arena. Owned by the thread that runs the pass.
#pragma once

#include "base/arena.h"
#include "math/tensor/tensor_view.h"

namespace hone::math {

class Workspace {
  public:
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

    size_t reserved_bytes() const { return arena_.reserved_bytes(); }

  private:
    Arena arena_{size_t{16} << 20};
};

}  // namespace hone::math
