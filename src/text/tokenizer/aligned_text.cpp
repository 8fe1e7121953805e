#include "text/tokenizer/aligned_text.h"

namespace hone::text {

void AlignedText::take(std::string text, std::vector<Span> origin) {
    const bool tracked = piece_.origin != nullptr;
    text_ = std::move(text);
    origin_ = std::move(origin);
    if (tracked && origin_.empty()) origin_.reserve(1);  // a tracked text has an origin pointer even when it is empty
    piece_ = {text_, tracked ? origin_.data() : nullptr, piece_.first};
}

void AlignedText::prepend(std::string_view prefix) {
    if (text().empty()) return;
    Rewriter out(*this);
    out.put(prefix, 0, character_at(text(), 0).length);
    out.copy(0, text().size());
    out.finish();
}

void AlignedText::replace(const Pattern& pattern, std::string_view content) {
    Rewriter out(*this);
    size_t copied = 0;
    bool changed = false;
    pattern.for_each_match(text(), [&](Match match) {
        if (match.begin == match.end) return;
        changed = true;
        out.copy(copied, match.begin);
        out.put(content, match.end - 1, match.end);  // the origin of what was replaced last
        copied = match.end;
    });
    if (!changed) return;
    out.copy(copied, text().size());
    out.finish();
}

void AlignedText::transform(const std::vector<Change>& changes, size_t skipped) {
    const std::string_view old = text();
    const Span* origin = piece_.origin;
    std::string new_text;
    new_text.reserve(old.size());
    std::vector<Span> new_origin;
    size_t position = 0;
    const auto advance = [&](size_t characters) {
        for (; characters > 0 && position < old.size(); --characters) {
            position += utf8_length(static_cast<unsigned char>(old[position]));
        }
    };
    advance(skipped);
    for (const Change& change : changes) {
        append_utf8(new_text, change.code);
        if (!origin) continue;
        Span span;
        if (change.change > 0) {
            if (position > 0) span = origin[position - 1];
        } else {
            if (position < old.size()) span = origin[position];
            advance(1 + static_cast<size_t>(-change.change));
        }
        new_origin.resize(new_text.size(), span);
    }
    take(std::move(new_text), std::move(new_origin));
}

}  // namespace hone::text
