#include "base/toml_file.h"

#include <algorithm>
#include <cmath>
#include <set>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "base/mapped_file.h"

namespace hone {
namespace {

constexpr size_t kLongest = size_t{16} << 20;

const toml::table& as_table(const void* table) {
    return *static_cast<const toml::table*>(table);
}

const toml::node& as_node(const void* node) {
    return *static_cast<const toml::node*>(node);
}

int line_of(const toml::node& node) {
    return static_cast<int>(node.source().begin.line);
}

std::string kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "a list";
        case toml::node_type::string:
            return "a text";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a number";
        case toml::node_type::boolean:
            return "true or false";
        default:
            return "a date or time";
    }
}

}  // namespace

struct TomlTable::File {
    toml::table root;
    std::string name;
    std::set<const void*> asked;  // nodes
    std::optional<Error> first;

    // The first key of the table, in the file's order, that nobody asked for.
    struct Unasked {
        int line = 0;
        std::string path;
    };
    std::optional<Unasked> unasked(const toml::table& table, const std::string& path) const {
        std::optional<Unasked> first_key;
        const auto consider = [&](std::optional<Unasked> key) {
            if (key && (!first_key || key->line < first_key->line)) first_key = std::move(key);
        };
        for (const auto& [key, node] : table) {
            const std::string name_of_key = path + std::string(key.str());
            if (!asked.contains(&node)) {
                consider(Unasked{static_cast<int>(key.source().begin.line), name_of_key});
            } else if (const toml::table* inner = node.as_table()) {
                consider(unasked(*inner, name_of_key + "."));
            } else if (const toml::array* list = node.as_array()) {
                for (const toml::node& entry : *list) {
                    if (const toml::table* inner = entry.as_table()) consider(unasked(*inner, name_of_key + "."));
                }
            }
        }
        return first_key;
    }
};

TomlTable::TomlTable(std::shared_ptr<File> file, const void* table, std::string path, int line)
    : file_(std::move(file)), table_(table), path_(std::move(path)), line_(line) {}

Result<TomlTable> TomlTable::read(const std::filesystem::path& path) {
    auto text = read_text_file(path, kLongest);
    if (!text) return text.error();
    return parse(*text, path.string());
}

Result<TomlTable> TomlTable::parse(std::string_view text, std::string name) {
    auto parsed = toml::parse(text);
    if (!parsed) {
        const toml::parse_error& failure = parsed.error();
        return error("{}:{}: {}", name, failure.source().begin.line, failure.description());
    }
    auto file = std::make_shared<File>();
    file->root = std::move(parsed).table();
    file->name = std::move(name);
    const void* const root = &file->root;
    return TomlTable(std::move(file), root, "", 1);
}

void TomlTable::note(std::string_view key, int line, std::string_view what) {
    if (!file_->first) file_->first = error("{}:{}: {}{} {}", file_->name, line, path_, key, what);
}

int TomlTable::line_at(std::string_view key) const {
    const toml::node* const found = table_ ? as_table(table_).get(key) : nullptr;
    return found ? line_of(*found) : line_;
}

void TomlTable::mistake(std::string_view key, std::string_view what) {
    note(key, line_at(key), what);
}

bool TomlTable::has(std::string_view key) const {
    return table_ && as_table(table_).contains(key);
}

// The key's node, which counts as asked for; null where there is none.
const void* TomlTable::node(std::string_view key) {
    const toml::node* const found = table_ ? as_table(table_).get(key) : nullptr;
    if (found) file_->asked.insert(found);
    return found;
}

const void* TomlTable::needed(std::string_view key, bool has_otherwise) {
    const void* const found = node(key);
    if (!found && !has_otherwise) note(key, line_, "is missing");
    return found;
}

std::string TomlTable::text(std::string_view key, std::optional<std::string> otherwise) {
    const void* const found = needed(key, otherwise.has_value());
    if (!found) return otherwise.value_or("");
    if (const auto value = as_node(found).value_exact<std::string>()) return *value;
    note(key, line_of(as_node(found)), fmt::format("is {}; it must be a text in quotes", kind_of(as_node(found))));
    return otherwise.value_or("");
}

size_t TomlTable::choice(std::string_view key, std::initializer_list<std::string_view> choices,
                         std::optional<size_t> otherwise) {
    const void* const found = needed(key, otherwise.has_value());
    if (!found) return otherwise.value_or(0);
    const auto value = as_node(found).value_exact<std::string>();
    const auto at = value ? std::ranges::find(choices, *value) : choices.end();
    if (at != choices.end()) return static_cast<size_t>(at - choices.begin());
    note(key, line_of(as_node(found)), fmt::format("must be one of \"{}\"", fmt::join(choices, "\", \"")));
    return otherwise.value_or(0);
}

bool TomlTable::flag(std::string_view key, std::optional<bool> otherwise) {
    const void* const found = needed(key, otherwise.has_value());
    if (!found) return otherwise.value_or(false);
    if (const auto value = as_node(found).value_exact<bool>()) return *value;
    note(key, line_of(as_node(found)), fmt::format("is {}; it must be true or false", kind_of(as_node(found))));
    return otherwise.value_or(false);
}

int64_t TomlTable::integer(std::string_view key, int64_t least, int64_t most, std::optional<int64_t> otherwise) {
    const void* const found = needed(key, otherwise.has_value());
    if (!found) return otherwise.value_or(least);
    const auto value = as_node(found).value_exact<int64_t>();
    if (value && *value >= least && *value <= most) return *value;
    const std::string given = value ? std::to_string(*value) : kind_of(as_node(found));
    note(key, line_of(as_node(found)), fmt::format("is {}; it must be an integer from {} to {}", given, least, most));
    return otherwise.value_or(least);
}

double TomlTable::number(std::string_view key, double least, double most, std::optional<double> otherwise) {
    const void* const found = needed(key, otherwise.has_value());
    if (!found) return otherwise.value_or(least);
    const toml::node& node = as_node(found);
    const auto value = node.is_number() ? node.value<double>() : std::nullopt;
    if (value && *value >= least && *value <= most) return *value;
    const std::string given = value ? fmt::format("{}", *value) : kind_of(node);
    note(key, line_of(node), fmt::format("is {}; it must be a number from {} to {}", given, least, most));
    return otherwise.value_or(least);
}

std::vector<int64_t> TomlTable::integers(std::string_view key, int64_t least, int64_t most,
                                         std::optional<std::vector<int64_t>> otherwise) {
    const void* const found = needed(key, otherwise.has_value());
    if (!found) return otherwise.value_or(std::vector<int64_t>{});
    std::vector<int64_t> values;
    const toml::array* const list = as_node(found).as_array();
    for (size_t i = 0; list && i < list->size(); i++) {
        const auto value = (*list)[i].value_exact<int64_t>();
        if (!value || *value < least || *value > most) break;
        values.push_back(*value);
    }
    if (list && values.size() == list->size()) return values;
    note(key, line_of(as_node(found)), fmt::format("must be a list of integers from {} to {}", least, most));
    return otherwise.value_or(std::vector<int64_t>{});
}

std::vector<std::string> TomlTable::texts(std::string_view key, std::optional<std::vector<std::string>> otherwise) {
    const void* const found = needed(key, otherwise.has_value());
    if (!found) return otherwise.value_or(std::vector<std::string>{});
    std::vector<std::string> values;
    const toml::array* const list = as_node(found).as_array();
    for (size_t i = 0; list && i < list->size(); i++) {
        const auto value = (*list)[i].value_exact<std::string>();
        if (!value) break;
        values.push_back(*value);
    }
    if (list && values.size() == list->size()) return values;
    note(key, line_of(as_node(found)), "must be a list of texts in quotes");
    return otherwise.value_or(std::vector<std::string>{});
}

TomlTable TomlTable::table(std::string_view key) {
    const std::string path = fmt::format("{}{}.", path_, key);
    const void* const found = node(key);
    if (!found) return {file_, nullptr, path, line_};
    if (!as_node(found).is_table())
        note(key, line_of(as_node(found)), fmt::format("must be a table: [{}{}]", path_, key));
    return {file_, as_node(found).as_table(), path, line_of(as_node(found))};
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
    std::vector<TomlTable> all;
    const void* const found = node(key);
    if (!found) return all;
    const toml::array* const list = as_node(found).as_array();
    for (size_t i = 0; list && i < list->size(); i++) {
        const toml::node& entry = (*list)[i];
        if (!entry.is_table()) break;
        all.push_back({file_, entry.as_table(), fmt::format("{}{}.", path_, key), line_of(entry)});
    }
    if (list && all.size() == list->size()) return all;
    note(key, line_of(as_node(found)), fmt::format("must be tables: [[{}{}]]", path_, key));
    return {};
}

Status TomlTable::finish() const {
    if (file_->first) return *file_->first;
    if (const auto key = file_->unasked(file_->root, ""))
        return error("{}:{}: {} is no key that is known here", file_->name, key->line, key->path);
    return ok();
}

}  // namespace hone
