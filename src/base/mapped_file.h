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

    // Tells the system that the whole file will be read soon, in 2 MiB pages if it can.
    void expect_reads() const;

  private:
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
    std::filesystem::path path_;
};

// Tells the system that these bytes of a mapped file will be read soon, so that it fetches them meanwhile.
void expect_reads(std::span<const std::byte> part);

// The whole file as text; files larger than `limit` bytes are an error that says so.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t limit = size_t{256} << 20);

}  // namespace hone
