// A table of a recipe whose values are noted as they are read, with the lines that they are in: what a job was begun
// with is compared with them later. Mistakes are told as base/toml_file.h tells them. One thread.
#pragma once

#include "base/toml_file.h"
#include "train/recipe.h"

namespace hone::train {

class NotedTable {
  public:
    // The whole of a recipe. `folder` is what its paths are relative to; it and `values` outlive the table.
    NotedTable(TomlTable root, const std::filesystem::path& folder, std::vector<RecipeValue>& values)
        : table_(std::move(root)), folder_(folder), values_(values) {}

    NotedTable table(std::string_view key) {
        NotedTable table(table_.table(key), folder_, values_);
        table.path_ = fmt::format("{}{}.", path_, key);
        return table;
    }
    bool has(std::string_view key) const { return table_.has(key); }
    void mistake(std::string_view key, std::string_view what) { table_.mistake(key, what); }
    Status finish() const { return table_.finish(); }

    std::string text(std::string_view key, std::optional<std::string> otherwise = {}) {
        return noted(key, table_.text(key, std::move(otherwise)));
    }
    size_t choice(std::string_view key, std::initializer_list<std::string_view> choices,
                  std::optional<size_t> otherwise = {}) {
        const size_t chosen = table_.choice(key, choices, otherwise);
        noted(key, std::data(choices)[chosen]);
        return chosen;
    }
    bool flag(std::string_view key, std::optional<bool> otherwise) { return noted(key, table_.flag(key, otherwise)); }
    int64_t integer(std::string_view key, int64_t least, int64_t most, std::optional<int64_t> otherwise) {
        return noted(key, table_.integer(key, least, most, otherwise));
    }
    double number(std::string_view key, double least, double most, std::optional<double> otherwise = {}) {
        return noted(key, table_.number(key, least, most, otherwise));
    }
    std::vector<std::string> texts(std::string_view key, std::optional<std::vector<std::string>> otherwise = {}) {
        std::vector<std::string> texts = table_.texts(key, std::move(otherwise));
        noted(key, joined(texts));
        return texts;
    }
    std::filesystem::path path(std::string_view key, std::optional<std::string> otherwise = {}) {
        return absolute(text(key, std::move(otherwise)));
    }
    std::vector<std::filesystem::path> paths(std::string_view key,
                                             std::optional<std::vector<std::string>> otherwise = {}) {
        std::vector<std::filesystem::path> paths;
        for (const std::string& text : texts(key, std::move(otherwise))) paths.push_back(absolute(text));
        return paths;
    }

  private:
    // Entries that could be taken for several, or for quoted ones, are quoted: no two lists read the same.
    static std::string joined(const std::vector<std::string>& texts) {
        std::vector<std::string> told;
        for (const std::string& text : texts) {
            const bool is_plain = !text.empty() && text.find_first_of(",\"") == text.npos;
            told.push_back(is_plain ? text : fmt::format("{:?}", text));
        }
        return fmt::format("{}", fmt::join(told, ", "));
    }
    std::filesystem::path absolute(const std::string& text) const {
        return text.empty() ? std::filesystem::path() : (folder_ / text).lexically_normal();
    }
    template <class T>
    T noted(std::string_view key, T value) {
        values_.push_back(
            {fmt::format("{}{}", path_, key), fmt::format("{}", value), table_.line_at(key), !table_.has(key)});
        return value;
    }

    TomlTable table_;
    std::string path_;  // "data." before the keys of [data]
    const std::filesystem::path& folder_;
    std::vector<RecipeValue>& values_;
};

}  // namespace hone::train
