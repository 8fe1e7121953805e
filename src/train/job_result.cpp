// What a job leaves behind: OUTPUT/final and OUTPUT/best.
#include "base/atomic_folder.h"
#include "model/adapter_file.h"
#include "model/checkpoint/export_weights.h"
#include "train/job.h"

namespace hone::train {

Status Job::finish(bool quiet) {
    if (const Status saved = save(); !saved) return saved;
    return write_result("final", quiet);
}

Status Job::write_result(const char* name, bool quiet) {
    const std::filesystem::path folder = recipe_.output / name;
    // Of a run that was shorter, or was better till now.
    if (std::filesystem::exists(folder)) {
        if (const Status removed = AtomicFolder::remove(folder); !removed) return removed;
    }
    if (const TrainedAdapter* adapter = weights_->as_adapter())
        return model::write_adapter(folder, model::AdapterLayout::tinker, adapter->contents(model_->name));
    return model::export_model(*model_->model, model_->config, model_->files, folder, {.quiet = quiet}, pool_);
}

}  // namespace hone::train
