#include "text/tokenizer/json_components.h"

#include "text/tokenizer/base64.h"
#include "text/tokenizer/character_classes.h"

namespace hone::text {

namespace {

void fail_type(const JsonView& view, std::string_view what) {
    view["type"].fail(fmt::format("{} {:?} is not supported", what, view["type"].text_or("")));
}

// {"String": "..."} or {"Regex": "..."}; null after an error.
std::unique_ptr<Pattern> read_pattern(const JsonView& view) {
    if (const auto literal = view["String"]; literal.exists()) {
        const std::string_view text = literal.text();
        if (!text.empty()) return make_literal(std::string(text));
        literal.fail("expected a string that is not empty");
        return nullptr;
    }
    const auto regex = view["Regex"];
    const std::string_view expression = regex.text();
    if (!regex.ok()) return nullptr;
    auto pattern = make_pattern(expression, RegexDialect::kOniguruma);
    if (pattern) return std::move(*pattern);
    regex.fail(pattern.error().message);
    return nullptr;
}

NormalizerPtr read_precompiled(const JsonView& map) {
    auto blob = decode_base64(map.text_or(""));
    if (!blob) {
        map.fail("not base64");
        return nullptr;
    }
    auto made = make_precompiled(std::move(*blob));
    if (made) return std::move(*made);
    map.fail(made.error().message);
    return nullptr;
}

NormalizerPtr read_bert(const JsonView& view) {
    BertOptions options;
    options.clean_text = view["clean_text"].flag_or(true);
    options.separate_chinese = view["handle_chinese_chars"].flag_or(true);
    options.lowercase = view["lowercase"].flag_or(true);
    options.strip_accents = view["strip_accents"].flag_or(options.lowercase);
    return make_bert(options);
}

SplitBehavior read_behavior(const JsonView& view) {
    const std::string_view name = view.text();
    if (name == "Removed") return SplitBehavior::kRemoved;
    if (name == "Isolated") return SplitBehavior::kIsolated;
    if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
    if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
    if (name == "Contiguous") return SplitBehavior::kContiguous;
    view.fail("expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
    return SplitBehavior::kIsolated;
}

// Older files say add_prefix_space instead of prepend_scheme.
PrependScheme read_scheme(const JsonView& view) {
    const std::string_view name = view["prepend_scheme"].text_or("");
    if (name == "always") return PrependScheme::kAlways;
    if (name == "first") return PrependScheme::kFirst;
    if (name == "never") return PrependScheme::kNever;
    if (!name.empty()) view["prepend_scheme"].fail("expected always, first or never");
    return view["add_prefix_space"].flag_or(true) ? PrependScheme::kAlways : PrependScheme::kNever;
}

std::string read_replacement(const JsonView& view) {
    const std::string text(view["replacement"].text_or(kSpaceSymbol));
    if (count_code_points(text) != 1) view["replacement"].fail("expected one character");
    return text;
}

PreTokenizerPtr read_bert_pretokenizer() {
    std::vector<PreTokenizerPtr> steps;
    steps.push_back(make_class_split(is_white_space, SplitBehavior::kRemoved));
    steps.push_back(make_class_split(is_bert_punctuation, SplitBehavior::kIsolated));
    return make_sequence(std::move(steps));
}

PreTokenizerPtr read_split(const JsonView& view) {
    auto pattern = read_pattern(view["pattern"]);
    const SplitBehavior behavior = read_behavior(view["behavior"]);
    if (!pattern) return nullptr;
    return make_split(std::move(pattern), behavior, view["invert"].flag_or(false));
}

PreTokenizerPtr make_whitespace_words() {  // \w+|[^\w\s]+
    auto pattern = make_regex(R"(\w+|[^\w\s]+)", RegexDialect::kRust);
    return make_split(std::move(*pattern), SplitBehavior::kRemoved, true);
}

PreTokenizerPtr read_character_split(const JsonView& view, std::string_view type) {
    if (type == "WhitespaceSplit") return make_class_split(is_white_space, SplitBehavior::kRemoved);
    if (type == "Digits") {
        const bool single = view["individual_digits"].flag_or(false);
        return make_class_split(is_numeric, single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
    }
    if (type == "Punctuation") {
        const auto behavior = view["behavior"];
        return make_class_split(is_bert_punctuation,
                                behavior.exists() ? read_behavior(behavior) : SplitBehavior::kIsolated);
    }
    if (type == "CharDelimiterSplit") {
        const std::string delimiter(view["delimiter"].text());
        if (!delimiter.empty()) return make_split(make_literal(delimiter), SplitBehavior::kRemoved, false);
        view["delimiter"].fail("expected one character");
    }
    return nullptr;
}

void read_decode_step(const JsonView& view, DecodeSteps& out, bool& fused);

void read_strip(const JsonView& view, DecodeSteps& out, bool fused) {
    StripDecode strip;
    strip.content = view["content"].text();
    const int64_t start = view["start"].integer(), stop = view["stop"].integer();
    if (count_code_points(strip.content) != 1 || start < 0 || stop < 0 || start > 1000 || stop > 1000) {
        return view.fail("expected one character and two small counts");
    }
    strip.start = static_cast<size_t>(start);
    strip.stop = static_cast<size_t>(stop);
    if (!fused) {
        out.steps.emplace_back(std::move(strip));
    } else if (strip.content == " " && strip.stop == 0) {
        out.leading_spaces = static_cast<int>(start);
    } else {
        view.fail("behind a Fuse only leading spaces can be stripped");
    }
}

void read_decode_sequence(const JsonView& view, DecodeSteps& out, bool& fused) {
    view["decoders"].for_each([&](const JsonView& step) { read_decode_step(step, out, fused); });
}

void read_decode_step(const JsonView& view, DecodeSteps& out, bool& fused) {
    const std::string_view type = view["type"].text();
    if (type == "Sequence") {
        read_decode_sequence(view, out, fused);
    } else if (type == "Fuse") {
        fused = true;
    } else if (type == "Strip") {
        read_strip(view, out, fused);
    } else if (fused) {
        view.fail("this step behind a Fuse is not supported");
    } else if (type == "ByteLevel") {
        out.steps.emplace_back(ByteLevelDecode{});
        fused = true;  // its bytes make sense only together
    } else if (type == "ByteFallback") {
        out.steps.emplace_back(ByteFallbackDecode{});
    } else if (type == "Replace") {
        auto pattern = read_pattern(view["pattern"]);
        if (pattern) out.steps.emplace_back(ReplaceDecode{std::move(pattern), std::string(view["content"].text())});
    } else if (type == "Metaspace") {
        out.steps.emplace_back(MetaspaceDecode{read_replacement(view), read_scheme(view) != PrependScheme::kNever});
    } else if (type == "WordPiece") {
        out.steps.emplace_back(
            WordPieceDecode{std::string(view["prefix"].text_or("##")), view["cleanup"].flag_or(true)});
    } else {
        fail_type(view, "decoder");
    }
}

// The ids that a special token of a template stands for.
void read_template_token(const JsonView& view, const JsonView& tokens, const Vocabulary& vocabulary,
                         std::vector<TokenId>& out) {
    const auto declared = tokens[view["id"].text()];
    if (!declared.exists()) return view.fail("this token is not among special_tokens");
    declared["ids"].for_each([&](const JsonView& id) {
        const int64_t number = id.integer();
        if (number < 0 || number >= vocabulary.size()) return id.fail("not an id of the vocabulary");
        out.push_back(static_cast<TokenId>(number));
    });
}

// A template goes around what earlier processors put around the text.
void read_template(const JsonView& view, const Vocabulary& vocabulary, PostProcessor& out) {
    std::vector<TokenId> before, after;
    bool seen = false;
    view["single"].for_each([&](const JsonView& part) {
        if (const auto token = part["SpecialToken"]; token.exists()) {
            return read_template_token(token, view["special_tokens"], vocabulary, seen ? after : before);
        }
        if (seen || part["Sequence"]["id"].text() != "A")
            return part.fail("expected a SpecialToken, or the Sequence A once");
        seen = true;
    });
    if (view.ok() && !seen) view["single"].fail("the Sequence A is missing");
    out.before.insert(out.before.begin(), before.begin(), before.end());
    out.after.insert(out.after.end(), after.begin(), after.end());
}

// ["</s>", 2]
void read_pair(const JsonView& view, const Vocabulary& vocabulary, std::vector<TokenId>& out) {
    size_t index = 0;
    view.for_each([&](const JsonView& part) {
        if (index++ != 1) return;
        const int64_t id = part.integer();
        if (id < 0 || id >= vocabulary.size()) return part.fail("not an id of the vocabulary");
        out.push_back(static_cast<TokenId>(id));
    });
    if (view.ok() && index != 2) view.fail("expected [token, id]");
}

void read_processor(const JsonView& view, const Vocabulary& vocabulary, PostProcessor& out) {
    const std::string_view type = view["type"].text();
    if (type == "Sequence") {
        view["processors"].for_each([&](const JsonView& step) { read_processor(step, vocabulary, out); });
    } else if (type == "TemplateProcessing") {
        read_template(view, vocabulary, out);
    } else if (type == "ByteLevel" || type == "RobertaProcessing") {
        if (view["trim_offsets"].flag_or(true)) {
            out.trims_offsets = true;
            out.added_prefix_space = view["add_prefix_space"].flag_or(true);
        }
    } else if (type != "BertProcessing") {
        fail_type(view, "post-processor");
    }
    if (type == "RobertaProcessing" || type == "BertProcessing") {
        if (!out.before.empty() || !out.after.empty()) return view.fail("behind another template it is not supported");
        std::vector<TokenId> cls;
        read_pair(view["cls"], vocabulary, cls);
        read_pair(view["sep"], vocabulary, out.after);
        out.before.insert(out.before.begin(), cls.begin(), cls.end());
    }
}

}  // namespace

NormalizerPtr read_normalizer(const JsonView& view) {
    if (!view.exists()) return nullptr;
    const std::string_view type = view["type"].text();
    if (type == "Sequence") {
        std::vector<NormalizerPtr> steps;
        view["normalizers"].for_each([&](const JsonView& step) {
            if (auto made = read_normalizer(step)) steps.push_back(std::move(made));
        });
        return make_sequence(std::move(steps));
    }
    if (type == "NFC") return make_unicode_form(UnicodeForm::kNfc);
    if (type == "NFD") return make_unicode_form(UnicodeForm::kNfd);
    if (type == "NFKC") return make_unicode_form(UnicodeForm::kNfkc);
    if (type == "NFKD") return make_unicode_form(UnicodeForm::kNfkd);
    if (type == "Lowercase") return make_lowercase();
    if (type == "StripAccents") return make_strip_accents();
    if (type == "Nmt") return make_nmt();
    if (type == "Strip") return make_strip(view["strip_left"].flag_or(true), view["strip_right"].flag_or(true));
    if (type == "Prepend") return make_prepend(std::string(view["prepend"].text()));
    if (type == "Precompiled") return read_precompiled(view["precompiled_charsmap"]);
    if (type == "BertNormalizer") return read_bert(view);
    if (type == "Replace") {
        auto pattern = read_pattern(view["pattern"]);
        return pattern ? make_replace(std::move(pattern), std::string(view["content"].text())) : nullptr;
    }
    fail_type(view, "normalizer");
    return nullptr;
}

PreTokenizerPtr read_pretokenizer(const JsonView& view, bool& byte_level) {
    if (!view.exists()) return nullptr;
    if (byte_level) {
        view.fail("a pre-tokenizer behind ByteLevel is not supported");
        return nullptr;
    }
    const std::string_view type = view["type"].text();
    if (type == "Sequence") {
        std::vector<PreTokenizerPtr> steps;
        view["pretokenizers"].for_each([&](const JsonView& step) {
            if (auto made = read_pretokenizer(step, byte_level)) steps.push_back(std::move(made));
        });
        return steps.size() == 1 ? std::move(steps[0]) : make_sequence(std::move(steps));
    }
    if (type == "ByteLevel") {
        byte_level = true;
        const bool prefix = view["add_prefix_space"].flag_or(true), regex = view["use_regex"].flag_or(true);
        return prefix || regex ? make_byte_level(prefix, regex) : nullptr;
    }
    if (type == "Split") return read_split(view);
    if (type == "Metaspace")
        return make_metaspace(read_replacement(view), read_scheme(view), view["split"].flag_or(true));
    if (type == "BertPreTokenizer") return read_bert_pretokenizer();
    if (type == "Whitespace") return make_whitespace_words();
    if (auto made = read_character_split(view, type)) return made;
    fail_type(view, "pre-tokenizer");
    return nullptr;
}

DecodeSteps read_decoder(const JsonView& view) {
    DecodeSteps out;
    if (!view.exists()) {
        out.steps.emplace_back(SpaceBetween{});
        return out;
    }
    bool fused = false;
    read_decode_step(view, out, fused);
    return out;
}

PostProcessor read_post_processor(const JsonView& view, const Vocabulary& vocabulary) {
    PostProcessor out;
    if (view.exists()) read_processor(view, vocabulary, out);
    return out;
}

}  // namespace hone::text
