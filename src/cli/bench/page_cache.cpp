#include "cli/bench/page_cache.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mapped_file.h"

namespace hone::cli {

namespace fs = std::filesystem;

Result<std::vector<fs::path>> model_files(const fs::path& model) {
    std::error_code failure;
    if (fs::is_regular_file(model, failure)) return std::vector{model};
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(model, failure)) {
        if (entry.is_regular_file(failure)) files.push_back(entry.path());
    }
    if (files.empty()) return error("{}: there is no such file or folder", model.string());
    return files;
}

Status warm_page_cache(const std::vector<fs::path>& files) {
    std::vector<char> buffer(size_t{4} << 20);
    for (const fs::path& path : files) {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) return error("{}: cannot open: {}", path.string(), std::strerror(errno));
        ssize_t count = 0;
        do count = ::read(fd, buffer.data(), buffer.size());
        while (count > 0 || (count < 0 && errno == EINTR));
        const int failure = count < 0 ? errno : 0;
        ::close(fd);
        if (failure != 0) return error("{}: cannot read: {}", path.string(), std::strerror(failure));
    }
    return ok();
}

Status drop_page_cache(const std::vector<fs::path>& files) {
    for (const fs::path& path : files) {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) return error("{}: cannot open: {}", path.string(), std::strerror(errno));
        ::fsync(fd);  // pages that the disk does not have yet cannot be dropped
        const int failure = ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        ::close(fd);
        if (failure != 0) return error("{}: cannot drop from memory: {}", path.string(), std::strerror(failure));
    }
    return ok();
}

Result<double> cached_share(const std::vector<fs::path>& files) {
    constexpr size_t kPage = 4096;
    size_t cached = 0, total = 0;
    for (const fs::path& path : files) {
        const auto file = MappedFile::open(path);
        if (!file) return file.error();
        const auto bytes = file->bytes();
        std::vector<unsigned char> pages((bytes.size() + kPage - 1) / kPage);
        if (!pages.empty() && mincore(const_cast<std::byte*>(bytes.data()), bytes.size(), pages.data()) != 0)
            return error("{}: cannot tell what is in memory: {}", path.string(), std::strerror(errno));
        for (const unsigned char page : pages) cached += page & 1;
        total += pages.size();
    }
    return total == 0 ? 1.0 : static_cast<double>(cached) / static_cast<double>(total);
}

}  // namespace hone::cli
