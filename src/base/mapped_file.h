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

  private:
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
    std::filesystem::path path_;
};

// Hints about parts of a mapped file, which whole pages around them share.
// They will be read soon, so that the system fetches them meanwhile.
void expect_reads(std::span<const std::byte> part);
// They will not be read again soon: they leave the memory of this process, and stay in the page cache.
void done_reading(std::span<const std::byte> part);

// Fetches these bytes and enters their pages in the page tables of this process. False if they cannot be read (a file
// that was cut short, a failing disk): touching them would end the process. Systems that cannot tell say true.
bool fetch(std::span<const std::byte> part);

// The whole file as text; files larger than `limit` bytes are an error that says so.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t limit = size_t{256} << 20);

}  // namespace hone
