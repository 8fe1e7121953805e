// From a path to a model that can run: a folder in Hugging Face layout (config.json, *.safetensors), or a pack file of
// ours (pack.h). A folder's weights are converted into memory of ours; a pack's are mapped and used in place.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/file_set.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint/pack_verification.h"
#include "model/checkpoint/weight_choice.h"
#include "model/checkpoint/weight_store.h"
#include "model/model.h"

namespace hone::model {

struct LoadOptions {
    WeightChoice weights = WeightChoice::as_stored;
    bool quiet = false;   // no progress
    bool verify = false;  // of a pack: checksums of the tensors too (reads the whole file)
};

// A model with its weights, and the small files that came with it.
struct LoadedModel {
    std::unique_ptr<Model> model;
    WeightStore weights;           // owns (or maps) what the model's weights point at
    boost::json::object config;    // config.json
    FileSet files;                 // tokenizer.json, chat_template.jinja...; a pack's lie in `weights`
    std::string name;              // of the folder or file, for messages and /v1/models
    PackChecksums checksums = {};  // of a pack's tensors, for BackgroundVerification; empty otherwise
};

// `pool` converts; progress goes to stderr. Errors name the path, and the tensor or field. A pack keeps the formats
// that it holds: asking it for others is an error.
Result<LoadedModel> load_model(const std::filesystem::path& path, const LoadOptions& options, ThreadPool& pool);

}  // namespace hone::model
