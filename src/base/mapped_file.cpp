#include "base/mapped_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hone {

constexpr uintptr_t kPage = 4096;

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    MappedFile file;
    file.path_ = path;
    file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file.fd_ < 0) return error("{}: cannot open: {}", path.string(), std::strerror(errno));
    struct stat info {};
    if (fstat(file.fd_, &info) != 0) return error("{}: cannot stat: {}", path.string(), std::strerror(errno));
    if (!S_ISREG(info.st_mode)) return error("{}: not a regular file", path.string());
    if (info.st_size == 0) return file;
    void* data = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, file.fd_, 0);
    if (data == MAP_FAILED)
        return error("{}: cannot map {} bytes: {}", path.string(), info.st_size, std::strerror(errno));
    file.data_ = static_cast<const std::byte*>(data);
    file.size_ = static_cast<size_t>(info.st_size);
    return file;
}

MappedFile::~MappedFile() {
    if (data_) munmap(const_cast<std::byte*>(data_), size_);
    if (fd_ >= 0) ::close(fd_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
    *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(path_, other.path_);
    return *this;
}

Status MappedFile::read_at(size_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
        const ssize_t count = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return error("{}: cannot read: {}", path_.string(), std::strerror(errno));
        if (count == 0) return error("{}: cut short to fewer than {} bytes", path_.string(), offset + out.size());
        offset += static_cast<size_t>(count);
        out = out.subspan(static_cast<size_t>(count));
    }
    return ok();
}

// madvise over the whole pages around `part`.
static void advise(std::span<const std::byte> part, int advice) {
    if (part.empty()) return;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / kPage * kPage;
    const uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
    madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

void expect_reads(std::span<const std::byte> part) {
    advise(part, MADV_WILLNEED);
}

void done_reading(std::span<const std::byte> part) {
    advise(part, MADV_DONTNEED);
}

void enter_pages(std::span<const std::byte> part) {
    const volatile std::byte* bytes = part.data();
    for (size_t at = 0; at < part.size(); at += kPage) static_cast<void>(bytes[at]);
    if (!part.empty()) static_cast<void>(bytes[part.size() - 1]);
}

Result<std::string> read_text_file(const std::filesystem::path& path, size_t limit) {
    auto file = MappedFile::open(path);
    if (!file) return file.error();
    const auto bytes = file->bytes();
    if (bytes.size() > limit)
        return error("{}: {} bytes are more than the {} allowed here", path.string(), bytes.size(), limit);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace hone
