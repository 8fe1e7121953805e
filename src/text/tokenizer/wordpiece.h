// WordPiece: the longest token that the rest of the word begins with, again and again; a word that cannot be covered is
// the unknown token (BERT). Immutable, any thread.
#pragma once

#include <optional>

#include "text/tokenizer/model.h"
#include "text/tokenizer/trie.h"

namespace hone::text {

struct WordPieceParts {
    Trie beginnings, continuations;  // of words; value: id. Continuations without their prefix ("##")
    TokenId unknown = 0;
    size_t longest_word = 100;  // characters; a longer word is unknown
};

class WordPiece : public Model {
  public:
    explicit WordPiece(WordPieceParts parts) : parts_(std::move(parts)) {}

    void encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const override;

  private:
    WordPieceParts parts_;
};

}  // namespace hone::text
