// Pre-tokenisers: cut a text into the pieces that the model encodes one by one. Made once by a loader, immutable, any
// thread. Steps in a sequence see the pieces of the step before, each on its own: a look-ahead ends at the end of the
// piece.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer/aligned_text.h"
#include "text/tokenizer/pattern.h"

namespace hone::text {

using PieceSink = std::function<void(Piece)>;

class PreTokenizer {
  public:
    virtual ~PreTokenizer() = default;

    // Hands the pieces of `piece` to `sink` from left to right, none of them empty. The views are valid during the
    // call.
    virtual void cut(Piece piece, const PieceSink& sink) const = 0;
};

// What becomes of the matches of a Split.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
enum class PrependScheme { kAlways, kFirst, kNever };

using PreTokenizerPtr = std::unique_ptr<PreTokenizer>;

PreTokenizerPtr make_sequence(std::vector<PreTokenizerPtr> steps);

// `invert`: the matches are what lies between the matches of the pattern.
PreTokenizerPtr make_split(std::shared_ptr<const Pattern> pattern, SplitBehavior behavior, bool invert);

// Byte level: the text itself stays as it is (the model works on bytes); puts a space in front of a piece that has none
// if asked, and cuts by GPT-2's pattern if asked.
PreTokenizerPtr make_byte_level(bool add_prefix_space, bool use_regex);

// Spaces become `replacement`, which may also be put in front, and starts a new piece if `split`.
PreTokenizerPtr make_metaspace(std::string replacement, PrependScheme scheme, bool split);

// A Split whose pattern is a class of characters.
PreTokenizerPtr make_class_split(bool (*matches)(char32_t), SplitBehavior behavior);

}  // namespace hone::text
