#include "cli/score_input.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/mapped_file.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::cli {
namespace {

constexpr size_t kMaxInputBytes = size_t{4} << 30;

// The tokenizer is loaded when the first line with a text asks for it.
class LineReader {
  public:
    explicit LineReader(const model::LoadedModel& loaded) : loaded_(loaded) {}

    Result<std::vector<int32_t>> read(std::string_view line) {
        boost::system::error_code failure;
        const auto value = boost::json::parse(line, failure);
        if (failure) return error("not JSON: {}", failure.message());
        const auto* object = value.if_object();
        const auto* ids = object ? object->if_contains("ids") : nullptr;
        const auto* text = object ? object->if_contains("text") : nullptr;
        if (!ids == !text) return error(R"(expected {{"ids": [...]}} or {{"text": "..."}})");
        auto tokens = ids ? read_ids(*ids) : read_text(*text);
        if (!tokens) return tokens;
        if (tokens->empty()) return error("no token to score");
        return tokens;
    }

  private:
    Result<std::vector<int32_t>> read_ids(const boost::json::value& value) const {
        const auto* array = value.if_array();
        if (!array) return error("'ids' must be a list of token ids");
        const int32_t vocabulary = loaded_.model->spec().vocabulary;
        std::vector<int32_t> ids;
        for (const auto& element : *array) {
            const auto* id = element.if_int64();
            if (!id || *id < 0 || *id >= vocabulary) {
                return error("'ids'[{}] must be a whole number from 0 to {}", ids.size(), vocabulary - 1);
            }
            ids.push_back(static_cast<int32_t>(*id));
        }
        return ids;
    }

    Result<std::vector<int32_t>> read_text(const boost::json::value& value) {
        if (!value.is_string()) return error("'text' must be a string");
        const std::string_view text = value.get_string();
        if (text.size() > text::Tokenizer::kLongestText) return error("'text' is too long ({} bytes)", text.size());
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

Result<std::vector<std::vector<int32_t>>> read_score_input(const std::string& path, const model::LoadedModel& loaded) {
    auto content = read_text_file(path, kMaxInputBytes);
    if (!content) return content.error();
    std::vector<std::vector<int32_t>> sequences;
    LineReader reader(loaded);
    std::string_view rest = *content;
    for (size_t number = 1; !rest.empty(); number++) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        auto ids = reader.read(line);
        if (!ids) return ids.error().within(fmt::format("{}:{}", path, number));
        sequences.push_back(std::move(*ids));
    }
    if (sequences.empty()) return error("{}: no sequence to score", path);
    return sequences;
}

}  // namespace hone::cli
