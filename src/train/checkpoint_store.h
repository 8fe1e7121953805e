// Training checkpoints that survive crashes, kills and full disks:
//
//   OUTPUT/checkpoints/.lock                        locked by the process that saves
//   OUTPUT/checkpoints/step-00000123/state.json     the caller's text
//                                    tensors.safetensors
//                                    checksums.xxh128   XXH3-128 of the other two, as `xxh128sum -c` reads it
//
// A checkpoint appears whole, every file synced; it is believed only when every byte matches its checksum. The store is
// used by one thread; reading needs no store and no lock.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"

namespace hone::train {

struct CheckpointTensor {
    std::string name;
    math::TensorView value;
};

// Where a tensor of this name, type and shape goes.
struct RestoredTensor {
    std::string name;
    math::DType dtype;
    math::Shape shape;
    std::span<std::byte> bytes;
};

// One checkpoint on disk, read and found undamaged. Immutable.
class Checkpoint {
  public:
    // Reads the whole of it. Errors name the file that is missing, cut short or altered.
    static Result<Checkpoint> open(const std::filesystem::path& folder);

    int64_t step() const { return step_; }
    const std::string& state() const { return state_; }
    const std::filesystem::path& folder() const { return folder_; }
    const model::TensorMap& tensors() const { return file_.tensors(); }
    // Copies every tensor to its place. Unless names, types and shapes are those of the checkpoint, all of them, it is
    // an error that names the tensor, and nothing has been written.
    Status restore(std::span<const RestoredTensor> places) const;

  private:
    int64_t step_ = 0;
    std::string state_;
    std::filesystem::path folder_;
    model::SafetensorsFile file_;
};

struct NewestCheckpoint {
    std::optional<Checkpoint> checkpoint;  // nothing where there is none that is whole
    std::vector<std::string> damaged;      // newer ones passed over: which, and why
};

// The newest checkpoint below `output` that is undamaged. Removes nothing. Errors: a folder that cannot be read.
Result<NewestCheckpoint> newest_checkpoint(const std::filesystem::path& output);

class CheckpointStore {
  public:
    // Makes OUTPUT/checkpoints if need be, locks it, and removes what killed saves left. Errors name the folder: not
    // writable, or in use by another process.
    static Result<CheckpointStore> open(const std::filesystem::path& output);
    ~CheckpointStore();
    CheckpointStore(CheckpointStore&& other) noexcept;
    CheckpointStore& operator=(CheckpointStore&&) = delete;

    // Writes a checkpoint of step >= 0, in place of an older one of that step. Names are distinct. Memory: some MiB. An
    // error (a full disk: it says how much is needed and free) leaves the other checkpoints as they were.
    Status save(int64_t step, std::string_view state, std::span<const CheckpointTensor> tensors);
    // Removes all but the newest `keep` >= 1 steps, and never the newest that is undamaged; reads them to find out, if
    // none of those was saved by this store.
    Status prune(size_t keep);
    // Of all steps, whole or damaged.
    Status remove_all();

  private:
    explicit CheckpointStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

    std::filesystem::path folder_;
    int lock_ = -1;
    std::vector<int64_t> saved_;  // by this store, so whole
};

}  // namespace hone::train
