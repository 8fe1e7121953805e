// harmony (gpt-oss): messages of the form HEADER<|message|>BODY and a stop marker, with <|start|>ROLE between them; the
// prompt has written the first of those. The header names a channel (analysis is reasoning, the others are content) or,
// by to=functions.NAME, the tool that the body calls. Several messages of a kind are joined by a newline.
#include <algorithm>

#include "text/tools/dialect.h"
#include "text/tools/marker_search.h"
#include "text/tools/output_writer.h"

namespace hone::text {

namespace {

constexpr std::string_view kRecipient = "to=";
constexpr std::string_view kMarkers[] = {"<|start|>", "<|channel|>", "<|constrain|>", "<|message|>",
                                         "<|end|>",   "<|return|>",  "<|call|>"};

bool is_word_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_';
}

class HarmonyParser final : public OutputParser {
  public:
    explicit HarmonyParser(const ParserOptions& options) : reads_calls_(options.reads_calls) {
        for (const std::string_view marker : kMarkers) markers_.push_back(options.spelling(marker));
        ends_ = {markers_[4], markers_[5], markers_[6]};
        stops_ = ends_;
        stops_.push_back(start());
    }

    void feed(std::string_view text, ParsedOutput& out) override {
        writer_.write_to(out);
        text_ += text;
        run();
    }

    void finish(ParsedOutput& out) override {
        writer_.write_to(out);
        whole_ = true;
        run();
        // A header that is cut off is dropped, unless it may be text that only looks like one.
        if (part_ == Part::header && looks_like_text_) {
            begin_message(Kind::content);
            run();
        }
        if (part_ == Part::body && kind_ != Kind::call) tell({});
    }

  private:
    enum class Part { between, header, body };
    enum class Kind { reasoning, content, call };

    const std::string& start() const { return markers_[0]; }
    const std::string& channel() const { return markers_[1]; }
    const std::string& message() const { return markers_[3]; }

    void run() {
        bool goes_on = true;
        while (goes_on && !text_.empty()) {
            if (part_ == Part::between) {
                goes_on = read_between();
            } else if (part_ == Part::header) {
                goes_on = read_header();
            } else {
                goes_on = read_body();
            }
        }
    }

    // Before a header; text that is none is content. Each returns false if it needs more text.
    bool read_between() {
        const size_t blanks = is_first_ ? skip_blanks(text_, 0) : 0;
        const std::string_view rest = std::string_view(text_).substr(blanks);
        const auto marker = std::ranges::find_if(markers_, [&](const auto& text) { return rest.starts_with(text); });
        const bool is_text = blanks > kLongestHead;
        const bool is_marker = marker != markers_.end() && !is_text;
        const bool may_be_marker =
            std::ranges::any_of(markers_, [&](const auto& text) { return could_become(rest, text); }) ||
            (is_first_ && could_become(rest, kRecipient));
        if (!is_marker && may_be_marker && !whole_ && !is_text) return false;
        looks_like_text_ = !is_marker;
        header_begin_ = is_marker ? blanks + marker->size() : 0;
        if (is_marker && std::ranges::find(ends_, *marker) != ends_.end()) {
            text_.erase(0, blanks + marker->size());
        } else if (is_marker || (is_first_ && !is_text && rest.starts_with(kRecipient))) {
            part_ = Part::header;
        } else {
            begin_message(Kind::content);
        }
        return true;
    }

    bool read_header() {
        const std::string_view text = text_;
        const size_t end = text.find(message());
        if (end == text.npos && text.size() < kLongestHead + message().size()) return false;
        if (end > kLongestHead) {
            begin_message(Kind::content);
            tell(text.substr(0, header_begin_));
            text_.erase(0, header_begin_);
            return true;
        }
        const std::string_view header = text.substr(0, end);
        const size_t body = end + message().size();
        const std::string recipient = recipient_of(header);
        if (recipient.empty()) {
            begin_message(channel_of(header) == "analysis" ? Kind::reasoning : Kind::content);
        } else if (reads_calls_) {
            begin_message(Kind::call);
            writer_.begin_call(recipient);
        } else {
            begin_message(Kind::content);
            tell(text.substr(0, body));
        }
        text_.erase(0, body);
        return true;
    }

    bool read_body() {
        const FoundMarker end = find_marker(text_, stops_);
        const size_t bytes = whole_ && !end.marker ? text_.size() : end.at;
        if (bytes > 0 || (end.marker && !told_)) tell(std::string_view(text_).substr(0, bytes));
        const bool is_start = end.marker && *end.marker == start();
        text_.erase(0, bytes + (end.marker && !is_start ? end.marker->size() : 0));
        if (!end.marker) return false;
        if (kind_ == Kind::call) writer_.end_call();
        part_ = Part::between;
        return true;
    }

    void begin_message(Kind kind) {
        kind_ = kind;
        part_ = Part::body;
        is_first_ = told_ = false;
    }

    // More of the message's body.
    void tell(std::string_view text) {
        if (kind_ == Kind::call) return writer_.arguments(text);
        const TextKind kind = kind_ == Kind::reasoning ? TextKind::reasoning : TextKind::content;
        bool& has_messages = kind_ == Kind::reasoning ? has_reasoning_ : has_content_;
        if (!told_ && has_messages) writer_.plain(kind, "\n");
        told_ = has_messages = true;
        writer_.plain(kind, text);
    }

    // The NAME of " to=NAME" or " to=functions.NAME".
    static std::string recipient_of(std::string_view header) {
        for (size_t at = 0; (at = header.find(kRecipient, at)) != header.npos; ++at) {
            if (at > 0 && is_word_byte(header[at - 1])) continue;
            std::string_view name = header.substr(at + kRecipient.size());
            name = name.substr(0, name.find_first_of(" \t\r\n<\xFF"));
            if (name.starts_with("functions.")) name.remove_prefix(10);
            if (!name.empty()) return std::string(name);
        }
        return {};
    }

    std::string_view channel_of(std::string_view header) const {
        const size_t at = header.find(channel());
        if (at == header.npos) return "final";
        header = header.substr(skip_blanks(header, at + channel().size()));
        size_t end = 0;
        while (end < header.size() && header[end] >= 'a' && header[end] <= 'z') ++end;
        return header.substr(0, end);
    }

    const bool reads_calls_;
    std::vector<std::string> markers_, ends_, stops_;  // ends_: of a message; stops_: those and the next start
    OutputWriter writer_;
    Part part_ = Part::between;
    Kind kind_ = Kind::content;
    std::string text_;  // what is not settled
    bool is_first_ = true, whole_ = false;
    bool looks_like_text_ = false;  // the header, which no marker began
    size_t header_begin_ = 0;       // behind the marker that began it
    bool told_ = false;             // something of the message's body
    bool has_reasoning_ = false, has_content_ = false;
};

std::unique_ptr<OutputParser> make(const Dialect&, const ParserOptions& options) {
    return std::make_unique<HarmonyParser>(options);
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions("<|channel|>") && chat_template.mentions("<|message|>");
}

Expression add_calls(CallGrammar& grammar) {
    GrammarBuilder& builder = grammar.builder();
    const Expression reasoning =
        grammar.sequence({grammar.marker(kMarkers[1]), grammar.text("analysis"), grammar.marker(kMarkers[3]),
                          grammar.text_up_to(kMarkers[4]), grammar.marker(kMarkers[0]), grammar.text("assistant")});
    const Expression call = grammar.any_tool([&](const DeclaredTool& tool) {
        return grammar.sequence(
            {grammar.marker(kMarkers[1]), grammar.text("commentary to=functions." + tool.name + " "),
             grammar.marker(kMarkers[2]), grammar.text("json"), grammar.marker(kMarkers[3]), grammar.arguments(tool)});
    });
    return grammar.sequence({builder.optional(reasoning), call});
}

}  // namespace

constexpr Dialect kHarmony{.name = "harmony",
                           .markers = kMarkers,
                           .has_channels = true,
                           .is_spoken = is_spoken,
                           .make_parser = make,
                           .add_calls = add_calls};

}  // namespace hone::text
