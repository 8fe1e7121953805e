#include "text/tools/section_parser.h"

#include "text/tools/marker_search.h"

namespace hone::text {

namespace {

std::vector<std::string> ends_of_reasoning(const SectionFormat& format) {
    std::vector<std::string> ends;
    if (format.opener_ends_reasoning) ends = format.openers;
    if (!format.think_end.empty()) ends.push_back(format.think_end);
    return ends;
}

}  // namespace

std::unique_ptr<OutputParser> make_section_parser(const Dialect& dialect, const ParserOptions& options,
                                                  SectionFormat format) {
    if (options.reads_reasoning) {
        format.think_begin = options.spelling(dialect.think_begin);
        format.think_end = options.spelling(dialect.think_end);
    }
    if (!options.reads_calls) format.openers.clear();
    return std::make_unique<SectionParser>(std::move(format), options.in_reasoning);
}

SectionParser::SectionParser(SectionFormat format, bool in_reasoning)
    : format_(std::move(format)),
      ends_of_reasoning_(ends_of_reasoning(format_)),
      content_markers_(format_.openers),
      part_(in_reasoning && !format_.think_begin.empty() ? Part::start_of_reasoning : Part::content) {
    if (!format_.think_begin.empty()) content_markers_.push_back(format_.think_begin);
}

void SectionParser::feed(std::string_view text, ParsedOutput& out) {
    writer_.write_to(out);
    text_ += text;
    run();
}

void SectionParser::finish(ParsedOutput& out) {
    writer_.write_to(out);
    whole_ = true;
    run();
    writer_.finish(part_ == Part::reasoning ? TextKind::reasoning : TextKind::content);
}

void SectionParser::run() {
    bool goes_on = true;
    while (goes_on && begin_ < text_.size()) {
        switch (part_) {
            case Part::start_of_reasoning:
                goes_on = read_repeated_tag();
                break;
            case Part::reasoning:
                goes_on = read_reasoning();
                break;
            case Part::content:
                goes_on = read_content();
                break;
            case Part::section:
                goes_on = read_section();
                break;
            case Part::broken_section:
                goes_on = read_broken_section();
                break;
        }
    }
    text_.erase(0, begin_);
    begin_ = 0;
}

void SectionParser::show(TextKind kind, size_t bytes) {
    writer_.text(kind, pending().substr(0, bytes));
    drop(bytes);
}

// The prompt opened the reasoning; a model that repeats the tag is forgiven.
bool SectionParser::read_repeated_tag() {
    if (!whole_ && could_become(pending(), format_.think_begin)) return false;
    if (pending().starts_with(format_.think_begin)) drop(format_.think_begin.size());
    part_ = Part::reasoning;
    content_markers_ = format_.openers;
    return true;
}

bool SectionParser::read_reasoning() {
    const FoundMarker found = find_marker(pending(), ends_of_reasoning_);
    show(TextKind::reasoning, !found.marker && whole_ ? pending().size() : found.at);
    if (!found.marker) return false;
    if (*found.marker == format_.think_end) drop(format_.think_end.size());
    writer_.end_of_reasoning();
    part_ = Part::content;
    return true;
}

// The tag counts only where nothing but newlines was before it.
bool SectionParser::read_opening_tag(bool& opened) {
    const size_t at = std::min(pending().find_first_not_of('\n'), pending().size());
    const std::string_view rest = pending().substr(at);
    opened = rest.starts_with(format_.think_begin);
    if (opened) {
        drop(at + format_.think_begin.size());
        part_ = Part::reasoning;
        content_markers_ = format_.openers;
    }
    return opened || whole_ || !could_become(rest, format_.think_begin);
}

bool SectionParser::read_content() {
    if (content_markers_.size() > format_.openers.size() && writer_.is_fresh()) {
        bool opened = false;
        if (!read_opening_tag(opened)) return false;
        if (opened) return true;
    }
    const FoundMarker found = find_marker(pending(), content_markers_);
    show(TextKind::content, !found.marker && whole_ ? pending().size() : found.at);
    if (!found.marker) return false;
    if (*found.marker == format_.think_begin) {
        show(TextKind::content, format_.think_begin.size());
        return true;
    }
    reader_ = format_.make_reader();
    part_ = Part::section;
    content_markers_ = format_.openers;
    return true;
}

bool SectionParser::read_section() {
    const CallReader::Progress progress = reader_->read(pending(), whole_, writer_);
    drop(reader_->taken());
    switch (progress) {
        case CallReader::Progress::item:
            writer_.marker();
            return true;
        case CallReader::Progress::ended:
            writer_.marker();
            part_ = Part::content;
            return true;
        case CallReader::Progress::broken:
            part_ = Part::broken_section;
            return true;
        case CallReader::Progress::more:
            break;
    }
    if (whole_) {
        end_of_cut_section();
    } else if (pending().size() > kLongestHeld) {
        part_ = Part::broken_section;
        return true;
    }
    return false;
}

void SectionParser::end_of_cut_section() {
    const bool blank = pending().find_first_not_of(kBlanks) == std::string_view::npos;
    if (!reader_->tell_cut(pending(), writer_) && !blank) writer_.no_call(pending());
    drop(pending().size());
    part_ = Part::content;
}

bool SectionParser::read_broken_section() {
    std::optional<size_t> end = reader_->broken_end(pending());
    if (!end && (whole_ || pending().size() > kLongestHeld)) end = pending().size();
    if (!end) return false;
    writer_.no_call(pending().substr(0, *end));
    drop(*end);
    part_ = Part::content;
    return true;
}

}  // namespace hone::text
