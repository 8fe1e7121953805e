#include "base/mapped_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hone {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error("{}: cannot open: {}", path.string(), std::strerror(errno));
    struct stat info {};
    MappedFile file;
    file.path_ = path;
    Status status;
    if (fstat(fd, &info) != 0) {
        status = error("{}: cannot stat: {}", path.string(), std::strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        status = error("{}: not a regular file", path.string());
    } else if (info.st_size > 0) {
        void* data = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            status = error("{}: cannot map {} bytes: {}", path.string(), info.st_size, std::strerror(errno));
        } else {
            file.data_ = static_cast<const std::byte*>(data);
            file.size_ = static_cast<size_t>(info.st_size);
        }
    }
    ::close(fd);
    if (!status) return status.error();
    return file;
}

MappedFile::~MappedFile() {
    if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
    *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(path_, other.path_);
    return *this;
}

// madvise over the whole pages around `part`; the error number, 0 for none.
static int advise(std::span<const std::byte> part, int advice) {
    constexpr uintptr_t kPage = 4096;
    if (part.empty()) return 0;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / kPage * kPage;
    const uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
    return madvise(reinterpret_cast<void*>(begin), end - begin, advice) == 0 ? 0 : errno;
}

void expect_reads(std::span<const std::byte> part) {
    advise(part, MADV_WILLNEED);
}

void done_reading(std::span<const std::byte> part) {
    advise(part, MADV_DONTNEED);
}

bool fetch(std::span<const std::byte> part) {
    constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ, Linux 5.14; EFAULT where a read would raise SIGBUS
    int failure = 0;
    do failure = advise(part, kPopulateRead);
    while (failure == EINTR || failure == EAGAIN);
    return failure != EFAULT && failure != EHWPOISON;
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
