// A model's weights as a checkpoint in Hugging Face layout. The values are those that the model computes with, so that
// loading the folder with the same --weights, or packing it, gives the very bits of every packed weight: a bf16 weight is
// bf16, an INT4 weight its codes times scales, which the quantiser takes back to the same codes and scales (numerics.md
// rule 16; weights below 2^126). One thread, which owns the pool; the model is only read.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include <boost/json/object.hpp>

#include "base/file_set.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/adapter_file.h"
#include "model/checkpoint/hugging_face_folder.h"
#include "model/model.h"

namespace hone::model {

// Of weights by name, row-major.
using WeightValues = std::map<std::string, std::span<const float>, std::less<>>;

struct ExportOptions {
    // The fp32 values that training moves, for going on elsewhere: written in place of those that are served, which are
    // computed from them. Of every weight of the model, or null.
    const WeightValues* masters = nullptr;
    // Merged into the weights, if there is one: W + alpha/r B A in fp32, rounded to bf16, as all matrices but routers are
    // then. Not beside masters.
    const AdapterContents* adapter = nullptr;
    FolderOptions folder{};
    size_t shard_bytes = kShardBytes;
    bool quiet = false;  // no progress
};

// Every tensor has Hugging Face's name and the narrowest of bf16 and fp32 that holds its values exactly. `files` come
// along; `config` is config.json, in which the type becomes float32 where matrices need it, and a tied head that is not
// the embedding's values is untied. Holds some MiB. Errors name `out`, the small file, or what of the adapter does not
// fit.
Status export_model(Model& model, const boost::json::object& config, const FileSet& files,
                    const std::filesystem::path& out, const ExportOptions& options, ThreadPool& pool);

}  // namespace hone::model
