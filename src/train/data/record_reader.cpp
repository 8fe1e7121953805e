#include "train/data/record_reader.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "text/chat/chat_tokens.h"
#include "text/json_view.h"
#include "text/utf8.h"
#include "train/data/chat_examples.h"

namespace hone::train {

namespace json = boost::json;

struct RecordReader::Line {
    json::object fields;

    // The value, or null if it is absent or null.
    const json::value* find(std::string_view key) const {
        const json::value* value = fields.if_contains(key);
        return value && !value->is_null() ? value : nullptr;
    }
    bool has(std::string_view key) const { return find(key) != nullptr; }
    bool has_strings(std::initializer_list<std::string_view> keys) const {
        return std::ranges::all_of(keys, [&](std::string_view key) { return has(key) && find(key)->is_string(); });
    }
};

namespace {

constexpr const char* kFormats =
    "use messages (chat), prompt and completion, text, tokens, or chosen and rejected (preferences)";

Result<const json::value*> needed(const json::value* value, std::string_view key) {
    if (value) return value;
    return error("{}: is missing; {}", key, kFormats);
}

Error wrong_type(std::string_view key, std::string_view expected, const json::value& got) {
    return error("{}: must be {}, not {}", key, expected, text::json_type_name(got));
}

void append(Example& example, const std::vector<text::TokenId>& ids, float weight) {
    example.tokens.insert(example.tokens.end(), ids.begin(), ids.end());
    example.weights.resize(example.tokens.size(), weight);
}

void append_eos(Example& example, const text::Tokenizer& tokenizer) {
    const auto eos = tokenizer.eos();
    if (eos && (example.tokens.empty() || example.tokens.back() != *eos)) append(example, {*eos}, 1);
}

// A prompt as /v1/completions encodes it, and what follows as it would be sampled: of tokens of its own.
Example prompted(const TextReading& text, const RecordOptions& options, std::string_view prompt,
                 std::string_view completion) {
    Example example;
    const bool all_count = options.train_on_prompts && options.format != Format::preference;
    append(example, text.tokenizer->encode(prompt), all_count ? 1 : 0);
    append(example, text::encode_continuation(*text.tokenizer, completion), 1);
    if (options.append_eos) append_eos(example, *text.tokenizer);
    return example;
}

// What two texts have in common at their beginning, without the blank before they differ, and no part of a character.
size_t common_text(std::string_view a, std::string_view b) {
    const auto [differs, unused] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    auto common = static_cast<size_t>(differs - a.begin());
    if (common > 0 && a[common - 1] == ' ') --common;
    while (common > 0 && common < a.size() && text::is_continuation(a[common])) --common;
    return common;
}

Messages part_of(const Messages& messages, size_t begin, size_t end) {
    Messages out;
    for (size_t i = begin; i < end; ++i) out.list.push_back(messages.list[i]);
    out.weights.assign(messages.weights.begin() + static_cast<std::ptrdiff_t>(begin),
                       messages.weights.begin() + static_cast<std::ptrdiff_t>(end));
    return out;
}

// What follows the prompt counts, the prompt does not.
Messages joined(Messages prompt, const Messages& completion) {
    std::fill(prompt.weights.begin(), prompt.weights.end(), 0.0f);
    prompt.append(completion);
    return prompt;
}

}  // namespace

Result<Record> RecordReader::read(const RecordIndex& index, uint64_t record) const {
    const Result<std::string> line = index.read(record);
    if (!line) return line.error();
    Result<Record> out = read(*line);
    if (!out) return out.error().within(index.where(record));
    return out;
}

Result<std::vector<std::string>> RecordReader::read_texts(const RecordIndex& index, uint64_t record) const {
    const Result<std::string> line = index.read(record);
    if (!line) return line.error();
    auto out = read_texts(*line);
    if (!out) return out.error().within(index.where(record));
    return out;
}

Result<std::vector<std::string>> RecordReader::read_texts(std::string_view text) const {
    const auto line = parse(text);
    if (!line) return line.error();
    const Result<Format> format = format_of(*line);
    if (!format) return format.error();
    std::vector<std::string> out;
    const auto take_strings = [&](std::initializer_list<std::string_view> keys) {
        const bool are_strings = line->has_strings(keys);
        for (const std::string_view key : keys)
            if (are_strings) out.emplace_back(line->find(key)->get_string());
        return are_strings;
    };
    if (*format == Format::text) {
        if (take_strings({"text"})) return out;
        return line->has("text") ? wrong_type("text", "a string", *line->find("text"))
                                 : needed(nullptr, "text").error();
    }
    if (*format == Format::completion && take_strings({"prompt", "completion"})) return out;
    if (*format != Format::chat && *format != Format::completion)
        return error(
            "token ids and preferences are no text to learn a tokenizer from; use messages (chat), prompt and "
            "completion, or text");
    const auto messages = read_conversation(*format, *line);
    if (!messages) return messages.error();
    const auto settings = read_chat_settings(line->fields, options_);
    if (!settings) return settings.error();
    auto chat = chat_text(text_, options_, *messages, *settings);
    if (!chat) return chat.error();
    out.push_back(std::move(*chat));
    return out;
}

Result<RecordReader::Line> RecordReader::parse(std::string_view line) {
    auto parsed = text::parse_json(line);
    if (!parsed) return parsed.error();
    if (!parsed->is_object())
        return error("a record must be a JSON object, not {}; {}", text::json_type_name(*parsed), kFormats);
    return Line{std::move(parsed->get_object())};
}

Result<Record> RecordReader::read(std::string_view text) const {
    const auto parsed = parse(text);
    if (!parsed) return parsed.error();
    const Line& line = *parsed;
    const Result<Format> format = format_of(line);
    if (!format) return format.error();
    if (*format != Format::tokens && !(text_.tokenizer && text_.tokenizer->reads_text()))
        return error("this model has no tokenizer, so it takes no text; use tokens, a list of token ids");
    Result<Record> record = read_as(*format, line);
    if (!record) return record;
    for (Example& example : record->examples) {
        CHECK_EQ(example.tokens.size(), example.weights.size());
        if (!example.weights.empty()) example.weights[0] = 0;
    }
    if (const Status valid = check(*record); !valid) return valid.error();
    return record;
}

Result<Format> RecordReader::format_of(const Line& line) const {
    if (options_.format != Format::any) return options_.format;
    struct Keys {
        Format format;
        std::vector<std::string_view> keys;
    };
    static const Keys kKeys[] = {{Format::chat, {"messages"}},
                                 {Format::completion, {"prompt", "completion"}},
                                 {Format::text, {"text"}},
                                 {Format::tokens, {"tokens"}}};
    const Keys* found = nullptr;
    for (const Keys& candidate : kKeys) {
        const auto has = [&](std::string_view key) { return line.has(key); };
        if (!std::all_of(candidate.keys.begin(), candidate.keys.end(), has)) continue;
        if (found)
            return error("has the keys of two formats, {} and {}; name the format to read it as", found->keys[0],
                         candidate.keys[0]);
        found = &candidate;
    }
    if (found) return found->format;
    if (line.has("chosen") && line.has("rejected"))
        return error("chosen and rejected are preferences, which only training on preferences reads");
    std::string keys;
    for (const auto& member : line.fields) {
        keys += keys.empty() ? "" : ", ";
        keys += std::string_view(member.key()).substr(0, 40);
        if (keys.size() > 200) break;
    }
    return error("no format has the keys {}; {}", keys.empty() ? "of an empty object" : keys, kFormats);
}

Result<Record> RecordReader::read_as(Format format, const Line& line) const {
    switch (format) {
        case Format::chat:
            return read_chat(format, line);
        case Format::completion:
            return read_completion(line);
        case Format::text:
            return read_text(line);
        case Format::tokens:
            return read_tokens(line);
        default:
            return read_preference(line);
    }
}

// The messages of a chat, or of a prompt and a completion that are lists of them.
Result<Messages> RecordReader::read_conversation(Format format, const Line& line) {
    if (format == Format::chat) {
        const auto given = needed(line.find("messages"), "messages");
        if (!given) return given.error();
        return read_messages(**given, "messages");
    }
    const auto prompt = needed(line.find("prompt"), "prompt");
    if (!prompt) return prompt.error();
    const auto completion = needed(line.find("completion"), "completion");
    if (!completion) return completion.error();
    if ((*prompt)->is_string()) return wrong_type("completion", "a string, as prompt is", **completion);
    auto before = read_messages(**prompt, "prompt");
    if (!before) return before.error();
    const auto after = read_messages(**completion, "completion");
    if (!after) return after.error();
    return joined(std::move(*before), *after);
}

Result<Record> RecordReader::read_chat(Format format, const Line& line) const {
    const auto messages = read_conversation(format, line);
    if (!messages) return messages.error();
    const auto settings = read_chat_settings(line.fields, options_);
    if (!settings) return settings.error();
    auto examples = chat_examples(text_, options_, *messages, *settings);
    if (!examples) return examples.error();
    return Record{std::move(*examples)};
}

Result<Record> RecordReader::read_completion(const Line& line) const {
    if (!line.has_strings({"prompt", "completion"})) return read_chat(Format::completion, line);
    return Record{
        {prompted(text_, options_, line.find("prompt")->get_string(), line.find("completion")->get_string())}};
}

Result<Record> RecordReader::read_text(const Line& line) const {
    const auto given = needed(line.find("text"), "text");
    if (!given) return given.error();
    if (!(*given)->is_string()) return wrong_type("text", "a string", **given);
    Example example;
    append(example, text_.tokenizer->encode((*given)->get_string()), 1);
    if (options_.append_eos) append_eos(example, *text_.tokenizer);
    return Record{{std::move(example)}, true};
}

Result<Record> RecordReader::read_tokens(const Line& line) const {
    const auto given = needed(line.find("tokens"), "tokens");
    if (!given) return given.error();
    if (!(*given)->is_array()) return wrong_type("tokens", "a list of token ids", **given);
    Example example;
    for (const json::value& token : (*given)->get_array()) {
        const int64_t id = token.is_int64() ? token.get_int64() : -1;
        if (id < 0 || id >= text_.vocabulary)
            return error("tokens[{}]: must be a token id from 0 to {}", example.tokens.size(), text_.vocabulary - 1);
        example.tokens.push_back(static_cast<int32_t>(id));
    }
    const char* key = line.has("weights") ? "weights" : "mask";
    const json::value* weights = line.find(key);
    if (!weights) {
        example.weights.assign(example.tokens.size(), 1);
        return Record{{std::move(example)}, true};
    }
    if (line.has("weights") && line.has("mask")) return error("weights and mask: use one of them");
    if (!weights->is_array()) return wrong_type(key, "a list of numbers", *weights);
    if (weights->get_array().size() != example.tokens.size())
        return error("{}: has {} numbers for {} tokens", key, weights->get_array().size(), example.tokens.size());
    for (const json::value& weight : weights->get_array()) {
        const double number = weight.is_bool()     ? weight.get_bool()
                              : weight.is_number() ? weight.to_number<double>()
                                                   : -1;
        const auto rounded = static_cast<float>(number);
        if (!(number >= 0 && std::isfinite(rounded)))
            return error("{}[{}]: must be a number that is not negative", key, example.weights.size());
        example.weights.push_back(rounded);
    }
    return Record{{std::move(example)}};
}

Result<Record> RecordReader::read_preference(const Line& line) const {
    const auto chosen = needed(line.find("chosen"), "chosen");
    if (!chosen) return chosen.error();
    const auto rejected = needed(line.find("rejected"), "rejected");
    if (!rejected) return rejected.error();
    const json::value* prompt = line.find("prompt");
    if ((*chosen)->is_string() != (*rejected)->is_string())
        return error("chosen and rejected: must both be strings, or both be lists of messages");
    if ((*chosen)->is_string()) {
        if (prompt && !prompt->is_string()) return wrong_type("prompt", "a string, as chosen is", *prompt);
        std::string_view first = (*chosen)->get_string(), second = (*rejected)->get_string();
        const size_t common = prompt ? 0 : common_text(first, second);
        const std::string_view before = prompt ? std::string_view(prompt->get_string()) : first.substr(0, common);
        return Record{{prompted(text_, options_, before, first.substr(common)),
                       prompted(text_, options_, before, second.substr(common))}};
    }
    Result<Messages> sides[] = {read_messages(**chosen, "chosen"), read_messages(**rejected, "rejected")};
    for (const auto& side : sides)
        if (!side) return side.error();
    Messages before;
    if (prompt && prompt->is_array()) {
        auto read = read_messages(*prompt, "prompt");
        if (!read) return read.error();
        before = std::move(*read);
    } else {  // a prompt that is a string says again what both conversations begin with
        const size_t most = std::min(sides[0]->list.size(), sides[1]->list.size()) - 1;
        size_t common = 0;
        while (common < most && sides[0]->list[common] == sides[1]->list[common]) ++common;
        before = part_of(*sides[0], 0, common);
        for (auto& side : sides) *side = part_of(*side, common, side->list.size());
    }
    const auto settings = read_chat_settings(line.fields, options_);
    if (!settings) return settings.error();
    Record record;
    for (size_t i = 0; i < 2; ++i) {
        const char* key = i == 0 ? "chosen" : "rejected";
        auto examples = chat_examples(text_, options_, joined(before, *sides[i]), *settings);
        if (!examples) return examples.error().within(key);
        if (examples->size() != 1)
            return error("{}: {}", key,
                         examples->empty()
                             ? "has no reply to train on"
                             : "the chat template changes earlier replies when later ones come, so this is "
                               "no single conversation; put all but the last reply into prompt");
        record.examples.push_back(std::move(examples->front()));
    }
    return record;
}

Status RecordReader::check(const Record& record) const {
    for (const Example& example : record.examples) {
        const auto beyond = std::find_if(example.tokens.begin(), example.tokens.end(),
                                         [&](int32_t id) { return id < 0 || id >= text_.vocabulary; });
        if (beyond != example.tokens.end())
            return error(
                "the tokenizer makes the token id {}, but the model's vocabulary ends at {}; they do not belong "
                "together",
                *beyond, text_.vocabulary - 1);
    }
    return ok();
}

}  // namespace hone::train
