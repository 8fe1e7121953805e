// Byte-pair encoding: a piece begins as bytes or characters, and the pair with the lowest rank merges until none is
// left. Short pieces scan their pairs, long ones keep them in a heap, so no input is quadratic. Immutable, any thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "text/tokenizer/merge_table.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/trie.h"

namespace hone::text {

using ByteIds = std::array<TokenId, 256>;  // -1 where a byte has no token

struct BpeParts {
    bool byte_level = true;  // symbols are bytes; otherwise characters
    Vocabulary tokens;       // byte strings if byte_level, else text; with the ids that merging may give
    MergeTable merges;
    bool whole_pieces = false;   // a piece that is a token is that token, whatever the merges give
    ByteIds bytes{};             // byte_level: the id of every byte; else the fallback of characters that are no token
    bool byte_fallback = false;  // characters only
    std::optional<TokenId> unknown;
    bool fuse_unknown = false;  // a run of unknown characters is one token
    Trie frozen;                // strings that are one symbol and never merge (SentencePiece's user-defined symbols)
};

class Bpe : public Model {
  public:
    explicit Bpe(BpeParts parts) : parts_(std::move(parts)) {}

    void encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const override;

    // Whether a piece may be cut in front of every `mark` (a token itself) that follows another character without
    // changing a single id, because no merge crosses such a place. True for the SentencePiece vocabularies with U+2581.
    bool can_cut_before(std::string_view mark) const;

  private:
    void read_bytes(std::string_view piece, Scratch& scratch) const;
    void read_characters(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const;
    void merge(Scratch& scratch, std::vector<Token>& out) const;
    void merge_short(Scratch& scratch) const;
    void merge_long(Scratch& scratch) const;
    void push_candidate(Scratch& scratch, int32_t left, int32_t right) const;

    BpeParts parts_;
};

// Cuts in front of every `mark` that follows another character: matches are runs of marks with what follows them.
std::unique_ptr<Pattern> make_mark_scanner(std::string mark);

}  // namespace hone::text
