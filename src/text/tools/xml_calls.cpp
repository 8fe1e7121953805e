#include "text/tools/xml_calls.h"

#include <algorithm>

#include "text/tools/json_calls.h"
#include "text/tools/marker_search.h"
#include "text/tools/typed_value.h"

namespace hone::text {

namespace {

// One at each end: that of the tag's line.
std::string_view without_newlines_of_tags(std::string_view value) {
    if (value.starts_with('\n')) value.remove_prefix(1);
    if (value.ends_with('\n')) value.remove_suffix(1);
    return value;
}

}  // namespace

XmlReader::XmlReader(std::shared_ptr<const XmlTags> tags, const DeclaredTools* tools)
    : tags_(std::move(tags)), tools_(tools), end_finder_(tags_->section_end) {}

CallReader::Progress XmlReader::read(std::string_view text, bool whole, OutputWriter& out) {
    taken_ = 0;
    Step step = Step::next;
    while (step == Step::next) {
        switch (phase_) {
            case Phase::begin:
                read_begin(text);
                break;
            case Phase::function:
                step = read_function(text);
                break;
            case Phase::parameters:
                step = read_parameter(text);
                break;
            case Phase::value:
                step = read_value(text, whole);
                break;
            case Phase::after:
                return read_after(text, whole, out);
        }
    }
    return step == Step::more ? Progress::more : Progress::broken;
}

void XmlReader::read_begin(std::string_view text) {
    has_section_tag_ = text.starts_with(tags_->section);
    item_ = at_ = has_section_tag_ ? tags_->section.size() : 0;
    phase_ = Phase::function;
}

XmlReader::Step XmlReader::read_function(std::string_view text) {
    const size_t at = skip_blanks(text, at_);
    if (at - at_ > kLongestHead) return Step::broken;
    Tag tag;
    const Step step = read_tag(text, at, tags_->function, tag);
    if (step != Step::next) return step;
    function_ = std::move(tag.name);
    function_tag_end_ = at_ = tag.end;
    phase_ = Phase::parameters;
    return step;
}

// A parameter's tag, or the end of the function.
XmlReader::Step XmlReader::read_parameter(std::string_view text) {
    const size_t at = skip_blanks(text, at_);
    if (at - at_ > kLongestHead) return Step::broken;
    const std::string_view rest = text.substr(at);
    if (rest.starts_with(tags_->function_end)) {
        at_ = at + tags_->function_end.size();
        phase_ = Phase::after;
        return Step::next;
    }
    if (could_become(rest, tags_->function_end)) return Step::more;
    Tag tag;
    const Step step = read_tag(text, at, tags_->parameter, tag);
    if (step != Step::next) return step;
    parameter_ = std::move(tag.name);
    value_begin_ = at_ = tag.end;
    phase_ = Phase::value;
    return step;
}

XmlReader::Step XmlReader::read_value(std::string_view text, bool whole) {
    while ((at_ = std::min(text.find('<', at_), text.size())) < text.size()) {
        size_t next = at_;
        const Step step = end_of_value(text, at_, whole, next);
        if (step == Step::more) return step;
        if (step == Step::next) {
            keep_value(text.substr(value_begin_, at_ - value_begin_));
            at_ = next;
            phase_ = Phase::parameters;
            return step;
        }
        ++at_;
    }
    return Step::more;
}

// A closing tag counts only where the next parameter or the end of the function follows: else it is part of the value.
XmlReader::Step XmlReader::end_of_value(std::string_view text, size_t at, bool whole, size_t& next) const {
    const std::string_view rest = text.substr(at);
    if (could_become(rest, tags_->parameter_end)) return Step::more;
    if (!rest.starts_with(tags_->parameter_end))
        return text[at - 1] == '\n' ? forgotten_end(text, at, whole) : Step::broken;
    const size_t closed = at + tags_->parameter_end.size();
    next = skip_blanks(text, closed);
    const std::string_view behind = text.substr(next);
    if (next - closed > kLongestHead) return Step::broken;
    if (behind.starts_with(tags_->parameter) || behind.starts_with(tags_->function_end)) return Step::next;
    const bool may_follow = could_become(behind, tags_->parameter) || could_become(behind, tags_->function_end);
    return may_follow ? Step::more : Step::broken;
}

// A forgotten closing tag: of the last parameter, or before another one that is declared and was not given yet.
XmlReader::Step XmlReader::forgotten_end(std::string_view text, size_t at, bool whole) const {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with(tags_->function_end)) {
        const size_t closed = at + tags_->function_end.size(), after = skip_blanks(text, closed);
        const std::string_view behind = text.substr(after);
        if (after - closed > kLongestHead) return Step::broken;
        if (behind.starts_with(tags_->section_end) || (whole && behind.empty())) return Step::next;
        return could_become(behind, tags_->section_end) ? Step::more : Step::broken;
    }
    Tag tag;
    const Step step = read_tag(text, at, tags_->parameter, tag);
    if (step == Step::more) return step;
    if (step == Step::next && is_declared_and_new(tag.name)) return step;
    return could_become(rest, tags_->function_end) ? Step::more : Step::broken;
}

bool XmlReader::is_declared_and_new(const std::string& parameter) const {
    const bool seen = parameter == parameter_ || std::ranges::any_of(arguments_, [&](const auto& argument) {
                          return argument.first == parameter;
                      });
    return !seen && tools_ && parameter_schema(*tools_, function_, parameter);
}

void XmlReader::keep_value(std::string_view raw) {
    const DeclaredTool* tool = tools_ ? find_tool(*tools_, function_) : nullptr;
    const boost::json::value* schema = tool ? parameter_schema(*tools_, function_, parameter_) : nullptr;
    static const boost::json::object kNothing;
    std::string value = typed_value(without_newlines_of_tags(raw), schema, tool ? tool->parameters : kNothing);
    const auto given = std::ranges::find(arguments_, parameter_, &std::pair<std::string, std::string>::first);
    if (given != arguments_.end()) {
        given->second = std::move(value);
    } else {
        arguments_.emplace_back(parameter_, std::move(value));
    }
}

CallReader::Progress XmlReader::read_after(std::string_view text, bool whole, OutputWriter& out) {
    const size_t after = skip_blanks(text, at_);
    const std::string_view rest = text.substr(after);
    Tag tag;
    Step another = read_tag(text, after, tags_->function, tag);
    const bool may_go_on = another == Step::more || could_become(rest, tags_->section_end);
    if (after - at_ > kLongestHead) {
        another = Step::broken;
        taken_ = at_;
    } else if (rest.starts_with(tags_->section_end)) {
        taken_ = after + tags_->section_end.size();
    } else if (another == Step::next) {
        taken_ = after;
    } else if (whole && could_become(rest, tags_->section_end)) {
        taken_ = text.size();
    } else if (!whole && may_go_on) {
        return Progress::more;
    } else {
        taken_ = at_;
    }
    tell(out);
    item_ = at_ = 0;
    arguments_.clear();
    phase_ = Phase::function;
    return another == Step::next ? Progress::item : Progress::ended;
}

void XmlReader::tell(OutputWriter& out) const {
    std::string arguments = "{";
    for (const auto& [name, value] : arguments_) {
        if (arguments.size() > 1) arguments += ", ";
        arguments.append(quote_json(name)).append(": ").append(value);
    }
    out.call(function_, {}, arguments + "}");
}

XmlReader::Step XmlReader::read_tag(std::string_view text, size_t at, std::string_view beginning, Tag& tag) const {
    std::string_view rest = text.substr(at);
    if (!rest.starts_with(beginning)) return could_become(rest, beginning) ? Step::more : Step::broken;
    rest.remove_prefix(beginning.size());
    size_t begin = 0;
    char closer = '>';
    if (tags_->quoted_names) {
        if (rest.empty()) return Step::more;
        closer = rest[0];
        if (closer != '"' && closer != '\'') return Step::broken;
        begin = 1;
    }
    const char stops[] = {closer, '\n'};
    const size_t end = rest.find_first_of(std::string_view(stops, 2), begin);
    if (end == rest.npos || (tags_->quoted_names && end + 1 == rest.size() && rest[end] == closer))
        return rest.size() <= kLongestHead ? Step::more : Step::broken;
    if (end > kLongestHead) return Step::broken;
    tag.name = stripped(rest.substr(begin, end - begin));
    tag.end = at + beginning.size() + end + 1 + begin;
    const bool closed = rest[end] == closer && (!tags_->quoted_names || rest[end + 1] == '>');
    return closed && !tag.name.empty() ? Step::next : Step::broken;
}

std::optional<size_t> XmlReader::broken_end(std::string_view text) {
    if (!has_section_tag_) return 1;
    return end_finder_.end_in(text, item_);
}

bool XmlReader::tell_cut(std::string_view text, OutputWriter& out) {
    if (phase_ == Phase::begin || phase_ == Phase::function) return false;
    out.call(function_, {}, text.substr(function_tag_end_), false);
    return true;
}

}  // namespace hone::text
