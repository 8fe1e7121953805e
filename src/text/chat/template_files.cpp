#include "text/chat/template_files.h"

#include <algorithm>

#include "base/mapped_file.h"

namespace hone::text {

namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr size_t kLargestTemplate = size_t{1} << 20;
constexpr size_t kLargestConfig = size_t{64} << 20;

bool has_file(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
}

Result<json::object> read_json(const fs::path& path) {
    Result<std::string> text = read_text_file(path, kLargestConfig);
    if (!text) return text.error();
    json::error_code failure;
    json::value value = json::parse(*text, failure);
    if (failure) return error("{}: not JSON: {}", path.string(), failure.message());
    if (!value.is_object()) return error("{}: not a JSON object", path.string());
    return std::move(value.get_object());
}

using Named = std::map<std::string, ChatTemplate>;

Status add(Named& templates, const std::string& name, std::string source, const std::string& where) {
    Result<ChatTemplate> parsed = ChatTemplate::parse(std::move(source), where);
    if (!parsed) return parsed.error();
    templates.insert_or_assign(name, std::move(*parsed));
    return ok();
}

Status add_file(Named& templates, const std::string& name, const fs::path& path) {
    Result<std::string> source = read_text_file(path, kLargestTemplate);
    if (!source) return source.error();
    return add(templates, name, std::move(*source), path.string());
}

// The templates of tokenizer_config.json.
Status add_from_config(Named& templates, const fs::path& path) {
    Result<json::object> config = read_json(path);
    if (!config) return config.error();
    const json::value* field = config->if_contains("chat_template");
    if (!field || field->is_null()) return ok();
    std::string where = path.string() + ": chat_template";
    if (field->is_string()) return add(templates, "default", std::string(field->get_string()), where);
    if (!field->is_array()) return error("{} must be a text or a list of {{name, template}}", where);
    for (const json::value& item : field->get_array()) {
        const json::object* entry = item.if_object();
        const json::value* name = entry ? entry->if_contains("name") : nullptr;
        const json::value* source = entry ? entry->if_contains("template") : nullptr;
        if (!name || !name->is_string() || !source || !source->is_string())
            return error("{} must be a text or a list of {{name, template}}", where);
        std::string key(name->get_string());
        Status added = add(templates, key, std::string(source->get_string()), where + "." + key);
        if (!added) return added;
    }
    return ok();
}

Status add_additional(Named& templates, const fs::path& folder) {
    std::error_code failure;
    for (const fs::directory_entry& file : fs::directory_iterator(folder, failure)) {
        if (file.path().extension() != ".jinja") continue;
        Status added = add_file(templates, file.path().stem().string(), file.path());
        if (!added) return added;
    }
    return ok();
}

// A token is a text or an object with its content.
const json::string* token_text(const json::value& value) {
    const json::object* object = value.if_object();
    const json::value* content = object ? object->if_contains("content") : &value;
    return content ? content->if_string() : nullptr;
}

}  // namespace

Result<std::optional<ChatTemplates>> ChatTemplates::load(const fs::path& folder) {
    ChatTemplates templates;
    fs::path file = folder / "chat_template.jinja", config = folder / "tokenizer_config.json";
    Status added = ok();
    if (has_file(file))
        added = add_file(templates.by_name_, "default", file);
    else if (has_file(config))
        added = add_from_config(templates.by_name_, config);
    if (added) added = add_additional(templates.by_name_, folder / "additional_chat_templates");
    if (!added) return added.error();
    if (templates.by_name_.empty()) return std::optional<ChatTemplates>();
    if (!templates.by_name_.count("default")) {
        if (templates.by_name_.size() > 1)
            return error("{}: several chat templates, and none is called \"default\"", folder.string());
        ChatTemplate only = templates.by_name_.begin()->second;
        templates.by_name_.emplace("default", std::move(only));
    }
    return std::optional<ChatTemplates>(std::move(templates));
}

const ChatTemplate& ChatTemplates::choose(bool has_tools) const {
    auto for_tools = by_name_.find("tool_use");
    return has_tools && for_tools != by_name_.end() ? for_tools->second : by_name_.at("default");
}

Result<SpecialTokens> load_special_tokens(const fs::path& folder) {
    constexpr std::string_view kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                           "pad_token", "cls_token", "mask_token"};
    SpecialTokens tokens;
    for (std::string_view file : {"tokenizer_config.json", "special_tokens_map.json"}) {
        fs::path path = folder / file;
        if (!has_file(path)) continue;
        Result<json::object> config = read_json(path);
        if (!config) return config.error();
        for (std::string_view name : kNames) {
            const json::value* value = config->if_contains(name);
            bool is_known =
                std::any_of(tokens.begin(), tokens.end(), [&](const auto& token) { return token.first == name; });
            if (!value || value->is_null() || is_known) continue;
            const json::string* text = token_text(*value);
            if (!text) return error("{}: {} must be a text or an object with \"content\"", path.string(), name);
            tokens.emplace_back(name, std::string(*text));
        }
    }
    return tokens;
}

}  // namespace hone::text
