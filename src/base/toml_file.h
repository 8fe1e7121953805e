// A TOML file (toml.io, 1.0) read key by key. Every key is asked for with the values that it may have; what is wrong or
// missing is noted with file, line and key, and a stand-in is returned, so that readers need no test for each key.
// finish() tells the first mistake, or a key that nobody asked for. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hone {

// A table of the file, or the whole of it. Copies refer to the same file and note mistakes in the same place.
class TomlTable {
  public:
    // Files of more than 16 MiB are refused.
    static Result<TomlTable> read(const std::filesystem::path& path);
    // `name` stands for the file in errors.
    static Result<TomlTable> parse(std::string_view text, std::string name);

    // Whether the key is there, whatever its value. It still has to be asked for.
    bool has(std::string_view key) const;
    // Where the key's value is; where the key is missing, where the table begins.
    int line_at(std::string_view key) const;

    // The key's value; without `otherwise` it has to be there. Numbers are within [least, most]; an integer is taken for
    // a number too.
    std::string text(std::string_view key, std::optional<std::string> otherwise = {});
    // One of `choices`; the index of it.
    size_t choice(std::string_view key, std::initializer_list<std::string_view> choices,
                  std::optional<size_t> otherwise = {});
    bool flag(std::string_view key, std::optional<bool> otherwise = {});
    int64_t integer(std::string_view key, int64_t least, int64_t most, std::optional<int64_t> otherwise = {});
    double number(std::string_view key, double least, double most, std::optional<double> otherwise = {});
    std::vector<int64_t> integers(std::string_view key, int64_t least, int64_t most,
                                  std::optional<std::vector<int64_t>> otherwise = {});
    std::vector<std::string> texts(std::string_view key, std::optional<std::vector<std::string>> otherwise = {});

    // [key]; where it is missing an empty table, in which keys without `otherwise` are missing.
    TomlTable table(std::string_view key);
    // [[key]]; none where it is missing.
    std::vector<TomlTable> tables(std::string_view key);

    // Notes a mistake that only the caller can see in the key's value: "must divide heads".
    void mistake(std::string_view key, std::string_view what);

    // The first mistake noted in the whole file; without one, the first key in it that was not asked for.
    Status finish() const;

  private:
    struct File;
    TomlTable(std::shared_ptr<File> file, const void* table, std::string path, int line);
    const void* node(std::string_view key);
    const void* needed(std::string_view key, bool has_otherwise);
    void note(std::string_view key, int line, std::string_view what);

    std::shared_ptr<File> file_;
    const void* table_;  // of the library; null where the table is missing
    std::string path_;   // "machine." before the keys of [machine]
    int line_;           // where the table begins
};

}  // namespace hone
