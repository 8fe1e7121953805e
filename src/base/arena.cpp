#include "base/arena.h"

#include <algorithm>

namespace hone {

std::byte* Arena::take_bytes(size_t bytes) {
    const size_t padded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    CHECK(padded >= bytes, "size overflow: {} bytes", bytes);
    while (block_ < blocks_.size() && used_ + padded > blocks_[block_].size()) {
        block_++;
        used_ = 0;
    }
    if (block_ == blocks_.size()) {
        auto block = HugeMemory::allocate(std::max(block_bytes_, padded));
        CHECK(block.ok(), "workspace: {}", block.error().message);
        blocks_.push_back(std::move(*block));
        used_ = 0;
    }
    std::byte* at = blocks_[block_].data() + used_;
    used_ += padded;
    return at;
}

size_t Arena::reserved_bytes() const {
    size_t total = 0;
    for (const auto& block : blocks_) total += block.size();
    return total;
}

}  // namespace hone
