// The small files that come with a model (tokenizer.json, chat_template.jinja, ...), by name: those of a folder, or
// those that a pack file holds. Immutable; any thread may read.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"

namespace hone {

class FileSet {
  public:
    FileSet() = default;
    // The files of a folder, read when asked for.
    FileSet(const char* folder) : FileSet(std::filesystem::path(folder)) {}
    FileSet(std::filesystem::path folder) : where_(std::move(folder)), on_disk_(true) {}
    // Files in memory; `where` stands for their folder in messages.
    FileSet(std::filesystem::path where, std::map<std::string, std::string> contents)
        : where_(std::move(where)), contents_(std::move(contents)) {}

    bool has(const std::string& name) const;
    // The whole file; nothing if there is none of that name. Errors name the file.
    Result<std::optional<std::string>> read(const std::string& name) const;
    // How messages name the file: "FOLDER/tokenizer.json".
    std::string path_of(const std::string& name) const { return (where_ / name).string(); }
    std::string where() const { return where_.string(); }

  private:
    std::filesystem::path where_;
    bool on_disk_ = false;
    std::map<std::string, std::string> contents_;
};

}  // namespace hone
