// Where each weight of a model goes: format, bytes and offset in one block, decided before a byte is read, so that
// memory is checked first. Loader, packer, random weights and `inspect` share it. A value; the model outlives it. One
// thread.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "model/checkpoint/weight_choice.h"
#include "model/model.h"

namespace hone::model {

struct PlannedWeight {
    WeightSlot slot;
    std::optional<math::WeightFormat> format;  // nothing for a vector of fp32
    size_t bytes = 0;                          // packed
    size_t offset = 0;                         // in the block; a multiple of alignment_of(bytes)
    std::optional<size_t> twin;  // index of the weight whose bytes these are: an embedding of its tied head
};

struct WeightPlan {
    std::vector<PlannedWeight> weights;  // in the order of Model::visit
    size_t bytes = 0;                    // of the block, paddings included
};

// Bytes of a weight in its format: packed_bytes, or n fp32 values, rounded up to 64.
size_t planned_bytes(const WeightSlot& slot, std::optional<math::WeightFormat> format);

// 64; a page for what fills one, 2 MiB for what fills many huge pages.
size_t alignment_of(size_t bytes);

// The weights in `choice`'s formats. An embedding whose head is tied to it and stays bf16 uses the head's bytes.
// Errors: a config with more weights, or larger ones, than any model has.
Result<WeightPlan> plan_weights(Model& model, WeightChoice choice);

// Weights of a plan that are converted, filled or written together. Their bytes lie side by side in the plan's block;
// a weight with a twin has none of its own and is passed over.
struct WeightGroup {
    size_t first = 0, last = 0;  // indices of weights, last not included
    size_t begin = 0, end = 0;   // bytes of the block
};

constexpr size_t kGroupBytes = size_t{64} << 20;

// All weights in order, cut into groups that bound memory: one is full when the sizes of its weights, as `size_of`
// tells them by index, reach `limit`.
std::vector<WeightGroup> cut_into_groups(const WeightPlan& plan, FunctionRef<size_t(size_t weight)> size_of,
                                         size_t limit = kGroupBytes);
// By the bytes that the weights take in the block.
std::vector<WeightGroup> cut_into_groups(const WeightPlan& plan, size_t limit = kGroupBytes);

// Refuses, before any slot is named, a config that describes far more weights than a checkpoint's `stored` tensors. (A
// few thousand that lack are better missed by name, when they are looked up.)
Status check_stored_count(const ModelSpec& spec, size_t stored);

// All slots of the model; the error of plan_weights for too many.
Result<std::vector<WeightSlot>> list_slots(Model& model);

// Points the slot's matrix or vector at its bytes.
void attach(const WeightSlot& slot, std::optional<math::WeightFormat> format, const std::byte* data);

// Refuses what the machine has no memory for; `what` begins the message.
Status check_memory(size_t bytes, std::string_view what);

}  // namespace hone::model
