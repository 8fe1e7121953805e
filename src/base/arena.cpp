#include "base/arena.h"

#include <algorithm>
#include <new>

#include "base/log.h"

namespace hone {

std::byte* Arena::take_bytes(size_t bytes) {
    const size_t padded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    CHECK(padded >= bytes, "size overflow: {} bytes", bytes);
    if (block_ == blocks_.size() || padded > blocks_[block_].size() - used_) open_block(padded);
    std::byte* at = blocks_[block_].data() + used_;
    used_ += padded;
    return at;
}

// Goes on to a free block that holds `bytes`; if there is none, to a new one in place of all free ones.
void Arena::open_block(size_t bytes) {
    if (used_ > 0) block_++;
    used_ = 0;
    size_t joined = 0;
    for (size_t i = block_; i < blocks_.size(); i++) {
        if (blocks_[i].size() >= bytes) return std::swap(blocks_[block_], blocks_[i]);
        joined += blocks_[i].size();
    }
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(block_), blocks_.end());
    auto block = HugeMemory::allocate(std::max({block_bytes_, bytes, joined}));
    if (!block) {
        LOG_ERROR("workspace: {}", block.error().message);
        throw std::bad_alloc();
    }
    blocks_.push_back(std::move(*block));
}

size_t Arena::reserved_bytes() const {
    size_t total = 0;
    for (const auto& block : blocks_) total += block.size();
    return total;
}

}  // namespace hone
