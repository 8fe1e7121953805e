#include "train/checkpoint_store.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "model/checkpoint/safetensors_writer.h"

namespace hone::train {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStateName = "state.json";
constexpr const char* kTensorsName = "tensors.safetensors";
constexpr const char* kChecksumsName = "checksums.xxh128";
constexpr size_t kChunk = size_t{4} << 20;
constexpr size_t kMostChecksumBytes = 4096;

// XXH3-128 of bytes that come in pieces.
class Checksum {
  public:
    Checksum() { XXH3_128bits_reset(state_.get()); }
    void add(std::span<const std::byte> bytes) { XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()); }
    void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
    // A line of the checksum file.
    std::string line(const char* name) const {
        const XXH128_hash_t digest = XXH3_128bits_digest(state_.get());
        return fmt::format("{:016x}{:016x}  {}\n", digest.high64, digest.low64, name);
    }

  private:
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_{XXH3_createState(), XXH3_freeState};
};

std::string name_of_step(int64_t step) {
    return fmt::format("step-{:08}", step);
}

std::optional<int64_t> step_named(std::string_view name) {
    constexpr std::string_view kBegin = "step-";
    if (!name.starts_with(kBegin)) return {};
    int64_t step = -1;
    std::from_chars(name.data() + kBegin.size(), name.data() + name.size(), step);
    if (step < 0 || name_of_step(step) != name) return {};
    return step;
}

fs::path checkpoints_below(const fs::path& output) {
    return output / "checkpoints";
}

// Of all checkpoints, whole or not, the newest first.
Result<std::vector<int64_t>> steps_in(const fs::path& folder) {
    std::vector<int64_t> steps;
    std::error_code failure;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
        if (const auto step = step_named(entry->path().filename().string())) steps.push_back(*step);
    }
    if (failure) return error("{}: cannot be read: {}", folder.string(), failure.message());
    std::ranges::sort(steps, std::greater());
    return steps;
}

// By reading, not through the mapping: a disk that fails is an error here, and would be a signal there.
Result<Checksum> read_checksum(const MappedFile& file) {
    Checksum checksum;
    std::vector<std::byte> chunk(std::min(kChunk, file.bytes().size()));
    for (size_t offset = 0; offset < file.bytes().size(); offset += chunk.size()) {
        const auto part = std::span(chunk).first(std::min(chunk.size(), file.bytes().size() - offset));
        if (const Status read = file.read_at(offset, part); !read) return read.error();
        checksum.add(part);
    }
    return checksum;
}

// The three files are there, and two are what the third says.
Status check_files(const fs::path& folder) {
    const auto expected = read_text_file(folder / kChecksumsName, kMostChecksumBytes);
    if (!expected) return expected.error();
    std::string found;
    for (const char* name : {kStateName, kTensorsName}) {
        const auto file = MappedFile::open(folder / name);
        if (!file) return file.error();
        const auto checksum = read_checksum(*file);
        if (!checksum) return checksum.error();
        const std::string line = checksum->line(name);
        if (expected->find(line) == std::string::npos) {
            return error("{}: damaged: its {} bytes do not match their checksum in {}", (folder / name).string(),
                         file->bytes().size(), kChecksumsName);
        }
        found += line;
    }
    if (found != *expected) return error("{}: damaged", (folder / kChecksumsName).string());
    return ok();
}

// Adds every byte to `checksum` while it is in the processor's cache.
Status write_tensors(const fs::path& path, int64_t step, std::span<const CheckpointTensor> tensors,
                     Checksum& checksum) {
    std::vector<model::TensorDeclaration> declared;
    for (const CheckpointTensor& tensor : tensors)
        declared.push_back({tensor.name, tensor.value.dtype, tensor.value.shape});
    auto writer = model::SafetensorsWriter::create(path, declared, {{"step", std::to_string(step)}});
    if (!writer) return writer.error();
    checksum.add(writer->header());
    for (size_t i = 0; i < tensors.size(); i++) {
        const auto bytes = tensors[i].value.bytes;
        for (size_t offset = 0; offset < bytes.size(); offset += kChunk) {
            const auto part = bytes.subspan(offset, std::min(kChunk, bytes.size() - offset));
            if (const Status written = writer->write(i, offset, part); !written) return written;
            checksum.add(part);
        }
    }
    return writer->finish();
}

std::string in_words(math::DType dtype, const math::Shape& shape) {
    return fmt::format("{} [{}]", math::name_of(dtype), fmt::join(shape, ", "));
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const fs::path& folder) {
    if (const Status sound = check_files(folder); !sound) return sound.error();
    Checkpoint checkpoint;
    checkpoint.folder_ = folder;
    auto state = read_text_file(folder / kStateName);
    if (!state) return state.error();
    checkpoint.state_ = std::move(*state);
    auto file = model::SafetensorsFile::open(folder / kTensorsName);
    if (!file) return file.error();
    checkpoint.file_ = std::move(*file);
    const auto step = checkpoint.file_.metadata().find("step");
    const auto named = step_named(folder.filename().string());
    if (!named || step == checkpoint.file_.metadata().end() || step->second != std::to_string(*named))
        return error("{}: the folder's name is not that of the step that it holds", folder.string());
    checkpoint.step_ = *named;
    return checkpoint;
}

Status Checkpoint::restore(std::span<const RestoredTensor> places) const {
    std::vector<std::string_view> names;
    for (const RestoredTensor& place : places) {
        const math::TensorView* tensor = file_.find(place.name);
        if (!tensor) return error("{}: has no tensor '{}'", folder_.string(), place.name);
        if (tensor->dtype != place.dtype || tensor->shape != place.shape) {
            return error("{}: tensor '{}' is {}, this run needs {}", folder_.string(), place.name,
                         in_words(tensor->dtype, tensor->shape), in_words(place.dtype, place.shape));
        }
        CHECK(tensor->bytes.size() == place.bytes.size(), "{}: {} bytes", place.name, place.bytes.size());
        names.push_back(place.name);
    }
    std::ranges::sort(names);
    for (const auto& [name, tensor] : tensors()) {
        if (!std::ranges::binary_search(names, std::string_view(name)))
            return error("{}: tensor '{}' is none of this run's", folder_.string(), name);
    }
    CHECK(names.size() == tensors().size(), "a tensor is restored twice");
    for (const RestoredTensor& place : places) {
        const auto bytes = file_.find(place.name)->bytes;
        std::memcpy(place.bytes.data(), bytes.data(), bytes.size());
    }
    return ok();
}

Result<NewestCheckpoint> newest_checkpoint(const fs::path& output) {
    NewestCheckpoint newest;
    const fs::path folder = checkpoints_below(output);
    std::error_code failure;
    if (fs::status(folder, failure).type() == fs::file_type::not_found) return newest;
    const auto steps = steps_in(folder);
    if (!steps) return steps.error();
    for (const int64_t step : *steps) {
        auto checkpoint = Checkpoint::open(folder / name_of_step(step));
        if (checkpoint) {
            newest.checkpoint.emplace(std::move(*checkpoint));
            break;
        }
        newest.damaged.push_back(checkpoint.error().message);
    }
    return newest;
}

Result<CheckpointStore> CheckpointStore::open(const fs::path& output) {
    CheckpointStore store(checkpoints_below(output));
    const fs::path& folder = store.folder_;
    if (const Status made = make_folders(folder); !made) return made.error();
    const fs::path lock = folder / ".lock";
    store.lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (store.lock_ < 0) return error("{}: cannot be written: {}", folder.string(), std::strerror(errno));
    if (::flock(store.lock_, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return error("{} is in use by another process; give each run its own output folder", folder.string());
        return error("{}: cannot be locked: {}", lock.string(), std::strerror(errno));
    }
    std::error_code failure;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
        const std::string name = entry->path().filename();  // ".step-00000123.PID.tmp"
        const std::string step = name.substr(std::min<size_t>(1, name.size()), name.find('.', 1) - 1);
        if (name.ends_with(".tmp") && step_named(step)) AtomicFolder::remove_leftovers(folder / step);
    }
    return store;
}

CheckpointStore::~CheckpointStore() {
    if (lock_ >= 0) ::close(lock_);
}

CheckpointStore::CheckpointStore(CheckpointStore&& other) noexcept
    : folder_(std::move(other.folder_)), lock_(std::exchange(other.lock_, -1)), saved_(std::move(other.saved_)) {}

Status CheckpointStore::save(int64_t step, std::string_view state, std::span<const CheckpointTensor> tensors) {
    CHECK(step >= 0, "{}", step);
    size_t bytes = state.size();
    for (const CheckpointTensor& tensor : tensors) bytes += tensor.value.bytes.size();
    const auto fill = [&](const fs::path& folder) -> Status {
        Checksum of_state, of_tensors;
        of_state.add(state);
        if (const Status written = write_file(folder / kStateName, state); !written) return written;
        const Status written = write_tensors(folder / kTensorsName, step, tensors, of_tensors);
        if (!written) return written;
        return write_file(folder / kChecksumsName, of_state.line(kStateName) + of_tensors.line(kTensorsName));
    };
    const fs::path path = folder_ / name_of_step(step);
    const Status written = write_folder(path, bytes, AtomicFolder::Existing::replace, fill);
    if (written) saved_.push_back(step);
    return written;
}

Status CheckpointStore::prune(size_t keep) {
    CHECK(keep >= 1, "{}", keep);
    const auto steps = steps_in(folder_);
    if (!steps) return steps.error();
    const auto is_saved = [&](int64_t step) { return std::ranges::find(saved_, step) != saved_.end(); };
    const auto is_whole = [&](int64_t step) {
        return is_saved(step) || Checkpoint::open(folder_ / name_of_step(step)).ok();
    };
    const auto newest = std::span(*steps).first(std::min(keep, steps->size()));
    const auto whole = std::ranges::any_of(newest, is_saved) ? steps->begin() : std::ranges::find_if(*steps, is_whole);
    for (auto step = steps->begin() + std::ssize(newest); step != steps->end(); ++step) {
        if (step == whole) continue;
        if (const Status removed = AtomicFolder::remove(folder_ / name_of_step(*step)); !removed) return removed;
    }
    return ok();
}

Status CheckpointStore::remove_all() {
    saved_.clear();
    const auto steps = steps_in(folder_);
    if (!steps) return steps.error();
    for (const int64_t step : *steps)
        if (const Status removed = AtomicFolder::remove(folder_ / name_of_step(step)); !removed) return removed;
    return ok();
}

}  // namespace hone::train
