#include "text/chat/template_files.h"

#include "text/json_view.h"

namespace hone::text {

namespace {

constexpr size_t kLargestTemplate = size_t{1} << 20;
constexpr const char* kTemplate = "chat_template.jinja";
constexpr const char* kConfig = "tokenizer_config.json";
constexpr const char* kAdditionalFolder = "additional_chat_templates";

using Named = std::map<std::string, ChatTemplate>;

Status add(Named& templates, std::string_view name, std::string source, const std::string& where) {
    Result<ChatTemplate> parsed = ChatTemplate::parse(std::move(source), where);
    if (!parsed) return parsed.error();
    templates.insert_or_assign(std::string(name), std::move(*parsed));
    return ok();
}

Status add_file(Named& templates, const std::string& name, const FileSet& files, const std::string& file) {
    Result<std::string> source = files.read(file, kLargestTemplate);
    if (!source) return source.error();
    return add(templates, name, std::move(*source), files.path_of(file));
}

// The templates of tokenizer_config.json: a text, or a list of {name, template}.
Status add_from_config(Named& templates, const FileSet& files) {
    Status added;
    const std::string where = files.path_of(kConfig) + ": chat_template";
    const Status read = read_json_file(files, kConfig, [&](const JsonView& root) {
        const JsonView field = root["chat_template"];
        if (!field.exists()) return;
        if (field.is_string()) {
            added = add(templates, "default", std::string(field.text()), where);
            return;
        }
        field.for_each([&](const JsonView& entry) {
            const std::string_view name = entry["name"].text(), source = entry["template"].text();
            if (!added || !entry.ok()) return;
            added = add(templates, name, std::string(source), fmt::format("{}.{}", where, name));
        });
    });
    return read ? added : read;
}

Status add_additional(Named& templates, const FileSet& files) {
    for (const std::string& file : files.names_in(kAdditionalFolder, ".jinja")) {
        Status added = add_file(templates, std::filesystem::path(file).stem().string(), files, file);
        if (!added) return added;
    }
    return ok();
}

}  // namespace

Result<std::optional<ChatTemplates>> ChatTemplates::load(const FileSet& files) {
    ChatTemplates templates;
    Status added = ok();
    if (files.has(kTemplate))
        added = add_file(templates.by_name_, "default", files, kTemplate);
    else if (files.has(kConfig))
        added = add_from_config(templates.by_name_, files);
    if (added) added = add_additional(templates.by_name_, files);
    if (!added) return added.error();
    if (templates.by_name_.empty()) return std::optional<ChatTemplates>();
    if (!templates.by_name_.count("default")) {
        if (templates.by_name_.size() > 1)
            return error("{}: several chat templates, and none is called \"default\"", files.where());
        ChatTemplate only = templates.by_name_.begin()->second;
        templates.by_name_.emplace("default", std::move(only));
    }
    return std::optional<ChatTemplates>(std::move(templates));
}

const ChatTemplate& ChatTemplates::choose(bool has_tools) const {
    auto for_tools = by_name_.find("tool_use");
    return has_tools && for_tools != by_name_.end() ? for_tools->second : by_name_.at("default");
}

}  // namespace hone::text
