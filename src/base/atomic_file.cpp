#include "base/atomic_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace hone {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

Status sync_folder(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) return ok();  // may be written, but not read
    if (fd < 0) return error("{}: cannot sync: {}", folder.string(), std::strerror(errno));
    const int failure = fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (failure == 0 || failure == EINVAL || failure == ENOTSUP) return ok();
    return error("{}: cannot sync: {}", folder.string(), std::strerror(failure));
}

Status make_folders(const fs::path& folder) {
    std::error_code failure;
    if (folder.empty() || fs::is_directory(folder, failure)) return ok();
    if (const Status above = make_folders(folder.parent_path()); !above) return above;
    fs::create_directory(folder, failure);
    if (failure) return error("{}: cannot be made: {}", folder.string(), failure.message());
    return sync_folder(folder_of(folder));
}

// By this name a file that has none is linked.
static std::string path_of_descriptor(int fd) {
    return fmt::format("/proc/self/fd/{}", fd);
}

// A file without a name in that folder; -1 where it could not be given one later.
static int open_nameless(const fs::path& folder, unsigned permissions) {
    const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, permissions);
    if (fd < 0 || ::access(path_of_descriptor(fd).c_str(), F_OK) == 0) return fd;
    ::close(fd);
    return -1;
}

Result<AtomicFile> AtomicFile::create(const fs::path& path, unsigned permissions) {
    std::error_code failure;
    const fs::file_status status = fs::status(path, failure);
    if (!path.has_filename() || fs::is_directory(status)) return error("{}: is a folder, not a file", path.string());
    if (fs::exists(status) && !fs::is_regular_file(status)) return error("{}: not a regular file", path.string());
    if (!fs::status_known(status)) return error("{}: cannot create: {}", path.string(), failure.message());
    AtomicFile file;
    file.path_ = path;
    file.temporary_ = path;
    file.temporary_ += fmt::format(".{}.tmp", getpid());
    file.fd_ = open_nameless(folder_of(path), permissions);
    if (file.fd_ >= 0) return file;
    file.fd_ = ::open(file.temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, permissions);
    if (file.fd_ < 0) return error("{}: cannot create: {}", path.string(), std::strerror(errno));
    file.has_name_ = true;
    return file;
}

AtomicFile::~AtomicFile() {
    if (fd_ >= 0) ::close(fd_);
    if (has_name_) ::unlink(temporary_.c_str());
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      has_name_(std::exchange(other.has_name_, false)),
      path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)) {}

Status AtomicFile::write(std::span<const std::byte> bytes) {
    const auto written = write_at(size_, bytes);
    if (written) size_ += bytes.size();
    return written;
}

Status AtomicFile::write_at(size_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error("{}: cannot write: {}", path_.string(), std::strerror(errno));
        bytes = bytes.subspan(static_cast<size_t>(n));
        offset += static_cast<size_t>(n);
    }
    return ok();
}

// A name that is taken cannot be linked to, but renamed over: the file gets its temporary name for that moment.
Status AtomicFile::publish() {
    if (!has_name_) {
        const std::string nameless = path_of_descriptor(fd_);
        const auto link = [&](const fs::path& name) {
            return ::linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
        };
        if (link(path_)) return ok();
        if (errno == EEXIST) {
            ::unlink(temporary_.c_str());  // of an earlier process with our number
            has_name_ = link(temporary_);
        }
        if (!has_name_) return error("{}: cannot create: {}", path_.string(), std::strerror(errno));
    }
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
        return error("{}: cannot rename to {}: {}", temporary_.string(), path_.string(), std::strerror(errno));
    }
    has_name_ = false;
    return ok();
}

Status AtomicFile::commit() {
    if (fsync(fd_) != 0) return error("{}: cannot sync: {}", path_.string(), std::strerror(errno));
    if (const Status published = publish(); !published) return published;
    ::close(std::exchange(fd_, -1));
    return sync_folder(folder_of(path_));
}

Status write_file(const fs::path& path, std::string_view text, unsigned permissions) {
    auto file = AtomicFile::create(path, permissions);
    if (!file) return file.error();
    const Status written = file->write(text);
    return written ? file->commit() : written;
}

}  // namespace hone
