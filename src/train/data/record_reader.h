// From a line of JSON to examples: chats, prompts with completions, text, token ids, preferences. docs/training_data.md
// has the formats. Immutable; any thread may read, many at once; what `TextReading` points to outlives it. Errors of
// read(line) name the key and what is allowed; those of read(index, record) file and line too.
#pragma once

#include <chrono>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "text/chat/template_files.h"
#include "text/tokenizer/tokenizer.h"
#include "train/data/example.h"
#include "train/data/record_index.h"

namespace hone::train {

enum class Format {
    any,  // of the four below it the one whose keys the line has
    chat,
    completion,
    text,
    tokens,
    preference
};

struct Messages;

struct TextReading {
    const text::Tokenizer* tokenizer = nullptr;
    const text::ChatTemplates* chat_templates = nullptr;  // null: the model has none
    text::SpecialTokens special_tokens = {};
    int32_t vocabulary = 0;  // of the model: ids are below it
};

struct RecordOptions {
    Format format = Format::any;
    bool append_eos = true;  // behind text and completions that are strings
    // Prompts count too, with the weight 1 like all else; weights of messages do not. Not for preferences.
    bool train_on_prompts = false;
    boost::json::object template_variables = {};  // a line's chat_template_kwargs win over them
    // What templates that write the date are told, so that a run that goes on another day reads the same tokens.
    std::chrono::local_seconds clock = std::chrono::local_days(std::chrono::year(2026) / 1 / 1);
};

class RecordReader {
  public:
    RecordReader(TextReading text, RecordOptions options) : text_(std::move(text)), options_(std::move(options)) {}

    Result<Record> read(std::string_view line) const;
    Result<Record> read(const RecordIndex& index, uint64_t record) const;

    // What there is to read in a record, for training a tokenizer: needs none, and no vocabulary. Strings, and chats as
    // the template writes them. Not of token ids and preferences.
    Result<std::vector<std::string>> read_texts(std::string_view line) const;
    Result<std::vector<std::string>> read_texts(const RecordIndex& index, uint64_t record) const;

    bool reads_preferences() const { return options_.format == Format::preference; }

  private:
    struct Line;
    static Result<Line> parse(std::string_view line);
    Result<Format> format_of(const Line& line) const;
    Result<Record> read_as(Format format, const Line& line) const;
    static Result<Messages> read_conversation(Format format, const Line& line);
    Result<Record> read_chat(Format format, const Line& line) const;
    Result<Record> read_completion(const Line& line) const;
    Result<Record> read_text(const Line& line) const;
    Result<Record> read_tokens(const Line& line) const;
    Result<Record> read_preference(const Line& line) const;
    Status check(const Record& record) const;

    const TextReading text_;
    const RecordOptions options_;
};

}  // namespace hone::train
