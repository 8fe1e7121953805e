// A file mapped read-only: its bytes are the page cache's, shared between processes. Immutable; any thread may read.
// The file must not be truncated while it is mapped.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace hone {

class MappedFile {
  public:
    MappedFile() = default;
    static Result<MappedFile> open(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;

    std::span<const std::byte> bytes() const { return {data_, size_}; }
    const std::filesystem::path& path() const { return path_; }

    // Copies bytes from `offset` on by reading the file. What can no longer be read (a file that was cut short, a
    // failing disk) is an error here, and would be a signal that ends the process in the mapping.
    Status read_at(size_t offset, std::span<std::byte> out) const;

  private:
    int fd_ = -1;
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
    std::filesystem::path path_;
};

// Hints about parts of a mapped file, which whole pages around them share.
// They will be read soon, so that the system fetches them meanwhile.
void expect_reads(std::span<const std::byte> part);
// They will not be read again soon: they leave the memory of this process, and stay in the page cache.
void done_reading(std::span<const std::byte> part);

// Enters their pages in the page tables of this process by reading a byte of each. (MADV_POPULATE_READ would hold the
// lock of the whole address space: a thread of low priority that does so makes all others wait.)
void enter_pages(std::span<const std::byte> part);

// The whole file as text; files larger than `limit` bytes are an error that says so.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t limit = size_t{256} << 20);

}  // namespace hone
