// The tokens of a tokenizer as grammars see them: byte strings in a trie, and the tokens that end a text. Built once per
// tokenizer, immutable, any thread. Added tokens (special or not) have no bytes here, unless they are white space: what
// they say can be spelled, and they mean more than they say. A grammar may name them (GrammarBuilder::token).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/tokenizer.h"

namespace hone::text {

class MaskVocabulary {
  public:
    static constexpr size_t kLongestToken = 512;  // bytes; longer ones are never allowed

    // `ends` are allowed exactly where a grammar may end. `size`: logits of the model; tokens beyond are left out.
    // `tokenizer`, which may be null, cuts forced bytes into tokens and outlives this; without it none are forced.
    MaskVocabulary(const Tokenizer& tokenizer, std::vector<TokenId> ends, int32_t size);
    // For tests and benchmarks: the bytes of every id; empty ones have none.
    MaskVocabulary(std::vector<std::string> bytes, std::vector<TokenId> ends);

    int32_t size() const { return size_; }
    std::span<const TokenId> ends() const { return ends_; }
    bool is_end(TokenId id) const;
    std::string_view bytes(TokenId id) const;  // empty: none

    // The ordinary tokens of `bytes`, if the tokenizer gives tokens with exactly these bytes; else empty.
    std::vector<TokenId> encode(std::string_view bytes) const;

    // The trie, in depth-first order: the nodes below node i are i + 1 .. end - 1.
    struct Node {
        uint64_t kinds = 0;  // of its byte and of those below (kind_of); kBroken if it begins inside a character
        uint32_t end = 0;
        uint32_t first_token = 0;  // of tokens(); those of the node itself come before those below
        uint16_t depth = 0;        // bytes
        uint16_t characters = 0;   // the most on a way down from here
        uint8_t byte = 0;          // on the way to the node
    };
    std::span<const Node> nodes() const { return nodes_; }       // nodes()[0] is the root; one more than there are
    std::span<const TokenId> tokens() const { return tokens_; }  // in the order of the trie
    std::span<const TokenId> tokens_at(uint32_t node) const {
        return tokens().subspan(nodes_[node].first_token, nodes_[node + 1].first_token - nodes_[node].first_token);
    }
    // Those of the node and of all below.
    std::span<const TokenId> tokens_of(uint32_t node) const {
        const uint32_t first = nodes_[node].first_token;
        return tokens().subspan(first, nodes_[nodes_[node].end].first_token - first);
    }
    // The node of a byte string, or nothing.
    std::optional<uint32_t> find(std::string_view bytes) const;

    uint32_t longest() const { return longest_; }  // bytes of a token

    // Bytes by what grammars tell apart, for skipping subtrees; ASCII only.
    static unsigned kind_of(unsigned char byte);
    static constexpr unsigned kAsciiKinds = 41, kUnused = 61;
    static constexpr unsigned kCharacters = 62;  // whole (or begun) characters beyond ASCII
    static constexpr unsigned kBroken = 63;      // bytes that are no UTF-8
    static constexpr uint64_t kAllKinds = ((uint64_t{1} << kAsciiKinds) - 1) | uint64_t{1} << kCharacters;

  private:
    void build_trie();

    const Tokenizer* tokenizer_ = nullptr;
    int32_t size_ = 0;
    std::vector<std::string> bytes_;
    std::vector<TokenId> ends_;
    std::vector<Node> nodes_;
    uint32_t longest_ = 0;
    std::vector<TokenId> tokens_;
};

}  // namespace hone::text
