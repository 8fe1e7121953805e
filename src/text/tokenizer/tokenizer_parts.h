// What a loader makes of the files and a Tokenizer is built from.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoder.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pretokenizer.h"
#include "text/tokenizer/vocabulary.h"

namespace hone::text {

// What is put around the ids of a text, and what happens to the offsets.
struct PostProcessor {
    std::vector<TokenId> before, after;
    bool trims_offsets = false;       // white space at the ends of a token does not count
    bool added_prefix_space = false;  // except one space in front of the first, which was put there
};

struct TokenizerParts {
    Vocabulary vocabulary;  // all tokens, added ones included, as the file writes them
    AddedTokens added;
    NormalizerPtr normalizer;      // may be null
    PreTokenizerPtr pretokenizer;  // may be null
    std::unique_ptr<Model> model;  // null where no text can be encoded (Tokenizer::of_ids)
    PostProcessor post;
    Decoder decoder;
    std::vector<TokenId> special;          // in any order
    std::optional<TokenId> without_bytes;  // a token that stands for unknown text
    std::optional<TokenId> bos, eos;
};

}  // namespace hone::text
