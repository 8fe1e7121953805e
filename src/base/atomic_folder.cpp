#include "base/atomic_folder.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/progress.h"

namespace hone {

namespace fs = std::filesystem;

// Without separators at the end, so that it has a name.
static fs::path plain(const fs::path& path) {
    const fs::path result = path.lexically_normal();
    return result.has_filename() ? result : result.parent_path();
}

// ".NAME.PID.tmp" of any process.
static bool is_temporary_of(const fs::path& path, const std::string& name) {
    const std::string begin = "." + path.filename().string() + ".", end = ".tmp";
    if (name.size() <= begin.size() + end.size() || !name.starts_with(begin) || !name.ends_with(end)) return false;
    const std::string process = name.substr(begin.size(), name.size() - begin.size() - end.size());
    return process.find_first_not_of("0123456789") == std::string::npos;
}

static fs::path temporary_of(const fs::path& path) {
    return folder_of(path) / fmt::format(".{}.{}.tmp", path.filename().string(), getpid());
}

static int open_folder(const fs::path& path) {
    return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void AtomicFolder::remove_leftovers(const fs::path& given) {
    const fs::path path = plain(given);
    std::vector<fs::path> found;
    std::error_code failure;
    for (fs::directory_iterator entry(folder_of(path), failure), end; !failure && entry != end;
         entry.increment(failure)) {
        if (is_temporary_of(path, entry->path().filename())) found.push_back(entry->path());
    }
    for (const fs::path& leftover : found) {
        const int fd = open_folder(leftover);
        if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) fs::remove_all(leftover, failure);
        if (fd >= 0) ::close(fd);
    }
}

Result<AtomicFolder> AtomicFolder::create(const fs::path& given, Existing existing) {
    AtomicFolder folder;
    folder.existing_ = existing;
    folder.path_ = plain(given);
    const fs::path& path = folder.path_;
    std::error_code failure;
    const fs::file_status status = fs::symlink_status(path, failure);
    if (fs::exists(status)) {
        if (existing == Existing::refuse) return error("{}: is there already", path.string());
        if (!fs::is_directory(status)) return error("{}: is there and no folder", path.string());
    }
    if (const Status made = make_folders(folder_of(path)); !made) return made.error();
    remove_leftovers(path);
    const fs::path temporary = temporary_of(path);
    if (::mkdir(temporary.c_str(), 0777) != 0) {
        return error("{}: cannot create a folder beside it: {}", path.string(), std::strerror(errno));
    }
    folder.temporary_ = temporary;
    folder.fd_ = open_folder(temporary);
    if (folder.fd_ < 0) return error("{}: cannot open: {}", temporary.string(), std::strerror(errno));
    ::flock(folder.fd_, LOCK_EX | LOCK_NB);  // where there are no locks, nobody removes leftovers either
    return folder;
}

AtomicFolder::~AtomicFolder() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
    if (fd_ >= 0) ::close(fd_);
}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      existing_(other.existing_),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})) {}

// A plain rename would replace an empty folder unasked.
Status AtomicFolder::publish() const {
    const auto failure_of = [&](unsigned flags) {
        const bool done = ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), flags) == 0;
        return done ? 0 : errno;
    };
    std::error_code ignored;
    int failure = failure_of(RENAME_NOREPLACE);
    if (failure == EEXIST && existing_ == Existing::replace) failure = failure_of(RENAME_EXCHANGE);
    // File systems without flags (NFS), where the name is taken by nobody for a moment.
    if (failure == EINVAL && (existing_ == Existing::replace || !fs::exists(fs::symlink_status(path_, ignored)))) {
        const fs::path replaced = temporary_ / ".replaced";
        fs::rename(path_, replaced, ignored);
        failure = failure_of(0);
        if (failure == 0)
            fs::remove_all(path_ / ".replaced", ignored);
        else
            fs::rename(replaced, path_, ignored);
    }
    if (failure == 0) return ok();
    return error("{}: cannot give the new folder this name: {}", path_.string(), std::strerror(failure));
}

Status AtomicFolder::commit() {
    if (fsync(fd_) != 0) return error("{}: cannot sync: {}", temporary_.string(), std::strerror(errno));
    if (const Status published = publish(); !published) return published;
    const Status synced = sync_folder(folder_of(path_));
    // After an exchange the folder that was replaced has the temporary name.
    std::error_code ignored;
    fs::remove_all(std::exchange(temporary_, {}), ignored);
    ::close(std::exchange(fd_, -1));
    return synced;
}

Status AtomicFolder::remove(const fs::path& given) {
    const fs::path path = plain(given), temporary = temporary_of(path);
    std::error_code failure;
    fs::rename(path, temporary, failure);
    if (!failure) fs::remove_all(temporary, failure);
    if (failure) return error("{}: cannot be removed: {}", path.string(), failure.message());
    return ok();
}

Status write_folder(const fs::path& path, size_t bytes, AtomicFolder::Existing existing,
                    FunctionRef<Status(const fs::path& temporary)> fill) {
    std::error_code unknown;
    const auto free_bytes = [&] { return fs::space(folder_of(plain(path)), unknown).available; };
    const auto write = [&]() -> Status {
        if (free_bytes() < bytes) return error("there is not enough space");  // what is unknown is much
        auto folder = AtomicFolder::create(path, existing);
        if (!folder) return folder.error();
        const Status filled = fill(folder->temporary());
        return filled ? folder->commit() : filled;
    };
    const Status written = write();
    if (written) return written;
    return error("{}: cannot be written: {} (it takes {}, {} are free)", path.string(), written.error().message,
                 format_bytes(static_cast<double>(bytes)), format_bytes(static_cast<double>(free_bytes())));
}

}  // namespace hone
