// A folder in Hugging Face layout: config.json; the tensors in model.safetensors or in the shards that
// model.safetensors.index.json names; small text files beside them. Opening reads headers only. Immutable once open.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"

namespace hone::model {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;

class CheckpointFolder {
  public:
    // Errors name the file and tensor: shards that are missing, lie outside the folder, or lack a tensor of the index.
    static Result<CheckpointFolder> open(const std::filesystem::path& folder);

    const boost::json::object& config() const { return config_; }
    // The tensors, by the names they have in the files.
    const std::map<std::string_view, const math::TensorView*>& tensors() const { return tensors_; }
    const std::filesystem::path& path() const { return path_; }

  private:
    Status open_index(const std::filesystem::path& index);

    std::filesystem::path path_;
    boost::json::object config_;
    std::vector<SafetensorsFile> files_;
    std::map<std::string_view, const math::TensorView*> tensors_;  // into files_' maps, whose nodes do not move
};

// A folder's own name, however the path is written ("DIR/", "..").
std::string folder_name(const std::filesystem::path& folder);

}  // namespace hone::model
