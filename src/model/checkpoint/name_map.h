// From a model's weight names to a checkpoint's tensors: vendors wrap the same decoder in different prefixes. Shapes
// and types are checked here, so that converting cannot fail. Free functions, any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/weight_plan.h"

namespace hone::model {

constexpr std::string_view kHeadName = "lm_head.weight";  // a copy of the embedding, or absent, where the head is tied

struct MatchedTensors {
    std::vector<const math::TensorView*> tensors;  // one for each slot, in order
    std::vector<std::string_view> unused;          // outside of the model: vision towers, layers for speculation
};

// Finds each slot's tensor: [n, k] for a matrix, [n] for a vector, of bf16, f16 or f32. Errors name the folder and
// tensor, what was found and what was expected. A tensor that no slot wants is an error within the model's own layers
// and modules (a bias, a scale), where it would change the results; buffers that are recomputed and the copy of a tied
// head are passed over.
Result<MatchedTensors> match_tensors(const CheckpointFolder& folder, const std::vector<WeightSlot>& slots);

}  // namespace hone::model
