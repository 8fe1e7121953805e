// The file of cache pages that were evicted from memory: records of one size, little endian.
//
//   +0    8  magic "HONEKVSP"
//   +8    u64  version (kSpillVersion)
//   +16   u64  bytes of a page
//   +24   32  SHA-256 of the identity: model, weights and arithmetic
//   +56   u64  XXH3-64 of bytes 0..55; zeros up to 4096
//   +4096 records, each a multiple of 4096 bytes:
//           +0    u64  serial, ascending in the order of writing
//           +8    32  PathId of the page before this one
//           +40   i32  tokens in the page
//           +44   i32  0
//           +48   i32  tokens [64], zeros behind them
//           +304  u64  XXH3-64 of the page
//           +312  u64  XXH3-64 of bytes 0..311; zeros up to 512
//           +512  the page
//
// One process at a time: the file is locked while it is open. Nothing is synced: what a crash tears does not match its
// checksum. open() belongs to one thread; write() and read() may be called from one other, for slots below capacity().
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/cache/page_index.h"
#include "engine/cache/path_id.h"

namespace hone::engine {

constexpr uint64_t kSpillVersion = 1;  // of records, and of how models lay rows out in a page
constexpr size_t kSpillHeaderBytes = 4096, kSpillPageOffset = 512;

// What a record says of its page.
struct SpilledPage {
    uint64_t serial = 0;
    PathId parent{};
    PageTokens tokens;
};

class SpillFile {
  public:
    // Makes the folder and the file if need be. A file of another identity or page size is emptied. Errors name the
    // folder: not writable, in use by another process, `bytes` too small for a record.
    static Result<SpillFile> open(const std::string& folder, size_t bytes, const std::string& identity,
                                  size_t page_bytes);
    ~SpillFile();
    SpillFile(SpillFile&& other) noexcept;
    SpillFile& operator=(SpillFile&&) = delete;

    int32_t capacity() const { return capacity_; }  // records
    size_t record_bytes() const { return record_bytes_; }
    size_t page_bytes() const { return page_bytes_; }
    // Slots that the file has, each with what its record says; nothing where that is damaged. Touches no page.
    std::vector<std::optional<SpilledPage>> scan() const;

    // The record is the page at kSpillPageOffset of `record`, which has record_bytes(); the rest is filled in here.
    Status write(int32_t slot, const SpilledPage& page, std::span<std::byte> record) const;
    // Reads the record; an error if it is not the one with this serial, or damaged.
    Status read(int32_t slot, uint64_t serial, std::span<std::byte> record) const;

  private:
    SpillFile() = default;
    Status prepare(const std::string& identity);
    off_t offset_of(int32_t slot) const;

    int fd_ = -1;
    size_t page_bytes_ = 0, record_bytes_ = 0;
    int32_t capacity_ = 0;
    std::string path_;
};

}  // namespace hone::engine
