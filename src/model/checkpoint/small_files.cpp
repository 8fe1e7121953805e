#include "model/checkpoint/small_files.h"

namespace hone::model {

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

}  // namespace hone::model
