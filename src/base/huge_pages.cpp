#include "base/huge_pages.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <sys/mman.h>

namespace hone {

constexpr size_t kHugePage = size_t{2} << 20;

Result<HugeMemory> HugeMemory::allocate(size_t bytes) {
    return map(bytes, PROT_READ | PROT_WRITE);
}

Result<HugeMemory> HugeMemory::set_aside(size_t bytes) {
    return map(bytes, PROT_NONE);
}

Status HugeMemory::make_usable(size_t from, size_t bytes) const {
    if (mprotect(data_ + from, bytes, PROT_READ | PROT_WRITE) == 0) return {};
    return error("cannot allocate {} bytes: {}", bytes, std::strerror(errno));
}

Result<HugeMemory> HugeMemory::map(size_t bytes, int protection) {
    HugeMemory memory;
    if (bytes == 0) return memory;
    const size_t alignment = bytes >= kHugePage ? kHugePage : 4096;
    const size_t padded = (bytes + alignment - 1) / alignment * alignment + alignment;
    if (padded < bytes) return error("cannot allocate {} bytes", bytes);
    void* mapping = mmap(nullptr, padded, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) return error("cannot allocate {} bytes: {}", bytes, std::strerror(errno));
    const uintptr_t aligned = (reinterpret_cast<uintptr_t>(mapping) + alignment - 1) / alignment * alignment;
    memory.mapping_ = mapping;
    memory.mapped_ = padded;
    memory.data_ = reinterpret_cast<std::byte*>(aligned);
    memory.size_ = bytes;
    if (bytes >= kHugePage) advise_huge_pages(memory.data_, bytes);
    return memory;
}

HugeMemory::~HugeMemory() {
    if (mapping_) munmap(mapping_, mapped_);
}

HugeMemory::HugeMemory(HugeMemory&& other) noexcept {
    *this = std::move(other);
}

HugeMemory& HugeMemory::operator=(HugeMemory&& other) noexcept {
    std::swap(mapping_, other.mapping_);
    std::swap(mapped_, other.mapped_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

void advise_huge_pages(const void* data, size_t size) {
    madvise(const_cast<void*>(data), size, MADV_HUGEPAGE);
}

}  // namespace hone
