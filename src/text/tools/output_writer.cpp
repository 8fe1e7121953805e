#include "text/tools/output_writer.h"

namespace hone::text {

static void append_unmarked(std::string& out, std::string_view text) {
    for (size_t at; (at = text.find(kTokenMark)) != text.npos; text.remove_prefix(at + 1)) out += text.substr(0, at);
    out += text;
}

void OutputWriter::plain(TextKind kind, std::string_view text) {
    append_unmarked(kind == TextKind::reasoning ? out_->reasoning : out_->content, text);
}

void OutputWriter::text(TextKind kind, std::string_view text) {
    if (after_marker_) text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    if (text.empty()) return;
    after_marker_ = fresh_ = false;
    const size_t body = text.find_last_not_of('\n') + 1;  // 0: newlines only
    if (body > 0) {
        plain(kind, std::string(waiting_newlines_, '\n'));
        plain(kind, text.substr(0, body));
        waiting_newlines_ = 0;
    }
    waiting_newlines_ += text.size() - body;
}

void OutputWriter::no_call(std::string_view text) {
    after_marker_ = false;
    this->text(TextKind::content, text);
}

void OutputWriter::finish(TextKind kind) {
    if (!after_marker_) plain(kind, std::string(waiting_newlines_, '\n'));
    waiting_newlines_ = 0;
}

void OutputWriter::begin_call(std::string_view name, std::string_view id) {
    CallPiece& begun = out_->calls.emplace_back(CallPiece{.index = calls_++, .begins = true});
    append_unmarked(begun.name, name);
    append_unmarked(begun.id, id);
    after_marker_ = true;
    fresh_ = false;
}

// Of the call that was begun last.
CallPiece& OutputWriter::piece() {
    if (out_->calls.empty() || out_->calls.back().index != calls_ - 1)
        out_->calls.emplace_back(CallPiece{.index = calls_ - 1});
    return out_->calls.back();
}

void OutputWriter::arguments(std::string_view text) {
    if (!text.empty()) append_unmarked(piece().arguments, text);
}

void OutputWriter::end_call() {
    piece().complete = true;
}

void OutputWriter::call(std::string_view name, std::string_view id, std::string_view arguments, bool complete) {
    begin_call(name, id);
    this->arguments(arguments);
    if (complete) end_call();
}

}  // namespace hone::text
