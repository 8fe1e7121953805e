// What a job leaves behind: OUTPUT/final.
#include "base/atomic_folder.h"
#include "model/adapter_file.h"
#include "model/checkpoint/export_weights.h"
#include "train/job.h"

namespace hone::train {

Status Job::finish(bool quiet) {
    if (const Status saved = save(); !saved) return saved;
    const std::filesystem::path folder = recipe_.output / "final";
    // Of a run that was shorter; the checkpoint has all that this is made of.
    if (std::filesystem::exists(folder)) {
        if (const Status removed = AtomicFolder::remove(folder); !removed) return removed;
    }
    if (const TrainedAdapter* adapter = weights_->as_adapter())
        return model::write_adapter(folder, model::AdapterLayout::tinker, adapter->contents(model_->name));
    return model::export_model(*model_->model, model_->config, model_->files, folder, {.quiet = quiet}, pool_);
}

}  // namespace hone::train
