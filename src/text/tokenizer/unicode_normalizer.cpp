// The Unicode normalisation forms, with the origin of every character. ICU has the data and decides quickly whether a
// text is in its form already; the algorithm (UAX 15: decompose, reorder, compose) is written out because the origins
// have to follow the characters.
#include <algorithm>

#include <unicode/normalizer2.h>

#include "base/check.h"
#include "text/tokenizer/character_classes.h"
#include "text/tokenizer/normalizer.h"

namespace hone::text {

namespace {

const icu::Normalizer2& icu_form(UnicodeForm form) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* found = nullptr;
    switch (form) {
        case UnicodeForm::kNfc:
            found = icu::Normalizer2::getNFCInstance(status);
            break;
        case UnicodeForm::kNfd:
            found = icu::Normalizer2::getNFDInstance(status);
            break;
        case UnicodeForm::kNfkc:
            found = icu::Normalizer2::getNFKCInstance(status);
            break;
        case UnicodeForm::kNfkd:
            found = icu::Normalizer2::getNFKDInstance(status);
            break;
    }
    CHECK(U_SUCCESS(status) && found, "ICU has no normalisation data: {}", u_errorName(status));
    return *found;
}

struct Marked {
    Change change;
    uint8_t combining = 0;  // canonical combining class
};

// Every character decomposed, marks in canonical order. The first character of a decomposition replaces, others are
// inserted.
std::vector<Marked> decompose(const icu::Normalizer2& data, std::string_view text) {
    std::vector<Marked> out;
    out.reserve(text.size());
    size_t marks = 0;  // where the marks since the last starter begin
    const auto sort_marks = [&] {
        std::stable_sort(out.begin() + static_cast<ptrdiff_t>(marks), out.end(),
                         [](const Marked& a, const Marked& b) { return a.combining < b.combining; });
    };
    const auto push = [&](char32_t code, bool first) {
        const uint8_t combining = data.getCombiningClass(static_cast<UChar32>(code));
        if (combining == 0) sort_marks();
        out.push_back({{code, first ? 0 : 1}, combining});
        if (combining == 0) marks = out.size();
    };
    icu::UnicodeString parts;
    for (size_t i = 0; i < text.size();) {
        const Character c = character_at(text, i);
        i += c.length;
        if (c.code < 0xA0 || !data.getDecomposition(static_cast<UChar32>(c.code), parts)) {
            push(c.code, true);
            continue;
        }
        for (int32_t k = 0; k < parts.length(); k = parts.moveIndex32(k, 1)) {
            push(static_cast<char32_t>(parts.char32At(k)), k == 0);
        }
    }
    sort_marks();
    return out;
}

// Canonical composition of what decompose() gave. Two characters that become one also add up their changes, less one.
std::vector<Change> compose(const icu::Normalizer2& data, const std::vector<Marked>& decomposed) {
    std::vector<Change> out;
    out.reserve(decomposed.size());
    constexpr size_t kNone = SIZE_MAX;
    size_t starter = kNone;
    int last_class = -1;  // of the character before, -1 right behind the starter
    for (const auto& [next, combining] : decomposed) {
        const bool blocked = last_class != -1 && (last_class >= combining);
        if (starter != kNone && !blocked) {
            const UChar32 pair =
                data.composePair(static_cast<UChar32>(out[starter].code), static_cast<UChar32>(next.code));
            if (pair >= 0) {
                out[starter] = {static_cast<char32_t>(pair), out[starter].change + next.change - 1};
                continue;
            }
        }
        if (combining == 0) {
            starter = out.size();
            last_class = -1;
        } else if (starter != kNone) {
            last_class = combining;
        }
        out.push_back(next);
    }
    return out;
}

class UnicodeNormalizer : public Normalizer {
  public:
    explicit UnicodeNormalizer(UnicodeForm form) : form_(form) {}

    void apply(AlignedText& text) const override {
        if (is_ascii(text.text())) return;
        UErrorCode status = U_ZERO_ERROR;
        const icu::StringPiece bytes(text.text().data(), static_cast<int32_t>(text.text().size()));
        if (icu_form(form_).isNormalizedUTF8(bytes, status) && U_SUCCESS(status)) return;
        text.transform(unicode_changes(form_, text.text()));
    }

  private:
    UnicodeForm form_;
};

}  // namespace

std::vector<Change> unicode_changes(UnicodeForm form, std::string_view text) {
    const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
    // getDecomposition of the composing instances gives the full decomposition of their kind.
    const icu::Normalizer2& data = icu_form(compatible ? UnicodeForm::kNfkc : UnicodeForm::kNfc);
    const auto decomposed = decompose(data, text);
    if (form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc)
        return compose(icu_form(UnicodeForm::kNfc), decomposed);
    std::vector<Change> changes;
    changes.reserve(decomposed.size());
    for (const Marked& marked : decomposed) changes.push_back(marked.change);
    return changes;
}

NormalizerPtr make_unicode_form(UnicodeForm form) {
    return std::make_unique<UnicodeNormalizer>(form);
}

}  // namespace hone::text
