// The unigram language model: the segmentation with the best sum of scores, by Viterbi over the piece (Kudo 2018). Two
// dialects differ in rounding: `tokenizers` adds doubles, SentencePiece keeps path scores as floats. Immutable, any
// thread.
#pragma once

#include <optional>
#include <vector>

#include "text/tokenizer/bpe.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/trie.h"

namespace hone::text {

struct UnigramParts {
    Trie tokens;                 // value: id
    std::vector<double> scores;  // by id
    double unknown_score = 0;    // of one character that is no token
    std::optional<TokenId> unknown;
    bool byte_fallback = false;
    ByteIds bytes{};
    bool single_precision = false;
};

class Unigram : public Model {
  public:
    explicit Unigram(UnigramParts parts) : parts_(std::move(parts)) {}

    void encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const override;

  private:
    void find_best_path(std::string_view piece, std::vector<Scratch::PathNode>& path) const;
    void emit_unknown(std::string_view run, std::vector<Token>& out) const;

    UnigramParts parts_;
};

}  // namespace hone::text
