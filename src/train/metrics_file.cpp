#include "train/metrics_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"

namespace hone::train {

static Error failure(const std::filesystem::path& path, std::string_view what) {
    return error("{}: cannot {}: {}", path.string(), what, std::strerror(errno));
}

Result<MetricsFile> MetricsFile::open(const std::filesystem::path& path, uint64_t bytes) {
    MetricsFile file(path);
    file.file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file.file_ < 0) return failure(path, "be opened");
    struct stat status {};
    if (::fstat(file.file_, &status) != 0) return failure(path, "be looked at");
    file.bytes_ = std::min(bytes, static_cast<uint64_t>(status.st_size));
    if (::ftruncate(file.file_, static_cast<off_t>(file.bytes_)) != 0) return failure(path, "be cut");
    if (const Status synced = sync_folder(folder_of(path)); !synced) return synced.error();
    return file;
}

MetricsFile::~MetricsFile() {
    if (file_ >= 0) ::close(file_);
}

MetricsFile::MetricsFile(MetricsFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), bytes_(other.bytes_) {}

Status MetricsFile::append(std::string_view line) {
    std::string text(line);
    text += '\n';
    for (size_t done = 0; done < text.size();) {
        const ssize_t written =
            ::pwrite(file_, text.data() + done, text.size() - done, static_cast<off_t>(bytes_ + done));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return failure(path_, "be written");
        done += static_cast<size_t>(written);
    }
    bytes_ += text.size();
    return ok();
}

Status MetricsFile::sync() {
    return ::fdatasync(file_) == 0 ? ok() : Status(failure(path_, "be synced"));
}

}  // namespace hone::train
