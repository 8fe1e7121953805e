// Normalisers: rewrite the text before it is cut. Made once by a loader, immutable, any thread may apply them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/aligned_text.h"
#include "text/tokenizer/trie.h"

namespace hone::text {

inline constexpr std::string_view kSpaceSymbol = "\u2581";  // what SentencePiece writes a space as

class Normalizer {
  public:
    virtual ~Normalizer() = default;
    virtual void apply(AlignedText& text) const = 0;
};

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

struct BertOptions {
    bool clean_text = true, separate_chinese = true, strip_accents = true, lowercase = true;
};

// The normaliser part of a SentencePiece model (normalizer.cc of the library).
struct SentencePieceOptions {
    bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
    bool whitespace_as_suffix = false;
};

using NormalizerPtr = std::unique_ptr<Normalizer>;

NormalizerPtr make_sequence(std::vector<NormalizerPtr> steps);
NormalizerPtr make_unicode_form(UnicodeForm form);
NormalizerPtr make_lowercase();
NormalizerPtr make_strip_accents();
NormalizerPtr make_strip(bool left, bool right);
NormalizerPtr make_prepend(std::string prefix);
NormalizerPtr make_replace(std::unique_ptr<Pattern> pattern, std::string content);
NormalizerPtr make_nmt();
NormalizerPtr make_bert(BertOptions options);

// `charsmap`: the precompiled map of SentencePiece (format in charsmap.h); fails if it is malformed.
Result<NormalizerPtr> make_precompiled(std::string charsmap);

// `literals`: strings that the map must not touch (user-defined symbols). An empty charsmap maps nothing.
Result<NormalizerPtr> make_sentencepiece_normalizer(std::string charsmap, Trie literals, SentencePieceOptions options);

// For tests: all characters of `text` in one of the forms, with the changes.
std::vector<Change> unicode_changes(UnicodeForm form, std::string_view text);

}  // namespace hone::text
