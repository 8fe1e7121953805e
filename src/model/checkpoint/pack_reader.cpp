#include <algorithm>
#include <atomic>
#include <charconv>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/progress.h"
#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/pack.h"
#include "model/checkpoint/pack_header.h"
#include "model/checkpoint/strict_json.h"
#include "model/checkpoint/weight_plan.h"
#include "model/printable.h"

namespace hone::model {

namespace json = boost::json;

namespace {

// Typed fields of a directory entry; the first that is missing or of the wrong type is kept.
class EntryReader {
  public:
    explicit EntryReader(const json::value& entry) : object_(entry.if_object()) {}

    uint64_t whole(std::string_view field, uint64_t limit) {
        const auto* value = find(field);
        const auto number = value ? as_whole(*value) : std::nullopt;
        if (!number || *number > limit) fail(field);
        return number.value_or(0);
    }
    std::string text(std::string_view field) {
        const auto* value = find(field);
        if (!value || !value->is_string()) {
            fail(field);
            return {};
        }
        return std::string(value->get_string());
    }
    uint64_t hex(std::string_view field) {
        const std::string digits = text(field);
        uint64_t number = 0;
        const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
        if (failure != std::errc() || end != digits.data() + digits.size()) fail(field);
        return number;
    }
    void fail(std::string_view field) {
        if (failed_.empty()) failed_ = field;
    }
    // The field that is wrong; empty if none is.
    const std::string& failed() const { return failed_; }

  private:
    const json::value* find(std::string_view field) const { return object_ ? object_->if_contains(field) : nullptr; }

    const json::object* object_;
    std::string failed_;
};

const json::array* find_list(const json::object& directory, std::string_view field) {
    const auto* value = directory.if_contains(field);
    return value ? value->if_array() : nullptr;
}

// One tensor, checked against the file's size. An Error names the field.
Result<PackedTensor> read_tensor(const json::value& value, size_t data_begin, size_t file_bytes) {
    EntryReader entry(value);
    PackedTensor tensor;
    tensor.name = entry.text("name");
    const auto role = weight_role_named(entry.text("role"));
    if (!role) entry.fail("role");
    const std::string format = entry.text("format");
    tensor.format = math::weight_format_named(format);
    if (!tensor.format && format != name_of(std::optional<math::WeightFormat>())) entry.fail("format");
    const uint64_t n = entry.whole("n", INT32_MAX), k = entry.whole("k", INT32_MAX);
    const size_t available = file_bytes - data_begin;
    const uint64_t offset = entry.whole("offset", available), bytes = entry.whole("bytes", available);
    tensor.checksum = entry.hex("xxh3");
    // No format takes less than half a byte a value, so from here on the products stay small.
    if (n < 1 || k < 1 || n * k > 2 * bytes) entry.fail("n");
    if (!tensor.format && k != 1) entry.fail("k");
    if (offset % 64 != 0 || bytes > available - std::min(offset, available)) entry.fail("offset");
    if (!entry.failed().empty())
        return error("tensor {}: field '{}' is missing or impossible", in_quotes(tensor.name), entry.failed());
    tensor.role = *role;
    tensor.n = static_cast<int32_t>(n);
    tensor.k = static_cast<int32_t>(k);
    tensor.offset = data_begin + offset;
    tensor.bytes = bytes;
    const WeightSlot extents{.name = {}, .role = *role, .n = tensor.n, .k = tensor.k};
    if (planned_bytes(extents, tensor.format) != bytes) {
        return error("tensor {}: [{}, {}] of {} does not take {} bytes", in_quotes(tensor.name), n, k, format, bytes);
    }
    return tensor;
}

// Whether a weight of that role may have the format; routers and norms feed fp32 chains, embeddings are looked up.
bool may_have(const WeightSlot& slot, std::optional<math::WeightFormat> format) {
    using enum math::WeightFormat;
    if (slot.vector || !format) return slot.vector && !format;
    if (slot.role == WeightRole::router) return format == f32;
    if (slot.role == WeightRole::embedding) return format == bf16_rows || format == bf16;
    return format == bf16 || format == int4_g32;
}

}  // namespace

Result<PackFile> PackFile::open(const std::filesystem::path& path) {
    auto file = MappedFile::open(path);
    if (!file) return file.error();
    const std::string where = path.string();
    const auto bytes = file->bytes();
    PackHeader header{};
    if (!bytes.empty()) std::memcpy(&header, bytes.data(), std::min(bytes.size(), sizeof header));
    if (bytes.size() < kPackMagic.size() || std::string_view(header.magic, sizeof header.magic) != kPackMagic) {
        return error("{}: neither a folder nor a file that `hone pack` made", where);
    }
    if (bytes.size() < sizeof header) return error("{}: cut short inside its header", where);
    if (header.version != kPackVersion) {
        return error("{}: pack version {}, this program reads {}; run `hone pack` again", where, header.version,
                     kPackVersion);
    }
    if (header.file_bytes != bytes.size()) {
        return error("{}: {} bytes, its header says {}: cut short or damaged", where, bytes.size(), header.file_bytes);
    }
    if (header.directory_bytes > bytes.size() - sizeof header || header.data_begin > bytes.size() ||
        header.data_begin < sizeof header + header.directory_bytes || header.data_begin % 4096 != 0) {
        return error("{}: its header is damaged (impossible sizes)", where);
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header, header.directory_bytes);
    if (header_checksum(header, text) != header.checksum)
        return error("{}: its header is damaged (wrong checksum)", where);
    const auto directory = parse_json_object(text, where + ": directory");
    if (!directory) return directory.error();

    PackFile pack;
    pack.file_ = std::make_shared<const MappedFile>(std::move(*file));
    if (const Status read = pack.read_directory(*directory, header.data_begin); !read)
        return read.error().within(where);
    return pack;
}

Status PackFile::read_directory(const json::object& directory, size_t data_begin) {
    const auto* layout = directory.if_contains("layout");
    if (!layout || !layout->is_string() || layout->get_string() != packed_layout_fingerprint()) {
        return error("packed for another version's kernels; run `hone pack` again");
    }
    if (const Status read = read_files(directory, data_begin); !read) return read;
    if (const Status read = read_config(); !read) return read;
    const auto* tensors = find_list(directory, "tensors");
    if (!tensors) return error("the directory lacks 'tensors'");
    for (const auto& entry : *tensors) {
        auto tensor = read_tensor(entry, data_begin, file_->bytes().size());
        if (!tensor) return tensor.error();
        tensors_.push_back(std::move(*tensor));
    }
    return check_overlaps();
}

Status PackFile::read_files(const json::object& directory, size_t data_begin) {
    const auto* files = find_list(directory, "files");
    if (!files) return error("the directory lacks 'files'");
    const size_t available = file_->bytes().size() - data_begin;
    for (const auto& value : *files) {
        EntryReader entry(value);
        const std::string name = entry.text("name");
        const uint64_t offset = entry.whole("offset", available), bytes = entry.whole("bytes", available);
        const uint64_t checksum = entry.hex("xxh3");
        if (bytes > available - std::min(offset, available)) entry.fail("offset");
        if (!entry.failed().empty())
            return error("file {}: field '{}' is missing or impossible", in_quotes(name), entry.failed());
        const auto content = file_->bytes().subspan(data_begin + offset, bytes);
        if (XXH3_64bits(content.data(), content.size()) != checksum)
            return error("file {} is damaged (wrong checksum)", in_quotes(name));
        const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
        if (!files_.emplace(name, text).second) return error("file {} appears twice", in_quotes(name));
    }
    return ok();
}

Status PackFile::read_config() {
    const auto text = FileSet({}, files_).read("config.json", kMaxConfigBytes);
    if (!text) return text.error();
    auto config = parse_json_object(*text, "config.json");
    if (!config) return config.error();
    config_ = std::move(*config);
    return ok();
}

Status PackFile::check_overlaps() const {
    std::vector<const PackedTensor*> sorted;
    for (const auto& tensor : tensors_) sorted.push_back(&tensor);
    std::sort(sorted.begin(), sorted.end(), [](const PackedTensor* a, const PackedTensor* b) {
        return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
    });
    for (size_t i = 1; i < sorted.size(); i++) {
        const PackedTensor &before = *sorted[i - 1], &after = *sorted[i];
        const bool shared =
            before.offset == after.offset && before.bytes == after.bytes && before.format == after.format;
        if (!shared && before.offset + before.bytes > after.offset) {
            return error("tensors {} and {} overlap", in_quotes(before.name), in_quotes(after.name));
        }
    }
    return ok();
}

Status PackFile::attach_to(Model& model, WeightChoice weights) const {
    const std::string where = file_->path().string();
    if (const Status enough = check_stored_count(model.spec(), tensors_.size()); !enough)
        return enough.error().within(where);
    const auto slots = list_slots(model);
    if (!slots) return slots.error().within(where);
    std::map<std::pair<std::string_view, WeightRole>, const PackedTensor*> by_name;
    for (const auto& tensor : tensors_) {
        if (!by_name.emplace(std::pair(std::string_view(tensor.name), tensor.role), &tensor).second) {
            return error("{}: tensor {} appears twice", where, in_quotes(tensor.name));
        }
    }
    for (const WeightSlot& slot : *slots) {
        const auto found = by_name.find({slot.name, slot.role});
        if (found == by_name.end())
            return error("{}: tensor '{}' ({}) is missing", where, slot.name, name_of(slot.role));
        const PackedTensor& tensor = *found->second;
        if (tensor.n != slot.n || tensor.k != slot.k) {
            return error("{}: tensor '{}' has shape [{}, {}], config.json makes it [{}, {}]", where, slot.name,
                         tensor.n, tensor.k, slot.n, slot.k);
        }
        if (!may_have(slot, tensor.format)) {
            return error("{}: tensor '{}' ({}) cannot be {}", where, slot.name, name_of(slot.role),
                         name_of(tensor.format));
        }
        if (weights != WeightChoice::as_stored && slot.may_quantise() && tensor.format != format_for(slot, weights)) {
            return error(
                "{}: tensor '{}' is packed as {}, not as --weights {} asks; pack the checkpoint with that flag", where,
                slot.name, name_of(tensor.format), name_of(weights));
        }
        attach(slot, tensor.format, file_->bytes().data() + tensor.offset);
    }
    if (slots->size() != tensors_.size()) {
        return error("{}: {} tensors, but config.json describes {}", where, tensors_.size(), slots->size());
    }
    return ok();
}

PackChecksums PackFile::checksums() const {
    PackChecksums checksums{.file = file_, .tensors = {}};
    checksums.tensors.reserve(tensors_.size());
    for (const auto& tensor : tensors_)
        checksums.tensors.push_back({tensor.name, tensor.offset, tensor.bytes, tensor.checksum});
    return checksums;
}

Status PackFile::verify(ThreadPool& pool, bool quiet) const {
    constexpr size_t kGroup = 256;  // tensors between two steps of the progress line
    uint64_t total = 0;
    for (const auto& tensor : tensors_) total += tensor.bytes;
    Progress progress(fmt::format("verifying {}", file_->path().filename().string()), total, Progress::Unit::bytes,
                      quiet);
    for (size_t first = 0; first < tensors_.size(); first += kGroup) {
        const size_t count = std::min(kGroup, tensors_.size() - first);
        std::atomic<const PackedTensor*> damaged{nullptr};
        std::atomic<uint64_t> read{0};
        pool.parallel_for(static_cast<int64_t>(count), [&](int64_t i, int) {
            const PackedTensor& tensor = tensors_[first + static_cast<size_t>(i)];
            if (XXH3_64bits(file_->bytes().data() + tensor.offset, tensor.bytes) != tensor.checksum) damaged = &tensor;
            read += tensor.bytes;
        });
        if (const auto* tensor = damaged.load()) {
            return damaged_tensor(*file_, tensor->name, "wrong checksum");
        }
        progress.advance(read);
    }
    progress.finish();
    return ok();
}

Status verify_pack(const std::filesystem::path& path, ThreadPool& pool, bool quiet) {
    std::error_code unreadable;
    if (std::filesystem::is_directory(path, unreadable)) {
        return error("{}: a checkpoint folder has no checksums to verify, only a pack file does", path.string());
    }
    const auto pack = PackFile::open(path);
    return pack ? pack->verify(pool, quiet) : Status(pack.error());
}

WeightStore PackFile::weights() const {
    advise_huge_pages(file_->bytes().data(), file_->bytes().size());
    return WeightStore(file_);
}

}  // namespace hone::model
