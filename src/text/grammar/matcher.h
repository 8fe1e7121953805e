// Follows a text token by token along a grammar, and says what may come next.
//
//   const auto grammar = TokenGrammar::create(compiled, vocabulary);   // shared by all texts
//   GrammarMatcher matcher(grammar);
//   (*matcher.allowed())->words();  matcher.accept(token);  matcher.can_end();
//
// A TokenGrammar is a Grammar over a vocabulary with all that has been found out about it so far (states, masks), within
// a bounded memory; any thread may use it. A GrammarMatcher is one text: one thread at a time, cheap to copy. A question
// that takes more work or memory than one may (ParseStates::begin_work) fails, which ends its text.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/grammar/grammar.h"
#include "text/grammar/mask_vocabulary.h"
#include "text/grammar/token_mask.h"

namespace hone::text {

class GrammarMemory;  // what has been found out; thrown away and begun anew when it grows too large

class TokenGrammar {
  public:
    static constexpr size_t kMemory = size_t{16} << 20;  // bytes of states and masks that are kept

    TokenGrammar(Grammar grammar, std::shared_ptr<const MaskVocabulary> vocabulary, size_t memory = kMemory);
    ~TokenGrammar();
    TokenGrammar(const TokenGrammar&) = delete;
    TokenGrammar& operator=(const TokenGrammar&) = delete;

    const Grammar& grammar() const { return grammar_; }
    const MaskVocabulary& vocabulary() const { return *vocabulary_; }

    // Errors: a beginning that can be read in too many ways; tokens that the vocabulary does not have.
    Status check() const;

  private:
    friend class GrammarMatcher;
    std::shared_ptr<GrammarMemory> current_memory() const;

    Grammar grammar_;
    std::shared_ptr<const MaskVocabulary> vocabulary_;
    size_t memory_limit_;
    struct Current;
    std::unique_ptr<Current> current_;
};

class GrammarMatcher {
  public:
    explicit GrammarMatcher(std::shared_ptr<const TokenGrammar> grammar);

    // Goes on by one token; false, and nothing changes, if it is not allowed here, or if the text could then be read in
    // too many ways: allowed() looks at one way at a time.
    bool accept(TokenId id);
    // Goes on by bytes, however tokens would cut them; false, and nothing changes, if they do not fit.
    bool accept_bytes(std::string_view bytes);

    // The text so far is complete. It may still go on, unless allowed() has end tokens only.
    bool can_end() const;
    // An end token was accepted: nothing is allowed any more.
    bool ended() const { return ended_; }

    // Tokens that may come next, end tokens among them where can_end(). Never empty before the end, as long as the
    // vocabulary can spell every byte.
    Result<std::shared_ptr<const TokenMask>> allowed() const;

    // The bytes that have to follow: as long as there is only one way on. Bounded (kLongestRun).
    std::string forced_bytes() const;
    // The tokens that have to follow, as the tokenizer cuts forced_bytes(). The last one is left out where it could
    // become a longer token with what follows. Empty where that takes more than the tokenizer gives (its tokens have
    // other bytes than the text, SentencePiece's space in front, for example).
    Result<std::vector<TokenId>> forced() const;
    static constexpr size_t kLongestRun = 4096;

    // allowed() by trying every token: slow, the specification of allowed().
    TokenMask allowed_by_trying() const;

  private:
    void renew() const;  // moves to the grammar's current memory if ours is full

    std::shared_ptr<const TokenGrammar> grammar_;
    mutable std::shared_ptr<GrammarMemory> memory_;
    mutable uint32_t state_ = 0;
    bool ended_ = false;
};

}  // namespace hone::text
