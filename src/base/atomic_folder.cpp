#include "base/atomic_folder.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace hone {

namespace fs = std::filesystem;

// Without a slash at the end, so that it has a name and a folder above it.
static fs::path whole(const fs::path& path) {
    const fs::path absolute = fs::absolute(path).lexically_normal();
    return absolute.has_filename() ? absolute : absolute.parent_path();
}

static Status sync_folder(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    const int reason = errno;
    if (fd >= 0) ::close(fd);
    if (!synced) return error("{}: cannot sync: {}", folder.string(), std::strerror(reason));
    return ok();
}

Result<AtomicFolder> AtomicFolder::create(const fs::path& path) {
    AtomicFolder folder;
    folder.path_ = whole(path);
    std::error_code failure;
    if (fs::exists(fs::symlink_status(folder.path_, failure)))
        return error("{}: is there already; remove it, or give another name", path.string());
    fs::path temporary = folder.path_;
    temporary += fmt::format(".{}.tmp", getpid());
    fs::remove_all(temporary, failure);
    fs::create_directories(temporary, failure);
    if (failure) return error("{}: cannot create: {}", path.string(), failure.message());
    folder.temporary_ = std::move(temporary);
    return folder;
}

AtomicFolder::~AtomicFolder() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}

Status AtomicFolder::commit() {
    if (const Status synced = sync_folder(temporary_); !synced) return synced;
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
        // File systems that know no such flag.
        const bool is_unknown = errno == EINVAL || errno == ENOSYS;
        if (!is_unknown || ::rename(temporary_.c_str(), path_.c_str()) != 0)
            return error("{}: cannot be made: {}", path_.string(), std::strerror(errno));
    }
    temporary_.clear();
    return sync_folder(path_.parent_path());
}

}  // namespace hone
