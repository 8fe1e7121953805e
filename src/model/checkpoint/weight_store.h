// The memory of a model's weights: one block of ours, or a pack file mapped in place. Immutable once the loader hands
// it over, so any thread may read. Moving it does not move the bytes, so the model's weights stay valid; they end with
// the store.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "base/huge_pages.h"
#include "base/mapped_file.h"

namespace hone::model {

class WeightStore {
  public:
    WeightStore() = default;
    explicit WeightStore(HugeMemory memory) : memory_(std::move(memory)) {}
    explicit WeightStore(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

    // All of the block, or of the file (its header included).
    std::span<const std::byte> bytes() const { return file_ ? file_->bytes() : memory_.bytes(); }
    // Whether the bytes are a file's, shared with the page cache and other processes.
    bool is_mapped() const { return file_ != nullptr; }

  private:
    HugeMemory memory_;
    std::shared_ptr<const MappedFile> file_;  // a verification may hold it too
};

}  // namespace hone::model
