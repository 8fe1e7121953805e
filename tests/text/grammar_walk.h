// Tokenizers with the vocabularies of their masks, and texts drawn under a grammar.
#pragma once

#include <random>

#include "tests/text/grammar_texts.h"
#include "tests/text/tokenizer_golden.h"

namespace hone::text {

struct Loaded {
    std::unique_ptr<Tokenizer> tokenizer;
    std::shared_ptr<const MaskVocabulary> vocabulary;
    TokenId end = 0;
};

// Byte-level BPE, SentencePiece with byte fallback (both files), with spaces of its own, unigram without bytes.
inline Loaded load(const std::string& name) {
    auto tokenizer = Tokenizer::load(golden_text() / "tokenizers" / name);
    CHECK(tokenizer.ok(), "{}", tokenizer.error().message);
    Loaded loaded{.tokenizer = std::move(*tokenizer)};
    const auto eos = loaded.tokenizer->eos();
    loaded.end = eos ? *eos : loaded.tokenizer->added_tokens().front().id;
    loaded.vocabulary = std::make_shared<const MaskVocabulary>(*loaded.tokenizer, std::vector<TokenId>{loaded.end},
                                                               loaded.tokenizer->vocabulary_size() + 70);
    return loaded;
}

inline const std::vector<std::string> kTokenizers = {"qwen3", "llama3", "llama2", "llama2_sp", "gemma"};

// Draws under the mask until the text ends: after `open` tokens it takes what closes wherever it can.
class Walk {
  public:
    GrammarMatcher matcher;
    std::string text;

    Walk(std::shared_ptr<const TokenGrammar> grammar, uint32_t seed)
        : matcher(grammar), grammar_(grammar), random_(seed) {}

    bool ended() const { return matcher.ended(); }

    TokenId draw(size_t open) {
        const std::vector<TokenId> allowed = (*matcher.allowed())->tokens();
        CHECK(!allowed.empty());
        std::vector<TokenId> closing;
        for (const TokenId id : allowed) {
            const std::string_view bytes = grammar_->vocabulary().bytes(id);
            if (bytes.empty() || bytes == "}" || bytes == "]" || bytes == "\"") closing.push_back(id);
        }
        const bool closes = !closing.empty() && (drawn_++ > open || random_() % 4 == 0);
        const auto& from = closes ? closing : allowed;
        return from[random_() % from.size()];
    }

    void accept(TokenId id) {
        CHECK(matcher.accept(id));
        text += grammar_->vocabulary().bytes(id);
    }

  private:
    std::shared_ptr<const TokenGrammar> grammar_;
    std::mt19937 random_;
    size_t drawn_ = 0;
};

}  // namespace hone::text
