#include "text/chat/heap.h"

#include <algorithm>

namespace hone::text::chat {

void* Heap::take_from_new_block(size_t bytes) {
    bool is_large = bytes > next_block_bytes_ / 4;
    size_t block_bytes = is_large ? bytes : next_block_bytes_;
    blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(std::max<size_t>(block_bytes, 1)));
    reserved_bytes_ += block_bytes;
    std::byte* start = blocks_.back().get();
    if (is_large) return start;  // the current block keeps its free end
    cursor_ = start + bytes;
    end_ = start + block_bytes;
    next_block_bytes_ = std::min(2 * next_block_bytes_, kLargestBlockBytes);
    return start;
}

}  // namespace hone::text::chat
