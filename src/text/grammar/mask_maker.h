// Works out token masks. What a state of a rule allows by itself, and where a token leaves the rule (holes), is found
// once per state of the automaton; only the tokens that leave are followed further, on what is really below (the idea of
// XGrammar, arXiv 2411.15100). Walks over the vocabulary's trie skip subtrees that cannot match, and take whole those
// that must. Belongs to a ParseStates; one thread at a time.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "text/grammar/mask_vocabulary.h"
#include "text/grammar/parse_states.h"
#include "text/grammar/token_mask.h"

namespace hone::text {

class MaskMaker {
  public:
    // All outlive this.
    MaskMaker(const Grammar& grammar, const MaskVocabulary& vocabulary, ParseStates& states)
        : grammar_(grammar), vocabulary_(vocabulary), states_(states) {}

    // Null if that takes more than one question may.
    std::shared_ptr<const TokenMask> mask(ParseStates::Id id);
    // The same, without anything kept or taken together: for tests.
    TokenMask mask_by_trying(ParseStates::Id id);
    size_t memory() const { return memory_ + masks_.size() * static_cast<size_t>(vocabulary_.size()) / 8; }

  private:
    struct Local {
        std::vector<TokenId> few;  // tokens that the state allows; if there are many, `many` instead
        std::unique_ptr<TokenMask> many;
        std::vector<uint32_t> holes;  // nodes of the trie at which the rule may end, with tokens below
        uint32_t height = 0;          // frames that these tokens take
        bool is_open = false;         // the rule may end nearly everywhere: no use to look at it alone
    };

    // Of no use if the work is spent.
    const Local& local(ParseStates::Id alone);
    // False if the stack has to be looked at as a whole.
    bool add_stack(ParseStates::StackId stack, TokenMask& mask);
    // Adds the tokens below `root` that `from` allows. With `local`, notes its holes and height, and gives up
    // where there are too many.
    void walk(uint32_t root, ParseStates::Id from, TokenMask& mask, Local* local);

    const Grammar& grammar_;
    const MaskVocabulary& vocabulary_;
    ParseStates& states_;
    std::unordered_map<ParseStates::Id, Local> locals_;  // by state above the hole
    std::unordered_map<ParseStates::Id, std::shared_ptr<const TokenMask>> masks_;
    std::array<ParseStates::Id, MaskVocabulary::kLongestToken + 1> path_{};
    size_t memory_ = 0;
};

}  // namespace hone::text
