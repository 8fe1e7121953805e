#include <algorithm>

#include "text/tokenizer/character_classes.h"
#include "text/tokenizer/normalizer.h"

namespace hone::text {

namespace {

// Keeps the characters for which `keep` holds.
template <class Keep>
void filter(AlignedText& text, Keep keep) {
    AlignedText::Rewriter out(text);
    const std::string_view old = text.text();
    for (size_t i = 0; i < old.size();) {
        const Character c = character_at(old, i);
        if (keep(c.code)) out.copy(i, i + c.length);
        i += c.length;
    }
    out.finish();
}

class NormalizerSequence : public Normalizer {
  public:
    explicit NormalizerSequence(std::vector<NormalizerPtr> steps) : steps_(std::move(steps)) {}
    void apply(AlignedText& text) const override {
        for (const auto& step : steps_) step->apply(text);
    }

  private:
    std::vector<NormalizerPtr> steps_;
};

class Lowercase : public Normalizer {
  public:
    void apply(AlignedText& text) const override {
        std::vector<Change> changes;
        std::u32string lower;
        const std::string_view old = text.text();
        for (size_t i = 0; i < old.size();) {
            const Character c = character_at(old, i);
            lower.clear();
            append_lower_case(lower, c.code);
            for (size_t k = 0; k < lower.size(); ++k) changes.push_back({lower[k], k > 0 ? 1 : 0});
            i += c.length;
        }
        text.transform(changes);
    }
};

class StripAccents : public Normalizer {
  public:
    void apply(AlignedText& text) const override {
        filter(text, [](char32_t code) { return !is_combining_mark(code); });
    }
};

class Strip : public Normalizer {
  public:
    Strip(bool left, bool right) : left_(left), right_(right) {}
    void apply(AlignedText& text) const override {
        const std::string_view old = text.text();
        size_t begin = 0, end = old.size();
        while (left_ && begin < end) {
            const Character c = character_at(old, begin);
            if (!is_white_space(c.code)) break;
            begin += c.length;
        }
        while (right_ && end > begin) {
            const Character c = character_before(old, end);
            if (!is_white_space(c.code)) break;
            end -= c.length;
        }
        text.trim(begin, end);
    }

  private:
    bool left_, right_;
};

class Prepend : public Normalizer {
  public:
    explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
    void apply(AlignedText& text) const override { text.prepend(prefix_); }

  private:
    std::string prefix_;
};

class Replace : public Normalizer {
  public:
    Replace(std::unique_ptr<Pattern> pattern, std::string content)
        : pattern_(std::move(pattern)), content_(std::move(content)) {}
    void apply(AlignedText& text) const override { text.replace(*pattern_, content_); }

  private:
    std::unique_ptr<Pattern> pattern_;
    std::string content_;
};

// Drops control characters and turns exotic blanks into spaces, as the Nmt normaliser of `tokenizers`.
class Nmt : public Normalizer {
  public:
    void apply(AlignedText& text) const override {
        AlignedText::Rewriter out(text);
        const std::string_view old = text.text();
        for (size_t i = 0; i < old.size();) {
            const Character c = character_at(old, i);
            if (becomes_space(c.code)) {
                out.put(" ", i, i + c.length);
            } else if (!dropped(c.code)) {
                out.copy(i, i + c.length);
            }
            i += c.length;
        }
        out.finish();
    }

  private:
    static bool dropped(char32_t c) {
        return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    }
    static bool becomes_space(char32_t c) {
        return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
               c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    }
};

class Bert : public Normalizer {
  public:
    explicit Bert(BertOptions options) : options_(options) {}

    void apply(AlignedText& text) const override {
        if (options_.clean_text) clean(text);
        if (options_.separate_chinese) separate(text);
        if (options_.strip_accents) {
            decompose_->apply(text);
            filter(text, [](char32_t code) { return !is_bert_accent(code); });
        }
        if (options_.lowercase) Lowercase().apply(text);
    }

  private:
    static bool is_blank(char32_t c) { return c == '\t' || c == '\n' || c == '\r' || is_white_space(c); }

    static void clean(AlignedText& text) {
        AlignedText::Rewriter out(text);
        const std::string_view old = text.text();
        for (size_t i = 0; i < old.size();) {
            const Character c = character_at(old, i);
            const bool control = c.code != '\t' && c.code != '\n' && c.code != '\r' && is_bert_other(c.code);
            if (c.code != 0 && c.code != kReplacementCharacter && !control) {
                if (is_blank(c.code)) {
                    out.put(" ", i, i + c.length);
                } else {
                    out.copy(i, i + c.length);
                }
            }
            i += c.length;
        }
        out.finish();
    }

    static void separate(AlignedText& text) {
        std::vector<Change> changes;
        const std::string_view old = text.text();
        for (size_t i = 0; i < old.size();) {
            const Character c = character_at(old, i);
            if (is_chinese_character(c.code)) {
                changes.insert(changes.end(), {{' ', 0}, {c.code, 1}, {' ', 1}});
            } else {
                changes.push_back({c.code, 0});
            }
            i += c.length;
        }
        text.transform(changes);
    }

    BertOptions options_;
    NormalizerPtr decompose_ = make_unicode_form(UnicodeForm::kNfd);
};

}  // namespace

NormalizerPtr make_sequence(std::vector<NormalizerPtr> steps) {
    return std::make_unique<NormalizerSequence>(std::move(steps));
}
NormalizerPtr make_lowercase() {
    return std::make_unique<Lowercase>();
}
NormalizerPtr make_strip_accents() {
    return std::make_unique<StripAccents>();
}
NormalizerPtr make_strip(bool left, bool right) {
    return std::make_unique<Strip>(left, right);
}
NormalizerPtr make_prepend(std::string prefix) {
    return std::make_unique<Prepend>(std::move(prefix));
}
NormalizerPtr make_replace(std::unique_ptr<Pattern> pattern, std::string content) {
    return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
NormalizerPtr make_nmt() {
    return std::make_unique<Nmt>();
}
NormalizerPtr make_bert(BertOptions options) {
    return std::make_unique<Bert>(options);
}

}  // namespace hone::text
