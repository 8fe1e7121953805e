#include "model/checkpoint/checkpoint_folder.h"

#include <boost/json/value.hpp>

#include "model/checkpoint/strict_json.h"
#include "model/printable.h"

namespace hone::model {

namespace fs = std::filesystem;

constexpr size_t kMaxIndexBytes = size_t{256} << 20;

// Whether a shard's name, as an index gives it, is a plain one that stays inside the folder. (A link inside the folder
// is its owner's choice: the Hugging Face cache is made of them.)
static bool stays_inside(const std::string& name) {
    const fs::path path(name);
    if (name.empty() || printable(name) != name || path.is_absolute()) return false;
    for (const auto& part : path) {
        if (part == "..") return false;
    }
    return true;
}

Status CheckpointFolder::open_index(const fs::path& index_path) {
    const auto index = read_json_object(index_path, kMaxIndexBytes);
    if (!index) return index.error();
    const auto* map = index->if_contains("weight_map");
    if (!map || !map->is_object())
        return error("{}: field 'weight_map' is missing or not an object", index_path.string());

    std::map<std::string, size_t> shard_of_name;
    for (const auto& field : map->get_object()) {
        const std::string tensor = field.key();
        if (!field.value().is_string()) {
            return error("{}: the shard of tensor {} must be a string", index_path.string(), in_quotes(tensor));
        }
        const std::string shard(field.value().get_string());
        auto known = shard_of_name.find(shard);
        if (known == shard_of_name.end()) {
            if (!stays_inside(shard)) {
                return error("{}: tensor {} lies in {}, which is outside the folder or no file name",
                             index_path.string(), in_quotes(tensor), in_quotes(shard));
            }
            auto file = SafetensorsFile::open(path_ / shard);
            if (!file) return file.error().within(index_path.string());
            files_.push_back(std::move(*file));
            known = shard_of_name.emplace(shard, files_.size() - 1).first;
        }
        const auto& tensors = files_[known->second].tensors();
        const auto found = tensors.find(tensor);
        if (found == tensors.end()) {
            return error("{}: {} has no tensor {}", index_path.string(), in_quotes(shard), in_quotes(tensor));
        }
        tensors_.emplace(found->first, &found->second);
    }
    return ok();
}

Result<CheckpointFolder> CheckpointFolder::open(const fs::path& path) {
    std::error_code ignored;
    if (fs::exists(path, ignored) && !fs::is_directory(path, ignored)) {
        return error("{}: not a checkpoint folder", path.string());
    }
    CheckpointFolder folder;
    folder.path_ = path;
    auto config = read_json_object(path / "config.json", kMaxConfigBytes);
    if (!config) return config.error();
    folder.config_ = std::move(*config);

    const fs::path single = path / "model.safetensors", index = path / "model.safetensors.index.json";
    if (fs::exists(single, ignored)) {
        auto file = SafetensorsFile::open(single);
        if (!file) return file.error();
        folder.files_.push_back(std::move(*file));
        for (const auto& [name, view] : folder.files_.front().tensors()) folder.tensors_.emplace(name, &view);
    } else if (fs::exists(index, ignored)) {
        if (const Status opened = folder.open_index(index); !opened) return opened.error();
    } else {
        return error("{}: neither model.safetensors nor model.safetensors.index.json is there", path.string());
    }
    return folder;
}

std::string folder_name(const fs::path& folder) {
    const fs::path path = fs::absolute(folder).lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace hone::model
