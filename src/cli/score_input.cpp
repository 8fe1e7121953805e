#include "cli/score_input.h"

#include <algorithm>

#include "cli/json_lines.h"
#include "text/json_view.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::cli {
namespace {

// The tokenizer is loaded when the first line with a text asks for it.
class LineReader {
  public:
    explicit LineReader(const model::LoadedModel& loaded) : loaded_(loaded) {}

    Result<std::vector<int32_t>> read(std::string_view line) {
        const auto value = text::parse_json(line);
        if (!value) return value.error();
        if (const Status right = check_score_line(*value); !right) return right.error();
        const boost::json::object& object = value->get_object();
        const auto* ids = object.if_contains("ids");
        auto tokens = ids ? read_ids(ids->get_array()) : read_text(object.at("text").get_string());
        if (!tokens) return tokens;
        if (tokens->empty()) return error("no token to score");
        return tokens;
    }

  private:
    Result<std::vector<int32_t>> read_ids(const boost::json::array& array) const {
        const int32_t vocabulary = loaded_.model->spec().vocabulary;
        std::vector<int32_t> ids;
        for (const auto& element : array) {
            const auto* id = element.if_int64();
            if (!id || *id < 0 || *id >= vocabulary) {
                return error("'ids'[{}] must be a whole number from 0 to {}", ids.size(), vocabulary - 1);
            }
            ids.push_back(static_cast<int32_t>(*id));
        }
        return ids;
    }

    Result<std::vector<int32_t>> read_text(std::string_view text) {
        if (!tokenizer_) {
            auto loaded = text::Tokenizer::load(loaded_.files);
            if (!loaded) return loaded.error();
            tokenizer_ = std::move(*loaded);
        }
        std::vector<int32_t> ids = tokenizer_->encode(text);
        const int32_t vocabulary = loaded_.model->spec().vocabulary;
        for (const int32_t id : ids) {
            if (id >= vocabulary) {
                return error("the tokenizer gives token id {}, but the model's vocabulary ends at {}", id,
                             vocabulary - 1);
            }
        }
        return ids;
    }

    const model::LoadedModel& loaded_;
    std::unique_ptr<text::Tokenizer> tokenizer_;
};

}  // namespace

const ScoreSequence& longest_of(std::span<const ScoreSequence> sequences) {
    return *std::ranges::max_element(sequences, {}, [](const ScoreSequence& sequence) { return sequence.ids.size(); });
}

Status check_score_line(const boost::json::value& line) {
    const auto* object = line.if_object();
    const auto* ids = object ? object->if_contains("ids") : nullptr;
    const auto* text = object ? object->if_contains("text") : nullptr;
    if (!ids == !text) return error(R"(expected {{"ids": [...]}} or {{"text": "..."}})");
    if (ids && !ids->is_array()) return error("'ids' must be a list of token ids");
    if (text && !text->is_string()) return error("'text' must be a string");
    if (text && text->get_string().size() > text::Tokenizer::kLongestText)
        return error("'text' is too long ({} bytes)", text->get_string().size());
    if (ids && ids->get_array().empty()) return error("no token to score");
    return ok();
}

Result<std::vector<ScoreSequence>> read_score_input(const std::string& path, const model::LoadedModel& loaded) {
    std::vector<ScoreSequence> sequences;
    LineReader reader(loaded);
    const auto read = for_each_json_line(path, [&](std::string_view line, size_t number) -> Status {
        auto ids = reader.read(line);
        if (!ids) return ids.error();
        sequences.push_back({std::move(*ids), number});
        return ok();
    });
    if (!read) return read.error();
    if (*read == 0) return error("{}: no sequence to score", path);
    return sequences;
}

}  // namespace hone::cli
