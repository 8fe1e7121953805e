#include "model/checkpoint/small_files.h"

#include "base/atomic_file.h"

namespace hone::model {

namespace fs = std::filesystem;

constexpr const char* kSmallFiles[] = {"config.json",
                                       "tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "chat_template.jinja",
                                       "generation_config.json",
                                       "tokenizer.model",
                                       "tiktoken.model",
                                       "merges.txt",
                                       "vocab.json",
                                       "added_tokens.json"};
constexpr const char* kTemplateFolder = "additional_chat_templates";

Result<std::vector<SmallFile>> read_small_files(const FileSet& files) {
    std::vector<std::string> names = files.names_in(kTemplateFolder, ".jinja");
    for (const char* name : kSmallFiles)
        if (files.has(name)) names.emplace_back(name);
    std::vector<SmallFile> contents;
    for (std::string& name : names) {
        auto content = files.read(name);
        if (!content) return content.error();
        contents.push_back({std::move(name), std::move(*content)});
    }
    return contents;
}

Status write_small_files(const fs::path& folder, std::span<const SmallFile> files) {
    for (const SmallFile& file : files) {
        const fs::path path = folder / file.name;
        if (const Status made = make_folders(path.parent_path()); !made) return made;
        if (const Status written = write_file(path, file.content); !written) return written;
    }
    return ok();
}

}  // namespace hone::model
