// A bump arena: allocation is an addition, release is all at once back to a mark. One thread. Grows in blocks that are
// kept, so that a steady state allocates nothing; blocks that lie free and are too small are joined, so that what is
// kept is of the order of the largest state, whatever smaller ones came before it. Without memory: std::bad_alloc.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "base/huge_pages.h"

namespace hone {

class Arena {
  public:
    static constexpr size_t kAlignment = 64;

    explicit Arena(size_t block_bytes = size_t{4} << 20) : block_bytes_(block_bytes) {}

    // `count` values, 64-byte aligned, not initialised; valid until the scope in which they were taken ends.
    template <class T>
    std::span<T> take(size_t count) {
        static_assert(std::is_trivially_destructible_v<T>);
        return {reinterpret_cast<T*>(take_bytes(count * sizeof(T))), count};
    }

    // Everything taken during the scope's life is released at its end.
    class Scope {
      public:
        explicit Scope(Arena& arena) : arena_(arena), block_(arena.block_), used_(arena.used_) {}
        ~Scope() {
            arena_.block_ = block_;
            arena_.used_ = used_;
        }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

      private:
        Arena& arena_;
        size_t block_, used_;
    };

    size_t reserved_bytes() const;

  private:
    std::byte* take_bytes(size_t bytes);
    void open_block(size_t bytes);

    size_t block_bytes_;
    std::vector<HugeMemory> blocks_;
    // The block that is taken from, and how much of it is taken: blocks before it are in use, those behind it are free.
    size_t block_ = 0, used_ = 0;
};

}  // namespace hone
