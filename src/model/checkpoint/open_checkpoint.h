// A checkpoint folder with the model it describes, every weight planned and its tensor found and checked, nothing
// converted yet: what loader, packer and `inspect` begin with. The plan's slots point into the model. One thread.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/weight_filler.h"
#include "model/checkpoint/weight_plan.h"
#include "model/model.h"

namespace hone::model {

struct OpenCheckpoint {
    CheckpointFolder folder;
    std::unique_ptr<Model> model;
    WeightPlan plan;
    std::vector<const math::TensorView*> tensors;  // of the plan's weights, in order
    std::vector<std::string_view> unused;          // tensors outside of the model; a warning counts them
};

Result<OpenCheckpoint> open_checkpoint(const std::filesystem::path& path, WeightChoice choice);

// Takes the weights that have bytes of their own in groups that bound memory: a group is full when its stored bytes
// reach `group_bytes`, and they have left this process's memory after it. With progress. The jobs lack `out`. Stops at
// the first error of `body`.
Status for_each_group(const OpenCheckpoint& checkpoint, const std::string& what, bool quiet,
                      FunctionRef<Status(const WeightGroup& group, std::span<FillJob> jobs)> body,
                      size_t group_bytes = kGroupBytes);

}  // namespace hone::model
