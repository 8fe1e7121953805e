#include "engine/cache/spill_file.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/progress.h"

namespace hone::engine {
namespace {

static_assert(std::endian::native == std::endian::little);

struct FileHeader {
    char magic[8] = {'H', 'O', 'N', 'E', 'K', 'V', 'S', 'P'};
    uint64_t version = kSpillVersion;
    uint64_t page_bytes = 0;
    PathId identity{};
    uint64_t checksum = 0;
};
static_assert(sizeof(FileHeader) == 64);

struct RecordHeader {
    uint64_t serial = 0;
    PathId parent{};
    int32_t count = 0, zero = 0;
    std::array<int32_t, kPageTokens> tokens{};
    uint64_t page_checksum = 0;
    uint64_t checksum = 0;
};
static_assert(sizeof(RecordHeader) == 320 && sizeof(RecordHeader) <= kSpillPageOffset);

template <class Header>
uint64_t checksum_of(const Header& header) {
    return XXH3_64bits(&header, offsetof(Header, checksum));
}

bool is_sound(const RecordHeader& header) {
    return header.checksum == checksum_of(header) && header.count >= 1 && header.count <= kPageTokens;
}

// All bytes, or the reason why not.
Status transfer(auto call, int fd, auto* data, size_t bytes, off_t offset, std::string_view what) {
    for (size_t done = 0; done < bytes;) {
        const ssize_t count = call(fd, data + done, bytes - done, offset + static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return error("{}: {}", what, std::strerror(errno));
        if (count == 0) return error("{}: the file ends before", what);
        done += static_cast<size_t>(count);
    }
    return ok();
}

}  // namespace

Result<SpillFile> SpillFile::open(const std::string& folder, size_t bytes, const std::string& identity,
                                  size_t page_bytes) {
    SpillFile file;
    file.page_bytes_ = page_bytes;
    file.record_bytes_ = (kSpillPageOffset + page_bytes + 4095) / 4096 * 4096;
    if (bytes < kSpillHeaderBytes + file.record_bytes_) {
        return error("{} on disk holds no page; a page of {} tokens takes {}", format_bytes(static_cast<double>(bytes)),
                     kPageTokens, format_bytes(static_cast<double>(file.record_bytes_)));
    }
    const size_t records = (bytes - kSpillHeaderBytes) / file.record_bytes_;
    file.capacity_ = static_cast<int32_t>(std::min<size_t>(records, std::numeric_limits<int32_t>::max()));
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (failure) return error("{}: {}", folder, failure.message());
    file.path_ = folder + "/kv-pages.hone";
    file.fd_ = ::open(file.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);  // it tells what was asked
    if (file.fd_ < 0) return error("{}: {}", file.path_, std::strerror(errno));
    if (::flock(file.fd_, LOCK_EX | LOCK_NB) != 0) {
        return error("{} is in use by another process; give each its own folder", file.path_);
    }
    if (const Status prepared = file.prepare(identity); !prepared) return prepared.error().within(file.path_);
    return file;
}

Status SpillFile::prepare(const std::string& identity) {
    FileHeader wanted;
    wanted.page_bytes = page_bytes_;
    wanted.identity = digest_of(identity);
    wanted.checksum = checksum_of(wanted);
    struct stat now {};
    if (::fstat(fd_, &now) != 0) return error("{}", std::strerror(errno));
    if (!S_ISREG(now.st_mode)) return error("is no regular file");
    FileHeader found;
    const Status read = transfer(::pread, fd_, reinterpret_cast<char*>(&found), sizeof found, 0, "reading");
    if (!read || std::memcmp(&found, &wanted, sizeof found) != 0) {
        if (now.st_size > 0) LOG_INFO("{} is of another model, weights or version; it is emptied", path_);
        std::vector<char> header(kSpillHeaderBytes);
        std::memcpy(header.data(), &wanted, sizeof wanted);
        if (::ftruncate(fd_, 0) != 0) return error("{}", std::strerror(errno));
        return transfer(::pwrite, fd_, header.data(), header.size(), 0, "writing");
    }
    if (now.st_size > offset_of(capacity_) && ::ftruncate(fd_, offset_of(capacity_)) != 0) {
        return error("{}", std::strerror(errno));
    }
    return ok();
}

SpillFile::~SpillFile() {
    if (fd_ >= 0) ::close(fd_);
}

SpillFile::SpillFile(SpillFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      page_bytes_(other.page_bytes_),
      record_bytes_(other.record_bytes_),
      capacity_(other.capacity_),
      path_(std::move(other.path_)) {}

off_t SpillFile::offset_of(int32_t slot) const {
    return static_cast<off_t>(kSpillHeaderBytes + static_cast<size_t>(slot) * record_bytes_);
}

std::vector<std::optional<SpilledPage>> SpillFile::scan() const {
    std::vector<std::optional<SpilledPage>> pages;
    struct stat now {};
    if (::fstat(fd_, &now) != 0) return pages;
    for (int32_t slot = 0; slot < capacity_ && offset_of(slot) < now.st_size; slot++) {
        RecordHeader header;
        auto* data = reinterpret_cast<char*>(&header);
        pages.emplace_back();
        if (!transfer(::pread, fd_, data, sizeof header, offset_of(slot), "reading") || !is_sound(header)) continue;
        const auto tokens = std::span(header.tokens).first(static_cast<size_t>(header.count));
        pages.back() = SpilledPage{header.serial, header.parent, PageTokens(tokens)};
    }
    return pages;
}

Status SpillFile::write(int32_t slot, const SpilledPage& page, std::span<std::byte> record) const {
    CHECK(slot < capacity_ && record.size() == record_bytes_, "slot {}, {} bytes", slot, record.size());
    RecordHeader header;
    header.serial = page.serial;
    header.parent = page.parent;
    header.count = page.tokens.count();
    std::ranges::copy(page.tokens.span(), header.tokens.begin());
    header.page_checksum = XXH3_64bits(record.data() + kSpillPageOffset, page_bytes_);
    header.checksum = checksum_of(header);
    std::ranges::fill(record.first(kSpillPageOffset), std::byte{0});
    std::memcpy(record.data(), &header, sizeof header);
    const off_t offset = offset_of(slot);
    const Status written = transfer(::pwrite, fd_, record.data(), record.size(), offset, path_);
    if (!written) return written;
    // Out of the page cache, where the weights should stay. Systems that cannot do this keep it.
    constexpr unsigned kAll = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (::sync_file_range(fd_, offset, static_cast<off_t>(record.size()), kAll) != 0 && errno == ENOSPC) {
        return error("{}: {}", path_, std::strerror(ENOSPC));
    }
    ::posix_fadvise(fd_, offset, static_cast<off_t>(record.size()), POSIX_FADV_DONTNEED);
    return ok();
}

Status SpillFile::read(int32_t slot, uint64_t serial, std::span<std::byte> record) const {
    CHECK(slot < capacity_ && record.size() == record_bytes_, "slot {}, {} bytes", slot, record.size());
    const off_t offset = offset_of(slot);
    if (const Status read = transfer(::pread, fd_, record.data(), record.size(), offset, path_); !read) return read;
    ::posix_fadvise(fd_, offset, static_cast<off_t>(record.size()), POSIX_FADV_DONTNEED);
    RecordHeader header;
    std::memcpy(&header, record.data(), sizeof header);
    if (!is_sound(header) || header.serial != serial ||
        header.page_checksum != XXH3_64bits(record.data() + kSpillPageOffset, page_bytes_)) {
        return error("{}: the page at {} is damaged", path_, offset);
    }
    return ok();
}

}  // namespace hone::engine
