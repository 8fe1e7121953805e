#include "base/atomic_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace hone {

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
    AtomicFile file;
    file.path_ = path;
    file.temporary_ = path;
    file.temporary_ += fmt::format(".{}.tmp", getpid());
    file.fd_ = ::open(file.temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file.fd_ < 0) return error("{}: cannot create: {}", file.temporary_.string(), std::strerror(errno));
    return file;
}

AtomicFile::~AtomicFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(temporary_.c_str());
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
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
        if (n < 0) return error("{}: cannot write: {}", temporary_.string(), std::strerror(errno));
        bytes = bytes.subspan(static_cast<size_t>(n));
        offset += static_cast<size_t>(n);
    }
    return ok();
}

Status AtomicFile::commit() {
    const int fd = std::exchange(fd_, -1);
    const bool synced = fsync(fd) == 0;
    const int why = errno;
    ::close(fd);
    if (!synced) {
        ::unlink(temporary_.c_str());
        return error("{}: cannot sync: {}", temporary_.string(), std::strerror(why));
    }
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
        const int reason = errno;
        ::unlink(temporary_.c_str());
        return error("{}: cannot rename to {}: {}", temporary_.string(), path_.string(), std::strerror(reason));
    }
    const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd >= 0) {
        fsync(folder_fd);
        ::close(folder_fd);
    }
    return ok();
}

}  // namespace hone
