// Writes a file that appears whole or not at all. Until commit() it has no name (O_TMPFILE), so that nothing is left
// even of a process that is killed; on file systems that cannot do that (NFS, FUSE), a temporary name beside `path`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/result.h"

namespace hone {

// One thread. Dropping it without commit() leaves nothing.
class AtomicFile {
  public:
    // Fails at once where commit() could not succeed: `path` is there and no regular file, or its folder is missing or
    // not writable. `permissions` are those of open(2): 0600 for what is the owner's alone. Errors name `path`.
    static Result<AtomicFile> create(const std::filesystem::path& path, unsigned permissions = 0644);
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
    // Syncs the file, gives it its name (in place of a file that has it), and syncs the folder.
    Status commit();

  private:
    AtomicFile() = default;
    Status publish();

    int fd_ = -1;
    size_t size_ = 0;
    bool has_name_ = false;  // temporary_ is on disk
    std::filesystem::path path_, temporary_;
};

// The whole of a small file at once.
Status write_file(const std::filesystem::path& path, std::string_view text, unsigned permissions = 0644);

// The folder that a path lies in: "." where it names none.
std::filesystem::path folder_of(const std::filesystem::path& path);

// Makes the names in a folder durable; file systems that cannot are left alone.
Status sync_folder(const std::filesystem::path& folder);

// Makes a folder and those above it, as far as they are missing, durably. Errors name the folder.
Status make_folders(const std::filesystem::path& folder);

}  // namespace hone
