// The small files that belong to a model beside its tensors: config.json, what a tokenizer needs, chat templates. A pack
// holds them, an exported folder too. Free functions, any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/atomic_folder.h"
#include "base/file_set.h"
#include "base/result.h"

namespace hone::model {

struct SmallFile {
    std::string name, content;  // the name may have a folder before it
};

// Those that there are. Errors name the file.
Result<std::vector<SmallFile>> read_small_files(const FileSet& files);
// Folders in their names are made.
Status write_small_files(const std::filesystem::path& folder, std::span<const SmallFile> files);

// How a folder of weights is written: whether in place of one that is there, and what comes along.
struct FolderOptions {
    AtomicFolder::Existing existing = AtomicFolder::Existing::refuse;
    std::vector<SmallFile> more{};
};

}  // namespace hone::model
