// Writes a file that appears whole or not at all: to a temporary name beside it, synced, then renamed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/result.h"

namespace hone {

// One thread. Dropping it without commit() removes the temporary file.
class AtomicFile {
  public:
    static Result<AtomicFile> create(const std::filesystem::path& path);
    ~AtomicFile();
    AtomicFile(AtomicFile&& other) noexcept;
    AtomicFile& operator=(AtomicFile&&) = delete;

    // Appends at the end.
    Status write(std::span<const std::byte> bytes);
    Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
    // Puts bytes at a place of the caller's choice: over what was written (a header whose checksum is known last), or
    // beyond it, leaving zeros between. size() and write() know nothing of it.
    Status write_at(size_t offset, std::span<const std::byte> bytes);
    size_t size() const { return size_; }
    // Syncs the file, renames it over `path`, and syncs the folder.
    Status commit();

  private:
    AtomicFile() = default;
    int fd_ = -1;
    size_t size_ = 0;
    std::filesystem::path path_, temporary_;
};

}  // namespace hone
