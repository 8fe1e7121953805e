// A tokenizer model turns one piece of text (a word, or a whole text where nothing cuts it) into ids. Immutable; any
// thread may call it with its own Scratch.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer/vocabulary.h"

namespace hone::text {

struct Token {
    TokenId id = 0;
    uint32_t length = 0;  // bytes of the piece
};

// Memory that encoding reuses from piece to piece. One thread at a time.
struct Scratch {
    struct Symbol {
        TokenId id = 0;
        uint32_t length = 0;
        int32_t previous = -1, next = -1;  // neighbours in the list; unused for short pieces
    };
    struct Candidate {
        uint32_t rank = 0;
        int32_t position = 0;
        TokenId merged = 0;
    };
    struct PathNode {
        double score = 0;
        int64_t begin = -1;  // of the token that ends here, -1 while none does
        TokenId id = -1;
    };

    std::vector<Token> tokens;
    std::vector<Symbol> symbols;
    std::vector<uint64_t> merges;
    std::vector<Candidate> heap;
    std::vector<PathNode> path;
};

class Model {
  public:
    virtual ~Model() = default;

    // Appends the tokens of `piece` (valid UTF-8, not empty) to `out`. Never fails: what cannot be encoded becomes the
    // unknown token, or nothing where the model has none.
    virtual void encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const = 0;
};

}  // namespace hone::text
