// mistral: [TOOL_CALLS] and a list of {"name", "arguments"} objects, or NAME{JSON}, NAME[ARGS]{JSON},
// NAME[CALL_ID]ID[ARGS]{JSON}; reasoning in [THINK]...[/THINK]. Nothing closes a section, so behind a broken one reading
// goes on right after the marker.
#include "text/tools/dialect.h"
#include "text/tools/json_calls.h"
#include "text/tools/json_scanner.h"
#include "text/tools/marker_search.h"
#include "text/tools/section_parser.h"

namespace hone::text {

namespace {

constexpr std::string_view kMarkers[] = {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "[THINK]", "[/THINK]"};
constexpr std::string_view kNameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

class MistralReader final : public CallReader {
  public:
    explicit MistralReader(const MarkerSpelling& spelling)
        : opener_(spelling(kMarkers[0])), id_marker_(spelling(kMarkers[1])), arguments_marker_(spelling(kMarkers[2])) {}

    Progress read(std::string_view text, bool whole, OutputWriter& out) override {
        taken_ = 0;
        if (phase_ == Phase::head) {
            const Progress progress = read_head(text);
            if (progress != Progress::item) return progress;
        }
        if (phase_ == Phase::value) {
            at_ = scanner_.read(text, at_);
            if (scanner_.state() == JsonScanner::State::open) return Progress::more;
            if (scanner_.state() == JsonScanner::State::invalid || !keep_call(text)) return Progress::broken;
            phase_ = Phase::after;
        }
        return read_after(text, whole, out);
    }

    std::optional<size_t> broken_end(std::string_view) override { return item_; }

    bool tell_cut(std::string_view text, OutputWriter& out) override {
        if (phase_ != Phase::value) return false;
        std::optional<JsonCall> call = JsonCall{.name = name_, .id = id_, .arguments = text.substr(value_begin_)};
        if (name_.empty()) call = cut_json_call(text.substr(value_begin_));
        if (call) out.call(call->name, call->id, call->arguments, false);
        return call.has_value();
    }

  private:
    enum class Phase { head, value, after };

    // Up to the JSON (item: it begins). Elements of a list follow a '[' or ','.
    Progress read_head(std::string_view text) {
        item_ = first_ ? opener_.size() : 0;
        const size_t begin = skip_blanks(text, item_);
        if (begin - item_ > kLongestHead) return Progress::broken;
        size_t at = begin;
        listed_ = at < text.size() && (text[at] == '[' || text[at] == ',');
        if (listed_) at = skip_blanks(text, at + 1);
        if (at - begin > kLongestHead) return Progress::broken;
        if (at == text.size()) return Progress::more;
        if (listed_ && text[begin] == '[' && text[at] == ']') {
            taken_ = at + 1;
            return Progress::ended;
        }
        name_.clear(), id_.clear();
        if (text[at] != '{') {
            if (listed_) return Progress::broken;
            const Progress progress = read_name(text, at);
            if (progress != Progress::item) return progress;
        }
        first_ = false;
        value_begin_ = at_ = at;
        scanner_ = {};
        phase_ = Phase::value;
        return Progress::item;
    }

    // NAME, NAME[ARGS] or NAME[CALL_ID]ID[ARGS]; `at` moves to the '{' behind it.
    Progress read_name(std::string_view text, size_t& at) {
        const auto word = [&](std::string_view extra) {
            const size_t begin = at;
            while (at < text.size() &&
                   (kNameBytes.find(text[at]) != kNameBytes.npos || extra.find(text[at]) != extra.npos))
                ++at;
            return std::string(text.substr(begin, at - begin));
        };
        const size_t begin = at;
        bool may_go_on = false;
        const auto marker = [&](const std::string& marker) {
            const bool found = text.substr(at).starts_with(marker);
            if (found) at += marker.size();
            may_go_on |= could_become(text.substr(at), marker);
            return found;
        };
        name_ = word(".:/");
        if (!name_.empty() && marker(id_marker_)) {
            id_ = word("");
            if (id_.empty() && at < text.size()) return Progress::broken;
        }
        if (!name_.empty()) marker(arguments_marker_);
        if (at < text.size() && !may_go_on) at = skip_blanks(text, at);
        if (at - begin > kLongestHead) return Progress::broken;
        if (at < text.size() && text[at] == '{' && !name_.empty()) return Progress::item;
        return at == text.size() || may_go_on ? Progress::more : Progress::broken;
    }

    // The JSON is whole.
    bool keep_call(std::string_view text) {
        arguments_ = text.substr(value_begin_, at_ - value_begin_);
        if (!name_.empty()) return true;
        const auto call = json_call(arguments_);
        if (!call) return false;
        name_ = call->name, id_ = call->id;
        arguments_ = call->arguments.empty() ? "{}" : call->arguments;
        return true;
    }

    Progress read_after(std::string_view text, bool whole, OutputWriter& out) {
        bool goes_on = false;
        size_t end = at_;
        if (listed_) {
            end = skip_blanks(text, at_);
            const bool at_end = end == text.size();
            if (end - at_ > kLongestHead) return Progress::broken;
            if (at_end && !whole) return Progress::more;
            goes_on = !at_end && text[end] == ',';
            if (!at_end && !goes_on && text[end] != ']') return Progress::broken;
            if (!at_end && !goes_on) ++end;
        }
        out.call(name_, id_, arguments_);
        taken_ = end;
        phase_ = Phase::head;
        return goes_on ? Progress::item : Progress::ended;
    }

    const std::string opener_, id_marker_, arguments_marker_;
    Phase phase_ = Phase::head;
    bool first_ = true, listed_ = false;
    size_t item_ = 0;  // where the item begins
    size_t value_begin_ = 0, at_ = 0;
    JsonScanner scanner_;
    std::string name_, id_;  // of the call, if they stand before its JSON or that is whole
    std::string arguments_;  // of a whole one
};

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    const auto make_reader = [spelling = options.spelling] { return std::make_unique<MistralReader>(spelling); };
    return make_section_parser(dialect, options,
                               {.openers = {options.spelling(kMarkers[0])}, .make_reader = make_reader});
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kMarkers[0]);
}

Expression add_calls(CallGrammar& grammar) {
    if (!grammar.has_token(kMarkers[2]))  // an older model
        return grammar.sequence({grammar.marker(kMarkers[0]), grammar.text(" ["),
                                 grammar.calls(grammar.json_call("arguments"), ", "), grammar.text("]")});
    return grammar.calls(grammar.any_tool([&](const DeclaredTool& tool) {
        return grammar.sequence({grammar.marker(kMarkers[0]), grammar.text(tool.name), grammar.marker(kMarkers[2]),
                                 grammar.arguments(tool)});
    }));
}

}  // namespace

constexpr Dialect kMistral{.name = "mistral",
                           .markers = kMarkers,
                           .think_begin = "[THINK]",
                           .think_end = "[/THINK]",
                           .id_length = 9,  // what its templates insist on
                           .is_spoken = is_spoken,
                           .make_parser = make,
                           .add_calls = add_calls};

}  // namespace hone::text
