#include "base/file_set.h"

#include "base/mapped_file.h"

namespace hone {

bool FileSet::has(const std::string& name) const {
    return on_disk_ ? std::filesystem::exists(where_ / name) : contents_.contains(name);
}

Result<std::optional<std::string>> FileSet::read(const std::string& name) const {
    if (!has(name)) return std::optional<std::string>();
    if (!on_disk_) return std::optional(contents_.at(name));
    auto text = read_text_file(where_ / name);
    if (!text) return text.error();
    return std::optional(std::move(*text));
}

}  // namespace hone
