// llama3_json: the output is calls if it begins with { or <|python_tag|>: {"name", "parameters"} objects with ; or , or
// blanks between them. What comes after them is content.
#include "text/tools/dialect.h"
#include "text/tools/json_calls.h"
#include "text/tools/json_scanner.h"
#include "text/tools/marker_search.h"
#include "text/tools/output_writer.h"

namespace hone::text {

namespace {

constexpr std::string_view kMarkers[] = {"<|python_tag|>"};

class Llama3Parser final : public OutputParser {
  public:
    explicit Llama3Parser(const ParserOptions& options) : tag_(options.spelling(kMarkers[0])) {}

    void feed(std::string_view text, ParsedOutput& out) override {
        writer_.write_to(out);
        if (part_ == Part::content) return writer_.plain(TextKind::content, text);
        text_ += text;
        if (part_ == Part::start && !read_start(false)) return;
        while (part_ == Part::calls && read_call()) continue;
        if (text_.size() > kLongestHeld) part_ = Part::content;
        if (part_ == Part::content) tell_content();
    }

    void finish(ParsedOutput& out) override {
        writer_.write_to(out);
        if (part_ == Part::start) read_start(true);
        while (part_ == Part::calls && read_call()) continue;
        if (part_ == Part::content) return tell_content();
        if (at_ == text_.size()) {
            if (!has_calls_) tell_content();
        } else if (const auto call = cut_json_call(std::string_view(text_).substr(at_))) {
            writer_.call(call->name, {}, call->arguments, false);
        } else {
            tell_content();
        }
    }

  private:
    enum class Part { start, calls, content };

    // Whether it is known what the output is.
    bool read_start(bool whole) {
        at_ = skip_blanks(text_, 0);
        const std::string_view rest = std::string_view(text_).substr(at_);
        if (at_ > kLongestHead) {
            part_ = Part::content;
            return true;
        }
        if (!whole && could_become(rest, tag_)) return false;
        if (rest.starts_with(tag_)) {
            at_ += tag_.size();
            part_ = Part::calls;
        } else {
            part_ = rest.starts_with('{') ? Part::calls : Part::content;
        }
        return true;
    }

    // Reads on in an object, or before it; false if that needs more text.
    bool read_call() {
        if (!in_object_ && !find_object()) return false;
        scanned_ = scanner_.read(text_, scanned_);
        if (scanner_.state() == JsonScanner::State::open) return false;
        const std::string_view object = std::string_view(text_).substr(at_, scanned_ - at_);
        const auto call = json_call(object);
        const auto members = json_members(object);
        const JsonMember* arguments = members ? find_member(*members, "parameters") : nullptr;
        if (members && !arguments) arguments = find_member(*members, "arguments");
        const bool whole = scanner_.state() == JsonScanner::State::done;
        if (!whole || !call || !arguments || arguments->value == "null") return no_call();
        writer_.call(call->name, {}, arguments->value);
        has_calls_ = may_separate_ = true;
        in_object_ = false;
        at_ = scanned_;
        return true;
    }

    // Goes to the next object over blanks and at most one separator, which are dropped once there was a call.
    bool find_object() {
        at_ = skip_blanks(text_, at_);
        if (may_separate_ && at_ < text_.size() && (text_[at_] == ';' || text_[at_] == ',')) {
            may_separate_ = false;
            at_ = skip_blanks(text_, at_ + 1);
        }
        if (has_calls_) {
            text_.erase(0, at_);
            at_ = 0;
        }
        if (at_ == text_.size()) return false;
        if (text_[at_] != '{') return no_call();
        in_object_ = true;
        scanner_ = {};
        scanned_ = at_;
        return true;
    }

    bool no_call() {
        part_ = Part::content;
        return false;
    }

    void tell_content() {
        writer_.plain(TextKind::content, text_);
        text_.clear();
    }

    const std::string tag_;
    OutputWriter writer_;
    Part part_ = Part::start;
    std::string text_;  // what is not settled
    size_t at_ = 0;     // the object begins there, or what comes before it
    size_t scanned_ = 0;
    JsonScanner scanner_;
    bool in_object_ = false, has_calls_ = false, may_separate_ = false;
};

std::unique_ptr<OutputParser> make(const Dialect&, const ParserOptions& options) {
    return std::make_unique<Llama3Parser>(options);
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kMarkers[0]) ||
           (chat_template.mentions("<|start_header_id|>") && chat_template.mentions("parameters"));
}

Expression add_calls(CallGrammar& grammar) {
    return grammar.calls(grammar.json_call("parameters"), "; ");
}

}  // namespace

constexpr Dialect kLlama3Json{
    .name = "llama3_json", .markers = kMarkers, .is_spoken = is_spoken, .make_parser = make, .add_calls = add_calls};

}  // namespace hone::text
