// The small files that belong to a model beside its tensors: config.json, what a tokenizer needs, chat templates. A pack
// holds them, an exported folder too. Free functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "base/file_set.h"
#include "base/result.h"

namespace hone::model {

struct SmallFile {
    std::string name, content;  // the name may have a folder before it
};

// Those that there are. Errors name the file.
Result<std::vector<SmallFile>> read_small_files(const FileSet& files);

}  // namespace hone::model
