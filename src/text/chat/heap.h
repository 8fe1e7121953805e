// Bump memory that is released all at once: one heap per parsed template (its syntax tree) and one per rendering (its
// values). Owns every block; what it hands out is never destroyed, so only trivially destructible types live here. One
// thread. Sizes are checked against the budget by the callers (rendering.h); the heap only counts.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace hone::text::chat {

class Heap {
  public:
    Heap() = default;
    Heap(Heap&&) = default;
    Heap& operator=(Heap&&) = default;

    template <class T, class... Args>
    T* make(Args&&... args) {
        static_assert(std::is_trivially_destructible_v<T>);
        return new (take(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
    }

    // `count` value-initialised elements.
    template <class T>
    std::span<T> array(size_t count) {
        static_assert(std::is_trivially_destructible_v<T>);
        T* first = static_cast<T*>(take(count * sizeof(T), alignof(T)));
        std::uninitialized_value_construct_n(first, count);
        return {first, count};
    }

    template <class T>
    std::span<T> copy(const std::vector<T>& values) {
        std::span<T> kept = array<T>(values.size());
        std::copy(values.begin(), values.end(), kept.begin());
        return kept;
    }

    std::string_view copy(std::string_view text) {
        if (text.empty()) return {};
        char* kept = static_cast<char*>(take(text.size(), 1));
        std::memcpy(kept, text.data(), text.size());
        return {kept, text.size()};
    }

    void* take(size_t bytes, size_t alignment) {
        size_t padding = -reinterpret_cast<uintptr_t>(cursor_) & (alignment - 1);
        if (bytes + padding > static_cast<size_t>(end_ - cursor_)) return take_from_new_block(bytes);
        std::byte* start = cursor_ + padding;
        cursor_ = start + bytes;
        return start;
    }

    // Bytes obtained from the system so far.
    size_t reserved_bytes() const { return reserved_bytes_; }

  private:
    void* take_from_new_block(size_t bytes);

    static constexpr size_t kFirstBlockBytes = size_t{16} << 10;
    static constexpr size_t kLargestBlockBytes = size_t{1} << 20;

    std::vector<std::unique_ptr<std::byte[]>> blocks_;
    std::byte* cursor_ = nullptr;
    std::byte* end_ = nullptr;
    size_t next_block_bytes_ = kFirstBlockBytes;
    size_t reserved_bytes_ = 0;
};

}  // namespace hone::text::chat
