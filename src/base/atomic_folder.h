// Fills a folder that appears whole or not at all: its files go to a temporary folder beside `path`, which commit()
// renames. What a killed process leaves of one is told from what is being written by a lock (flock) on the temporary
// folder, and removed by the next create() of the same path.
#pragma once

#include <filesystem>

#include "base/function_ref.h"
#include "base/result.h"

namespace hone {

// One thread. Dropping it without commit() removes the temporary folder.
class AtomicFolder {
  public:
    enum class Existing { refuse, replace };

    // Folders above it are made. Fails at once where commit() could not succeed: the parent is not writable; `path` is
    // there, unless it is a folder to be replaced. Errors name `path`, or the parent.
    static Result<AtomicFolder> create(const std::filesystem::path& path, Existing existing = Existing::refuse);
    ~AtomicFolder();
    AtomicFolder(AtomicFolder&& other) noexcept;
    AtomicFolder& operator=(AtomicFolder&&) = delete;

    // Where the files go meanwhile. Each is written by AtomicFile, which syncs it.
    const std::filesystem::path& temporary() const { return temporary_; }
    // Syncs the folder, gives it its name (a folder that has it is exchanged, then removed) and syncs the parent.
    Status commit();

    // Removes a folder, which disappears whole.
    static Status remove(const std::filesystem::path& path);
    // Removes what killed processes left of writing or removing `path`.
    static void remove_leftovers(const std::filesystem::path& path);

  private:
    AtomicFolder() = default;
    Status publish() const;

    int fd_ = -1;  // of the temporary folder, locked
    Existing existing_ = Existing::refuse;
    std::filesystem::path path_, temporary_;
};

// A folder of about `bytes`, filled by `fill` in its temporary place. Errors say what it takes and what is free; where
// that is too little nothing is begun.
Status write_folder(const std::filesystem::path& path, size_t bytes, AtomicFolder::Existing existing,
                    FunctionRef<Status(const std::filesystem::path& temporary)> fill);

}  // namespace hone
