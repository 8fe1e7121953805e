// The small files that come with a model (config.json, tokenizer.json, chat_template.jinja, ...), by name: those of a
// folder, or those that a pack file holds. A name may have a folder before it ("additional_chat_templates/rag.jinja").
// Immutable; any thread may read. Errors name the file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hone {

class FileSet {
  public:
    FileSet() = default;
    // The files of a folder, read when asked for.
    FileSet(std::filesystem::path folder) : where_(std::move(folder)), on_disk_(true) {}
    // Files that lie in memory, which outlives the set; `where` stands for their folder in messages.
    FileSet(std::filesystem::path where, std::map<std::string, std::string_view> contents)
        : where_(std::move(where)), contents_(std::move(contents)) {}

    bool has(const std::string& name) const;
    // The whole file. One that is missing, or larger than `limit` bytes, is an error.
    Result<std::string> read(const std::string& name, size_t limit = size_t{256} << 20) const;
    // The names, sorted, of the files that lie directly in `folder` and end in `extension` (".jinja").
    std::vector<std::string> names_in(const std::string& folder, std::string_view extension) const;

    // How messages name the file: "FOLDER/tokenizer.json".
    std::string path_of(const std::string& name) const { return (where_ / name).string(); }
    std::string where() const { return where_.string(); }

  private:
    std::filesystem::path where_;
    bool on_disk_ = false;
    std::map<std::string, std::string_view> contents_;
};

}  // namespace hone
