#include "train/data/record_index.h"

#include <cstring>
#include <limits>

#include <sys/resource.h>
#include <xxhash.h>

#include "base/progress.h"

namespace hone::train {

namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kOtherOpenFiles = 32;  // of a training job beside its data
constexpr uint64_t kLongRead = uint64_t{1} << 30;

class ContentHash {
  public:
    ContentHash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }

    void add(const void* data, size_t bytes) { XXH3_128bits_update(state_.get(), data, bytes); }
    XXH128_canonical_t digest() const {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
        return canonical;
    }

  private:
    std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

}  // namespace

class RecordIndex::LineFinder {
  public:
    LineFinder(std::vector<Place>& places, size_t file, std::string path)
        : places_(places), file_(file), path_(std::move(path)) {}

    // The next bytes of the file.
    Status add(std::string_view block) {
        size_t at = 0;
        while (at < block.size()) {
            const void* found = std::memchr(block.data() + at, '\n', block.size() - at);
            const size_t end =
                found ? static_cast<size_t>(static_cast<const char*>(found) - block.data()) : block.size();
            has_text_ = has_text_ || has_text(block.substr(at, end - at));
            length_ += end - at;
            if (length_ > kLongestLine)
                return error("{}:{}: the line is longer than {}; is this a file of JSON Lines, one record a line?",
                             path_, line_, format_bytes(static_cast<double>(kLongestLine)));
            if (!found) break;
            if (const Status ended = end_line(); !ended) return ended;
            begin_ += length_ + 1;
            length_ = 0;
            at = end + 1;
        }
        return ok();
    }

    // The end of the file: of the last line, if it has none of its own.
    Status end_line() {
        if (has_text_)
            places_.push_back({.offset = begin_,
                               .file = file_,
                               .length = static_cast<uint32_t>(length_),
                               .line = static_cast<uint32_t>(line_)});
        has_text_ = false;
        if (++line_ <= std::numeric_limits<uint32_t>::max()) return ok();
        return error("{}: has more than {} lines; split it", path_, std::numeric_limits<uint32_t>::max());
    }

  private:
    static bool has_text(std::string_view part) {
        return std::any_of(part.begin(), part.end(), [](char c) { return !is_blank(c); });
    }

    std::vector<Place>& places_;
    const size_t file_;
    const std::string path_;
    uint64_t begin_ = 0, length_ = 0, line_ = 1;
    bool has_text_ = false;
};

Result<RecordIndex> RecordIndex::build(const std::vector<std::filesystem::path>& files, bool quiet) {
    if (files.empty()) return error("no data files are named");
    if (files.size() > kMostFiles) return error("{} data files are named; at most {}", files.size(), kMostFiles);
    struct rlimit open_files {};
    if (getrlimit(RLIMIT_NOFILE, &open_files) == 0 && files.size() + kOtherOpenFiles > open_files.rlim_cur)
        return error(
            "{} data files are named, and all stay open; {} files may be open: join files, or raise `ulimit -n`",
            files.size(), open_files.rlim_cur);
    RecordIndex index;
    for (const auto& path : files) {
        auto file = MappedFile::open(path);
        if (!file) return file.error();
        if (file->bytes().size() >= uint64_t{1} << 48) return error("{}: is larger than 256 TiB", path.string());
        index.bytes_ += file->bytes().size();
        index.files_.push_back(std::move(*file));
    }
    Progress progress("reading data", index.bytes_, Progress::Unit::bytes, quiet || index.bytes_ < kLongRead);
    ContentHash all;
    std::string block(kReadBytes, '\0');
    for (size_t i = 0; i < files.size(); ++i) {
        ContentHash content;
        LineFinder lines(index.places_, i, files[i].string());
        const size_t size = index.files_[i].bytes().size();
        for (size_t at = 0; at < size; at += kReadBytes) {
            const size_t count = std::min(kReadBytes, size - at);
            const Status read = index.files_[i].read_at(at, std::as_writable_bytes(std::span(block.data(), count)));
            if (!read) return read.error();
            content.add(block.data(), count);
            if (const Status found = lines.add({block.data(), count}); !found) return found.error();
            progress.advance(count);
        }
        if (const Status found = lines.end_line(); !found) return found.error();
        const XXH128_canonical_t digest = content.digest();
        all.add(&digest, sizeof(digest));
    }
    progress.finish();
    if (index.places_.empty()) return error("{}: holds no records", files[0].string());
    index.places_.shrink_to_fit();
    for (const unsigned char byte : all.digest().digest) index.content_hash_ += fmt::format("{:02x}", byte);
    return index;
}

Result<std::string> RecordIndex::read(uint64_t record) const {
    const Place& place = places_.at(record);
    std::string line(place.length, '\0');
    const Status read = files_[place.file].read_at(place.offset, std::as_writable_bytes(std::span(line)));
    if (!read) return read.error();
    if (line.ends_with('\r')) line.pop_back();
    if (place.offset == 0 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // byte order mark
    return line;
}

std::string RecordIndex::where(uint64_t record) const {
    const Place& place = places_.at(record);
    return fmt::format("{}:{}", files_[place.file].path().string(), place.line);
}

}  // namespace hone::train
