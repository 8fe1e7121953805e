#include "text/tools/token_calls.h"

#include "text/tools/marker_search.h"

namespace hone::text {

TokenReader::TokenReader(std::shared_ptr<const TokenMarkers> markers, bool drops_leading_blanks)
    : markers_(std::move(markers)),
      drops_leading_blanks_(drops_leading_blanks),
      ends_of_head_{markers_->separator, markers_->call_end, markers_->call, markers_->section_end},
      end_of_call_{markers_->call_end},
      end_finder_(markers_->section_end) {}

CallReader::Progress TokenReader::read(std::string_view text, bool whole, OutputWriter& out) {
    taken_ = 0;
    Step step = Step::next;
    while (step == Step::next) {
        switch (phase_) {
            case Phase::begin:
                item_ = at_ = text.starts_with(markers_->section) ? markers_->section.size() : 0;
                phase_ = Phase::between;
                break;
            case Phase::between:
                if (const Progress progress = read_between(text, whole); progress != Progress::item) return progress;
                break;
            case Phase::head:
                step = read_to_separator(text, out);
                break;
            case Phase::name:
                step = read_to_arguments(text, whole, out);
                break;
            case Phase::arguments:
                return read_arguments(text.substr(taken_), out);
        }
    }
    return step == Step::more ? Progress::more : Progress::broken;
}

// Before a call (item: it begins) or the end of the section. Behind a call anything else is ordinary text.
CallReader::Progress TokenReader::read_between(std::string_view text, bool whole) {
    const size_t at = skip_blanks(text, at_);
    const std::string_view rest = text.substr(at);
    if (at - at_ > kLongestHead) return has_calls_ ? Progress::ended : Progress::broken;
    if (rest.starts_with(markers_->section_end)) {
        taken_ = at + markers_->section_end.size();
        return Progress::ended;
    }
    if (rest.starts_with(markers_->call)) {
        at_ = at + markers_->call.size();
        phase_ = Phase::head;
        return Progress::item;
    }
    const bool may_end = could_become(rest, markers_->section_end);
    if (whole && has_calls_ && may_end) {
        taken_ = text.size();
        return Progress::ended;
    }
    if (may_end || could_become(rest, markers_->call)) return Progress::more;
    return has_calls_ ? Progress::ended : Progress::broken;
}

TokenReader::Step TokenReader::read_to_separator(std::string_view text, OutputWriter& out) {
    const std::string_view head = text.substr(at_);
    const FoundMarker found = find_marker(head, ends_of_head_);
    if (found.at > kLongestHead) return Step::broken;
    if (!found.marker) return Step::more;
    if (*found.marker != markers_->separator) return Step::broken;
    const Step step = read_head(head.substr(0, found.at), out);
    if (step != Step::next) return step;
    at_ += found.at + markers_->separator.size();
    phase_ = Phase::name;
    return step;
}

TokenReader::Step TokenReader::read_name(std::string_view, bool, size_t&, OutputWriter&) {
    return Step::next;
}

TokenReader::Step TokenReader::read_to_arguments(std::string_view text, bool whole, OutputWriter& out) {
    size_t used = 0;
    const Step step = read_name(text.substr(at_), whole, used, out);
    if (step != Step::next) return step;
    taken_ = at_ + used;
    phase_ = Phase::arguments;
    scanner_ = {};
    arguments_begun_ = !drops_leading_blanks_;
    at_ = blanks_from_ = 0;
    return step;
}

// `text` begins with what was not told yet of the arguments. An end marker inside a JSON string is part of it.
CallReader::Progress TokenReader::read_arguments(std::string_view text, OutputWriter& out) {
    const size_t known = at_;
    if (is_json_) at_ = scanner_.read(text, at_);
    FoundMarker end{text.size(), nullptr};
    if (!is_json_ || scanner_.state() != JsonScanner::State::open) {
        end = find_marker(text.substr(at_), end_of_call_);
        end.at += at_;
    }
    std::string_view arguments = text.substr(0, end.at);
    if (!arguments_begun_) arguments.remove_prefix(skip_blanks(arguments, 0));
    const size_t begin = static_cast<size_t>(arguments.data() - text.data());
    const size_t blanks = trailing_blanks(text.substr(0, end.at), known);
    arguments.remove_suffix(not_of_arguments(arguments, std::min(blanks, arguments.size()), end.marker != nullptr));
    arguments_begun_ |= !arguments.empty();
    out.arguments(arguments);
    if (!end.marker) {
        const size_t told = begin + arguments.size();
        taken_ += told;
        at_ = end.at - told;
        blanks_from_ = std::max(blanks_from_, told) - told;
        return Progress::more;
    }
    out.end_call();
    taken_ += end.at + markers_->call_end.size();
    has_calls_ = is_json_ = true;
    item_ = at_ = 0;
    phase_ = Phase::between;
    return Progress::item;
}

size_t TokenReader::trailing_blanks(std::string_view text, size_t known) {
    const size_t last = text.substr(known).find_last_not_of(kBlanks);
    if (last != text.npos) blanks_from_ = known + last + 1;
    return text.size() - blanks_from_;
}

size_t TokenReader::not_of_arguments(std::string_view, size_t blanks, bool) const {
    return blanks;
}

std::optional<size_t> TokenReader::broken_end(std::string_view text) {
    return end_finder_.end_in(text, item_);
}

bool TokenReader::tell_cut(std::string_view text, OutputWriter& out) {
    if (phase_ != Phase::arguments) return false;
    out.arguments(text);
    return true;
}

}  // namespace hone::text
