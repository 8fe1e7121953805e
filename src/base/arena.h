// A stack of scratch memory: taking is an addition, release is all at once back to a mark. One thread. It grows in a range
// of addresses that is set aside once and has no memory behind it until it is used, so that pieces of any sizes lie one
// behind the other, a steady state asks for nothing, and what is kept is what was in use at once. Without memory:
// std::bad_alloc, and what was taken before stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/huge_pages.h"

namespace hone {

class Arena {
  public:
    static constexpr size_t kAlignment = 64;

    // `most` bounds what is in use at once, and the addresses that are set aside; the machine's memory does in any case.
    explicit Arena(size_t most = SIZE_MAX) : most_(most) {}

    // `count` values, 64-byte aligned, not initialised; valid until the scope in which they were taken ends.
    template <class T>
    std::span<T> take(size_t count) {
        static_assert(std::is_trivially_destructible_v<T>);
        return {reinterpret_cast<T*>(take_bytes(count * sizeof(T))), count};
    }

    // Everything taken during the scope's life is released at its end.
    class Scope {
      public:
        explicit Scope(Arena& arena) : arena_(arena), used_(arena.used_) {}
        ~Scope() { arena_.used_ = used_; }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

      private:
        Arena& arena_;
        size_t used_;
    };

    size_t kept_bytes() const { return kept_; }

  private:
    std::byte* take_bytes(size_t bytes);
    void grow(size_t bytes);

    size_t most_;
    HugeMemory range_;
    size_t kept_ = 0, used_ = 0;  // from the range's start: what may be touched, what is taken
};

}  // namespace hone
