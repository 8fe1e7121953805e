// Text to token ids and back, for every tokenizer file that published models bring: tokenizer.json, tiktoken rank
// files, SentencePiece models. A Tokenizer is immutable after load and owns everything it needs; any thread may call
// it, many at once. Loading fails with the file and field at fault; encoding and decoding never fail.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_set.h"
#include "base/result.h"
#include "text/tokenizer/tokenizer_parts.h"

namespace hone::text {

struct LoadOptions {
    // For rank files, which do not name their pattern. Empty: the one that belongs to the tokenizer_class (Kimi's for
    // TikTokenTokenizer). Rust's syntax.
    std::string tiktoken_pattern;
    // Ids behind the ranks that are special tokens, named by tokenizer_config.json or <|reserved_token_ID|>. Absent:
    // 256 where the pattern was known, otherwise only the named ones.
    std::optional<int> tiktoken_special_slots;
};

struct EncodeOptions {
    bool add_special_tokens = true;    // what the post-processor puts around the text, BOS for example
    bool parse_special_tokens = true;  // false: special tokens in the text are ordinary text
    bool parse_added_tokens = true;    // false: all added tokens in the text are
};

struct Encoding {
    std::vector<TokenId> ids;
    // Per id [begin, end) in code points of the text (invalid UTF-8 replaced); [0, 0) for ids that were put around it.
    std::vector<std::pair<uint32_t, uint32_t>> offsets;
};

// Whether a vocabulary file that Tokenizer::load reads is among them.
bool has_tokenizer(const FileSet& files);

class Tokenizer {
  public:
    static constexpr size_t kLongestText = size_t{1} << 30;  // bytes; the caller bounds what it lets in

    // From tokenizer.json (preferred), tiktoken.model or tokenizer.model, and tokenizer_config.json and
    // special_tokens_map.json if they are there.
    static Result<std::unique_ptr<Tokenizer>> load(const FileSet& files, const LoadOptions& options = {});

    // A stand-in for a model that has none: token 123 reads "⟨123⟩", for all ids below `vocabulary`, and nothing can be
    // encoded (reads_text() is false). Fails for more tokens than any vocabulary has.
    static Result<std::unique_ptr<Tokenizer>> of_ids(int32_t vocabulary);

    explicit Tokenizer(TokenizerParts parts);
    ~Tokenizer();
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;

    // Whether text can be encoded; the callers of encode() and encode_with_offsets() see to it.
    bool reads_text() const { return parts_.model != nullptr; }

    // Invalid UTF-8 becomes U+FFFD first.
    std::vector<TokenId> encode(std::string_view utf8, EncodeOptions options = {}) const;
    Encoding encode_with_offsets(std::string_view utf8, EncodeOptions options = {}) const;

    // Ids outside the vocabulary decode to nothing. Equal to feeding the ids to a StreamDecoder and flushing it.
    std::string decode(std::span<const TokenId> ids, bool skip_special_tokens = true) const;

    // What the id adds to a text that has begun, before UTF-8 is repaired; nothing for the unknown token of a
    // SentencePiece model and for ids outside the vocabulary.
    std::optional<std::string> piece_bytes(TokenId id) const;

    // The token as the file writes it, for messages; valid UTF-8.
    std::string token_text(TokenId id) const;
    std::optional<TokenId> token_id(std::string_view token) const { return parts_.vocabulary.find(token); }

    const std::vector<AddedToken>& added_tokens() const { return parts_.added.tokens(); }
    bool is_special(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < special_.size() && special_[id]; }
    int32_t vocabulary_size() const { return parts_.vocabulary.size(); }  // highest id + 1
    std::optional<TokenId> bos() const { return parts_.bos; }
    std::optional<TokenId> eos() const { return parts_.eos; }

  private:
    friend class StreamDecoder;
    class Workspaces;
    class IdWriter;
    class OffsetWriter;

    // Cuts `text` and hands the pieces, and the added tokens between them, to `writer`.
    template <class Writer>
    void write(Piece text, const EncodeOptions& options, Writer& writer) const;

    void append_bytes(TokenId id, bool skip_special_tokens, DecodeState& state, std::string& out) const;

    TokenizerParts parts_;
    std::vector<bool> special_;
    std::unique_ptr<Workspaces> workspaces_;
};

}  // namespace hone::text
