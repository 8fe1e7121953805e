#include "base/file_set.h"

#include <algorithm>

#include "base/mapped_file.h"

namespace hone {

namespace fs = std::filesystem;

bool FileSet::has(const std::string& name) const {
    std::error_code unreadable;
    return on_disk_ ? fs::exists(where_ / name, unreadable) : contents_.contains(name);
}

Result<std::string> FileSet::read(const std::string& name, size_t limit) const {
    if (on_disk_) return read_text_file(where_ / name, limit);
    const auto found = contents_.find(name);
    if (found == contents_.end()) return error("{}: there is no such file", path_of(name));
    if (found->second.size() > limit) {
        return error("{}: {} bytes are more than the {} allowed here", path_of(name), found->second.size(), limit);
    }
    return std::string(found->second);
}

std::vector<std::string> FileSet::names_in(const std::string& folder, std::string_view extension) const {
    std::vector<std::string> names;
    const auto add = [&](const fs::path& name) {
        if (name.parent_path() == folder && name.extension() == extension) names.push_back(name.string());
    };
    std::error_code absent;
    if (on_disk_) {
        // Not a range-for: its increment would throw.
        for (fs::directory_iterator file(where_ / folder, absent), end; !absent && file != end; file.increment(absent))
            add(fs::path(folder) / file->path().filename());
    } else {
        for (const auto& [name, content] : contents_) add(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace hone
