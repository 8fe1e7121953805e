// Anonymous memory in 2 MiB pages where the system grants them. Zeroed; aligned to 2 MiB (4 KiB when smaller).
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"

namespace hone {

class HugeMemory {
  public:
    HugeMemory() = default;
    // Reserves `bytes`; the system commits pages when they are first touched.
    static Result<HugeMemory> allocate(size_t bytes);
    // Only the addresses of `bytes`; nothing may be touched before make_usable().
    static Result<HugeMemory> set_aside(size_t bytes);
    // [from, from + bytes) of what was set aside, both multiples of 4 KiB unless they end it.
    Status make_usable(size_t from, size_t bytes) const;
    ~HugeMemory();
    HugeMemory(HugeMemory&& other) noexcept;
    HugeMemory& operator=(HugeMemory&& other) noexcept;

    std::byte* data() const { return data_; }
    size_t size() const { return size_; }
    std::span<std::byte> bytes() const { return {data_, size_}; }

  private:
    static Result<HugeMemory> map(size_t bytes, int protection);

    void* mapping_ = nullptr;
    size_t mapped_ = 0;
    std::byte* data_ = nullptr;
    size_t size_ = 0;
};

// Asks for 2 MiB pages behind [data, data + size); a hint that may be refused.
void advise_huge_pages(const void* data, size_t size);

}  // namespace hone
