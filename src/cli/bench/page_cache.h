// Bringing a model's files into the page cache, and out of it, before a start is measured. Free functions, any thread.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"

namespace hone::cli {

// The file itself, or those that lie in the folder.
Result<std::vector<std::filesystem::path>> model_files(const std::filesystem::path& model);

// Reads them all. Files that are larger than the memory push each other out.
Status warm_page_cache(const std::vector<std::filesystem::path>& files);
// Asks the system to forget them. It keeps what a process has mapped.
Status drop_page_cache(const std::vector<std::filesystem::path>& files);

// The share of their bytes that is in memory.
Result<double> cached_share(const std::vector<std::filesystem::path>& files);

}  // namespace hone::cli
