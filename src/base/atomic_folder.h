// A folder of files that appears whole or not at all: it is filled under a temporary name beside its own, and renamed at
// the end. One thread. Dropping it without commit() removes what was written.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace hone {

class AtomicFolder {
  public:
    // Errors name `path`: something is there already, or it cannot be made. Folders above it are made too.
    static Result<AtomicFolder> create(const std::filesystem::path& path);
    ~AtomicFolder();
    AtomicFolder(AtomicFolder&& other) noexcept;
    AtomicFolder& operator=(AtomicFolder&&) = delete;

    // Where to put the files.
    const std::filesystem::path& path() const { return temporary_; }
    // Gives the folder its name, which nothing may have by now.
    Status commit();

  private:
    AtomicFolder() = default;

    std::filesystem::path path_, temporary_;  // the latter empty: nothing to remove
};

}  // namespace hone
