// What `hone inspect DIR|FILE` tells, and a server of its model: architecture, every tensor with its format and size,
// totals, and what it all takes in memory. Reads headers only, no weight. Free functions, any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "model/checkpoint/load.h"
#include "model/checkpoint/weight_choice.h"
#include "model/model.h"

namespace hone::model {

struct TensorReport {
    std::string name;
    WeightRole role = WeightRole::norm;
    int32_t n = 0, k = 0;
    std::string stored, format;          // on disk ("BF16", "int4_g32"); in memory
    size_t stored_bytes = 0, bytes = 0;  // on disk; in memory
    bool shares_bytes = false;           // in memory, with its tied head

    int64_t parameters() const { return int64_t{n} * k; }
};

struct RoleTotal {
    WeightRole role = WeightRole::norm;
    std::string format;
    size_t tensors = 0, bytes = 0;
    int64_t parameters = 0;
};

struct Inspection {
    std::string path;
    std::string kind;  // "pack", "folder", "shape"
    ModelSpec spec;
    std::vector<TensorReport> tensors;  // in the order of Model::visit
    std::vector<std::string> unused;    // in the checkpoint, but not of the architecture
    std::vector<RoleTotal> totals;      // by role and format in memory
    int64_t parameters = 0;             // a tied head counts once
    int64_t active_parameters = 0;  // in one token's matrix products: the chosen experts, head included, embedding not
    size_t weight_bytes = 0;        // in memory; tied tensors that share bytes count once
    size_t bytes_per_token = 0;     // of weights, read for one token alone
    size_t kv_bytes_per_token = 0;  // of cache
};

// `weights`: the formats to plan for; a pack has its own. Errors as load_model.
Result<Inspection> inspect_model(const std::filesystem::path& path, WeightChoice weights);

// Of a loaded model, also while it computes. What only files tell is of those at `path` (asked for as `weights`) while they
// are that model's. With an empty path (a shape), or others' files, its weights count as stored as they are in memory.
Inspection inspect_loaded(const LoadedModel& loaded, const std::filesystem::path& path, WeightChoice weights);

// A table for people; tensors that differ only in their numbers share a line.
std::string to_text(const Inspection& inspection);
// Everything, every tensor; what is in no layer (a row with "layer": null) and layers, with their parts.
boost::json::object to_json(const Inspection& inspection);

// Tokens whose keys and values fit into `bytes` of cache, in whole pages.
int64_t tokens_that_fit(const Inspection& inspection, size_t bytes);

}  // namespace hone::model
