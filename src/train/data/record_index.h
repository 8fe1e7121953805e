// Where the records of JSON Lines files lie: one pass over the files stores the place of every line that is not blank,
// 16 bytes each, and nothing of the text. Immutable once built; any thread may read, by pread. The files stay open;
// errors name file and line. A file that changes while it is used is an error of read() or unnoticed: the hash is that
// of what was indexed.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"

namespace hone::train {

class RecordIndex {
  public:
    static constexpr size_t kLongestLine = size_t{64} << 20;  // bytes; longer ones are an error
    static constexpr size_t kMostFiles = size_t{1} << 16;

    // Reads all files once, in this order. Ends of lines are LF or CRLF; the last line may lack it. No record at all is
    // an error. Progress is shown for a gigabyte and more, unless quiet.
    static Result<RecordIndex> build(const std::vector<std::filesystem::path>& files, bool quiet = false);

    uint64_t size() const { return places_.size(); }
    // The line of a record, without its end.
    Result<std::string> read(uint64_t record) const;
    // "data/train.jsonl:17", lines from 1.
    std::string where(uint64_t record) const;

    // 32 hexadecimal digits of what all files hold, whatever they are called: XXH3-128 of each file's XXH3-128. Says
    // whether a run that goes on has the data that it had.
    const std::string& content_hash() const { return content_hash_; }
    uint64_t bytes() const { return bytes_; }  // of all files

  private:
    struct Place {
        uint64_t offset : 48;
        uint64_t file : 16;
        uint32_t length;
        uint32_t line;
    };
    static_assert(sizeof(Place) == 16);

    RecordIndex() = default;
    // The places of one file's records, from block to block.
    class LineFinder;

    std::vector<MappedFile> files_;
    std::vector<Place> places_;
    std::string content_hash_;
    uint64_t bytes_ = 0;
};

}  // namespace hone::train
