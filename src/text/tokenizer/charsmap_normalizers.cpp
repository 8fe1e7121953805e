// The two users of SentencePiece's character map, which disagree about how to apply it: the `tokenizers` library looks
// up whole grapheme clusters and takes the shortest match, SentencePiece itself takes the longest at every position.
#include <algorithm>

#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include "base/check.h"
#include "text/tokenizer/charsmap.h"
#include "text/tokenizer/normalizer.h"

namespace hone::text {

namespace {

constexpr size_t kLongestCluster = 5;  // bytes; longer clusters are looked up character by character

class Precompiled : public Normalizer {
  public:
    explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

    void apply(AlignedText& text) const override {
        std::vector<Change> changes;
        bool modified = false;
        for_each_cluster(text.text(), [&](std::string_view cluster) {
            if (cluster.size() <= kLongestCluster && replace(cluster, changes)) {
                modified = true;
                return;
            }
            for (size_t i = 0; i < cluster.size();) {
                const Character c = character_at(cluster, i);
                if (replace(cluster.substr(i, c.length), changes)) {
                    modified = true;
                } else {
                    changes.push_back({c.code, 0});
                }
                i += c.length;
            }
        });
        if (modified) text.transform(changes);
    }

  private:
    template <class Visit>
    static void for_each_cluster(std::string_view text, Visit visit) {
        UErrorCode status = U_ZERO_ERROR;
        UText utext = UTEXT_INITIALIZER;
        utext_openUTF8(&utext, text.data(), static_cast<int64_t>(text.size()), &status);
        const std::unique_ptr<icu::BreakIterator> clusters(
            icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
        CHECK(U_SUCCESS(status), "ICU has no break iterator: {}", u_errorName(status));
        clusters->setText(&utext, status);
        int32_t begin = clusters->first();
        for (int32_t end = clusters->next(); end != icu::BreakIterator::DONE; begin = end, end = clusters->next()) {
            visit(text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
        }
        utext_close(&utext);
    }

    bool replace(std::string_view old, std::vector<Change>& changes) const {
        const auto found = map_.shortest_prefix(old);
        if (!found) return false;
        const auto old_count = static_cast<int32_t>(count_code_points(old));
        int32_t new_count = 0;
        for (size_t i = 0; i < found->replacement.size(); ++new_count) {
            const Character c = character_at(found->replacement, i);
            changes.push_back({c.code, new_count >= old_count ? 1 : 0});
            i += c.length;
        }
        if (new_count < old_count && !changes.empty()) changes.back().change += new_count - old_count;
        return true;
    }

    Charsmap map_;
};

class SentencePieceNormalizer : public Normalizer {
  public:
    SentencePieceNormalizer(Charsmap map, Trie literals, SentencePieceOptions options)
        : map_(std::move(map)), literals_(std::move(literals)), options_(options) {}

    void apply(AlignedText& text) const override {
        const std::string_view old = text.text();
        size_t position = options_.remove_extra_whitespaces ? leading_spaces(old) : 0;
        AlignedText::Rewriter out(text);
        if (position < old.size()) rewrite(old, position, out);
        out.finish();
    }

  private:
    struct Step {
        std::string_view text;  // what is written
        size_t length = 0;      // bytes read
    };

    Step next(std::string_view rest) const {
        if (const auto literal = literals_.longest_prefix(rest))
            return {rest.substr(0, literal->length), literal->length};
        if (const auto found = map_.longest_prefix(rest)) return {found->replacement, found->length};
        const size_t length = utf8_length(static_cast<unsigned char>(rest[0]));
        return {rest.substr(0, length), length};
    }

    size_t leading_spaces(std::string_view text) const {
        size_t position = 0;
        while (position < text.size()) {
            const Step step = next(text.substr(position));
            if (step.text != " ") break;
            position += step.length;
        }
        return position;
    }

    void rewrite(std::string_view old, size_t position, AlignedText::Rewriter& out) const {
        const std::string_view space = options_.escape_whitespaces ? kSpaceSymbol : " ";
        const bool affix = options_.add_dummy_prefix;
        if (affix && !options_.whitespace_as_suffix) out.put(space, position, position + 1);
        bool after_space = options_.remove_extra_whitespaces;
        while (position < old.size()) {
            Step step = next(old.substr(position));
            const size_t end = position + step.length;
            while (after_space && step.text.starts_with(' ')) step.text.remove_prefix(1);
            if (!step.text.empty()) after_space = step.text.ends_with(' ');
            for (size_t i = 0; i < step.text.size();) {
                const size_t run = std::min(step.text.find(' ', i), step.text.size()) - i;
                out.put(run > 0 ? step.text.substr(i, run) : space, position, end);
                i += std::max<size_t>(run, 1);
            }
            if (!options_.remove_extra_whitespaces) after_space = false;
            position = end;
        }
        while (options_.remove_extra_whitespaces && out.text().ends_with(space))
            out.shorten(out.text().size() - space.size());
        if (affix && options_.whitespace_as_suffix) out.put(space, old.size() - 1, old.size());
    }

    Charsmap map_;
    Trie literals_;
    SentencePieceOptions options_;
};

}  // namespace

Result<NormalizerPtr> make_precompiled(std::string charsmap) {
    auto map = Charsmap::parse(charsmap);
    if (!map) return map.error();
    return NormalizerPtr(std::make_unique<Precompiled>(std::move(*map)));
}

Result<NormalizerPtr> make_sentencepiece_normalizer(std::string charsmap, Trie literals, SentencePieceOptions options) {
    auto map = Charsmap::parse(charsmap);
    if (!map) return map.error();
    return NormalizerPtr(std::make_unique<SentencePieceNormalizer>(std::move(*map), std::move(literals), options));
}

}  // namespace hone::text
