#include "text/tokenizer/tokenizer.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/check.h"
#include "text/tokenizer/character_classes.h"
#include "text/tokenizer/stream_decoder.h"
#include "text/tokenizer/word_cache.h"
#include "text/utf8.h"

namespace hone::text {

// One encoding thread's memory.
struct Workspace {
    Scratch scratch;
    WordCache words;
};

// Workspaces are lent to calls and come back with their caches warm, so there are as many as threads encoded at once.
class Tokenizer::Workspaces {
  public:
    static constexpr size_t kKeptSymbols = 1 << 16;  // larger buffers are given back to the system

    std::unique_ptr<Workspace> take() {
        {
            const std::lock_guard lock(mutex_);
            if (!free_.empty()) {
                auto workspace = std::move(free_.back());
                free_.pop_back();
                return workspace;
            }
        }
        return std::make_unique<Workspace>();
    }

    void give_back(std::unique_ptr<Workspace> workspace) {
        Scratch& scratch = workspace->scratch;
        if (scratch.symbols.capacity() > kKeptSymbols || scratch.path.capacity() > kKeptSymbols) scratch = {};
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(workspace));
    }

    class Loan {
      public:
        explicit Loan(Workspaces& owner) : owner_(owner), workspace_(owner.take()) {}
        ~Loan() { owner_.give_back(std::move(workspace_)); }
        Loan(const Loan&) = delete;
        Loan& operator=(const Loan&) = delete;
        Workspace* operator->() { return workspace_.get(); }

      private:
        Workspaces& owner_;
        std::unique_ptr<Workspace> workspace_;
    };

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Workspace>> free_;
};

// Writes ids only, with the help of the word cache. Words wait in a short queue while their cache lines are fetched,
// since the table is larger than the nearest caches.
class Tokenizer::IdWriter {
  public:
    IdWriter(const Tokenizer& tokenizer, std::vector<TokenId>& ids)
        : model_(*tokenizer.parts_.model), workspace_(*tokenizer.workspaces_), ids_(ids) {}

    void added(Piece, TokenId id) {
        flush();
        ids_.push_back(id);
    }

    void piece(Piece piece) {
        if (piece.text.size() > WordCache::kLongestWord) {
            flush();
            encode(piece.text);
            return;
        }
        if (waiting_ == queue_.size()) flush();
        queue_[waiting_] = WordCache::Key(piece.text);
        workspace_->words.prefetch(queue_[waiting_++]);
    }

    void flush() {
        for (size_t i = 0; i < waiting_; ++i) write_word(queue_[i]);
        waiting_ = 0;
    }

  private:
    void write_word(const WordCache::Key& key) {
        const auto known = workspace_->words.find(key);
        if (!known.empty()) {
            ids_.insert(ids_.end(), known.begin(), known.end());
            return;
        }
        char buffer[WordCache::kLongestWord];
        workspace_->words.put(key, encode(key.word(buffer)));
    }

    const std::vector<Token>& encode(std::string_view text) {
        auto& tokens = workspace_->scratch.tokens;
        tokens.clear();
        model_.encode(text, workspace_->scratch, tokens);
        for (const Token& token : tokens) ids_.push_back(token.id);
        return tokens;
    }

    const Model& model_;
    Workspaces::Loan workspace_;
    std::vector<TokenId>& ids_;
    std::array<WordCache::Key, 16> queue_;
    size_t waiting_ = 0;
};

// Writes ids, where they come from in bytes, and how many characters at their ends are white space.
class Tokenizer::OffsetWriter {
  public:
    struct Row {
        TokenId id;
        Span span;
        uint32_t leading, trailing;
    };

    explicit OffsetWriter(const Tokenizer& tokenizer) : tokenizer_(tokenizer), workspace_(*tokenizer.workspaces_) {}

    void added(Piece piece, TokenId id) { push(id, piece.span(0, piece.text.size()), piece.text); }

    void piece(Piece piece) {
        auto& tokens = workspace_->scratch.tokens;
        tokens.clear();
        tokenizer_.parts_.model->encode(piece.text, workspace_->scratch, tokens);
        size_t begin = 0;
        for (const Token& token : tokens) {
            push(token.id, piece.span(begin, begin + token.length), tokenizer_.parts_.vocabulary[token.id]);
            begin += token.length;
        }
    }

    const std::vector<Row>& rows() const { return rows_; }

  private:
    static bool is_blank(char32_t code) {
        return code == 0x120 || is_white_space(code);
    }  // U+0120: the space of byte level

    void push(TokenId id, Span span, std::string_view text) {
        Row row{id, span, 0, 0};
        if (tokenizer_.parts_.post.trims_offsets) {
            const std::string valid = repair_utf8(text);
            for (size_t i = 0; i < valid.size(); ++row.leading) {
                const Character c = character_at(valid, i);
                if (!is_blank(c.code)) break;
                i += c.length;
            }
            for (size_t i = valid.size(); i > 0; ++row.trailing) {
                const Character c = character_before(valid, i);
                if (!is_blank(c.code)) break;
                i -= c.length;
            }
        }
        rows_.push_back(row);
    }

    const Tokenizer& tokenizer_;
    Workspaces::Loan workspace_;
    std::vector<Row> rows_;
};

Tokenizer::Tokenizer(TokenizerParts parts) : parts_(std::move(parts)), workspaces_(std::make_unique<Workspaces>()) {
    special_.resize(static_cast<size_t>(vocabulary_size()));
    for (const TokenId id : parts_.special) special_.at(static_cast<size_t>(id)) = true;
}

Tokenizer::~Tokenizer() = default;

template <class Writer>
void Tokenizer::write(Piece text, const EncodeOptions& options, Writer& writer) const {
    using Stage = AddedTokens::Stage;
    const PieceSink sink = [&](Piece piece) { writer.piece(piece); };
    const auto cut = [&](Piece piece) {
        if (parts_.pretokenizer) {
            parts_.pretokenizer->cut(piece, sink);
        } else if (!piece.text.empty()) {
            writer.piece(piece);
        }
    };
    const bool parse_special = options.parse_special_tokens;
    const auto write_ordinary = [&](const Piece& piece) {
        AlignedText normal(piece);
        if (parts_.normalizer) parts_.normalizer->apply(normal);
        const Piece whole = normal.piece();
        if (!options.parse_added_tokens || !parts_.added.any(Stage::kNormalized)) return cut(whole);
        parts_.added.split(whole.text, Stage::kNormalized, parse_special, [&](const AddedTokens::Part& inner) {
            const Piece inner_piece = whole.part(inner.begin, inner.end);
            if (inner.id) return writer.added(inner_piece, *inner.id);
            cut(inner_piece);
        });
    };
    if (!options.parse_added_tokens) return write_ordinary(text);
    parts_.added.split(text.text, Stage::kInput, parse_special, [&](const AddedTokens::Part& part) {
        const Piece piece = text.part(part.begin, part.end);
        if (part.id) return writer.added(piece, *part.id);
        write_ordinary(piece);
    });
}

std::vector<TokenId> Tokenizer::encode(std::string_view utf8, EncodeOptions options) const {
    CHECK(reads_text());
    CHECK_LE(utf8.size(), kLongestText);
    std::vector<TokenId> ids;
    ids.reserve(utf8.size() / 3 + 8);
    if (options.add_special_tokens) ids = parts_.post.before;
    std::string repaired;
    if (!is_valid_utf8(utf8)) utf8 = repaired = repair_utf8(utf8);
    IdWriter writer(*this, ids);
    write(Piece{utf8, nullptr, true}, options, writer);
    writer.flush();
    if (options.add_special_tokens) ids.insert(ids.end(), parts_.post.after.begin(), parts_.post.after.end());
    return ids;
}

Encoding Tokenizer::encode_with_offsets(std::string_view utf8, EncodeOptions options) const {
    CHECK(reads_text());
    CHECK_LE(utf8.size(), kLongestText);
    const std::string text = repair_utf8(utf8);
    std::vector<Span> origin(text.size());
    std::vector<uint32_t> character_of(text.size() + 1);  // index of the code point that begins at a byte
    uint32_t count = 0;
    for (uint32_t i = 0; i < text.size();) {
        const auto length = static_cast<uint32_t>(utf8_length(static_cast<unsigned char>(text[i])));
        std::fill_n(origin.begin() + i, length, Span{i, i + length});
        character_of[i] = count++;
        i += length;
    }
    character_of[text.size()] = count;

    OffsetWriter writer(*this);
    write(Piece{text, origin.data(), true}, options, writer);

    Encoding out;
    const auto put_around = [&](const std::vector<TokenId>& ids) {
        if (!options.add_special_tokens) return;
        out.ids.insert(out.ids.end(), ids.begin(), ids.end());
        out.offsets.resize(out.ids.size());
    };
    put_around(parts_.post.before);
    for (const auto& row : writer.rows()) {
        uint32_t begin = character_of[row.span.begin], end = character_of[row.span.end];
        const bool first = &row == writer.rows().data() || begin == 0;
        const bool own_space = first && parts_.post.added_prefix_space && row.leading == 1;
        if (!own_space) begin = std::min(begin + row.leading, end);
        if (end >= row.trailing) end = std::max(end - row.trailing, begin);
        out.ids.push_back(row.id);
        out.offsets.emplace_back(begin, end);
    }
    put_around(parts_.post.after);
    return out;
}

void Tokenizer::append_bytes(TokenId id, bool skip_special_tokens, DecodeState& state, std::string& out) const {
    if (skip_special_tokens && is_special(id)) return;
    parts_.decoder.append(id, state, out);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
    DecodeState state;
    std::string bytes;
    for (const TokenId id : ids) append_bytes(id, skip_special_tokens, state, bytes);
    return is_valid_utf8(bytes) ? bytes : repair_utf8(bytes);
}

std::optional<std::string> Tokenizer::piece_bytes(TokenId id) const {
    if (id == parts_.without_bytes) return std::nullopt;
    const auto bytes = parts_.decoder.tokens.find(id);
    return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
}

std::string Tokenizer::token_text(TokenId id) const {
    return repair_utf8(parts_.vocabulary[id]);
}

}  // namespace hone::text
