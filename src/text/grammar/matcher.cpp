#include "text/grammar/matcher.h"

#include <mutex>
#include <unordered_map>

#include "text/grammar/mask_maker.h"
#include "text/grammar/parse_states.h"
#include "text/utf8.h"

namespace hone::text {

class GrammarMemory {
  public:
    GrammarMemory(const Grammar& grammar, const MaskVocabulary& vocabulary)
        : states(grammar), masks(grammar, vocabulary, states), start(states.start()) {}

    size_t bytes() const { return states.memory() + masks.memory() + forced_bytes; }
    // For one question.
    std::unique_lock<std::mutex> begin_work() {
        std::unique_lock lock(mutex);
        states.begin_work();
        return lock;
    }

    std::mutex mutex;  // of all below
    ParseStates states;
    MaskMaker masks;
    ParseStates::Id start;
    std::unordered_map<ParseStates::Id, std::vector<TokenId>> forced;
    size_t forced_bytes = 0;
};

struct TokenGrammar::Current {
    std::mutex mutex;
    std::shared_ptr<GrammarMemory> memory;
};

TokenGrammar::TokenGrammar(Grammar grammar, std::shared_ptr<const MaskVocabulary> vocabulary, size_t memory)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      memory_limit_(memory),
      current_(std::make_unique<Current>()) {
    current_->memory = std::make_shared<GrammarMemory>(grammar_, *vocabulary_);
}

TokenGrammar::~TokenGrammar() = default;

Status TokenGrammar::check() const {
    for (size_t i = 0; i < grammar_.states(); i++) {
        for (const auto& edge : grammar_.token_edges(grammar_.state(static_cast<uint32_t>(i)))) {
            if (edge.high - kFirstToken < static_cast<Symbol>(vocabulary_->size())) continue;
            return error("token {} is outside the vocabulary of {}", edge.high - kFirstToken, vocabulary_->size());
        }
    }
    if (current_memory()->start != ParseStates::kDead) return ok();
    return error("the beginning of a text can be read in more than {} ways", ParseStates::kMostStacks);
}

std::shared_ptr<GrammarMemory> TokenGrammar::current_memory() const {
    const std::lock_guard lock(current_->mutex);
    auto& memory = current_->memory;
    bool is_full;
    {
        const std::lock_guard inner(memory->mutex);
        is_full = memory->bytes() > memory_limit_;
    }
    if (is_full) memory = std::make_shared<GrammarMemory>(grammar_, *vocabulary_);
    return memory;
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<const TokenGrammar> grammar)
    : grammar_(std::move(grammar)), memory_(grammar_->current_memory()), state_(memory_->start) {}

void GrammarMatcher::renew() const {
    ParseStates::Exported exported;
    {
        const std::lock_guard lock(memory_->mutex);
        if (memory_->bytes() <= grammar_->memory_limit_) return;
        exported = memory_->states.export_state(state_);
    }
    memory_ = grammar_->current_memory();
    const auto lock = memory_->begin_work();
    state_ = memory_->states.import_state(exported);
}

bool GrammarMatcher::accept(TokenId id) {
    if (ended_) return false;
    renew();
    const auto lock = memory_->begin_work();
    ParseStates& states = memory_->states;
    ParseStates::Id next = states.reads_tokens(state_) ? states.step_token(state_, id) : ParseStates::kDead;
    const bool is_end = grammar_->vocabulary().is_end(id);
    if (next == ParseStates::kDead && is_end) return ended_ = states.contains(state_, ParseStates::kDone);
    if (const std::string_view bytes = grammar_->vocabulary().bytes(id); !bytes.empty() && !is_end) {
        ParseStates::Id spelled = state_;
        for (const char c : bytes) spelled = states.step(spelled, static_cast<uint8_t>(c));
        next = states.merge(next, spelled);
    }
    if (next == ParseStates::kDead) return false;
    state_ = next;
    return true;
}

bool GrammarMatcher::accept_bytes(std::string_view bytes) {
    if (ended_) return bytes.empty();
    renew();
    const auto lock = memory_->begin_work();
    ParseStates::Id next = state_;
    for (const char c : bytes) next = memory_->states.step(next, static_cast<uint8_t>(c));
    if (next == ParseStates::kDead) return false;
    state_ = next;
    return true;
}

bool GrammarMatcher::can_end() const {
    if (ended_) return true;
    const auto lock = memory_->begin_work();
    return memory_->states.contains(state_, ParseStates::kDone);
}

static Error too_much() {
    return error("what may follow here takes too much work to find out: ask for a simpler form");
}

Result<std::shared_ptr<const TokenMask>> GrammarMatcher::allowed() const {
    if (ended_) return std::shared_ptr<const TokenMask>(std::make_shared<TokenMask>(grammar_->vocabulary().size()));
    renew();
    const auto lock = memory_->begin_work();
    auto mask = memory_->masks.mask(state_);
    if (!mask) return too_much();
    return mask;
}

TokenMask GrammarMatcher::allowed_by_trying() const {
    if (ended_) return TokenMask(grammar_->vocabulary().size());
    const auto lock = memory_->begin_work();
    return memory_->masks.mask_by_trying(state_);
}

// The forced bytes from `state`, which moves behind them.
static std::string forced_run(ParseStates& states, ParseStates::Id& state) {
    std::string run;
    while (run.size() < GrammarMatcher::kLongestRun && !states.contains(state, ParseStates::kDone) &&
           !states.reads_tokens(state)) {
        const auto byte = states.only_byte(state);
        if (!byte) break;
        run += static_cast<char>(*byte);
        state = states.step(state, *byte);
    }
    return run;
}

std::string GrammarMatcher::forced_bytes() const {
    if (ended_) return {};
    renew();
    const auto lock = memory_->begin_work();
    ParseStates::Id state = state_;
    return forced_run(memory_->states, state);
}

Result<std::vector<TokenId>> GrammarMatcher::forced() const {
    if (ended_) return std::vector<TokenId>();
    renew();
    const auto lock = memory_->begin_work();
    if (const auto known = memory_->forced.find(state_); known != memory_->forced.end()) return known->second;
    ParseStates& states = memory_->states;
    const MaskVocabulary& vocabulary = grammar_->vocabulary();
    ParseStates::Id behind = state_;
    std::string run = forced_run(states, behind);
    const size_t length = run.size();
    while (!run.empty() && !is_valid_utf8(run) && run.size() + 4 > length) run.pop_back();
    std::vector<TokenId> ids = vocabulary.encode(run);
    if (!ids.empty()) {
        // Whether the last token goes on in the vocabulary with a byte that may follow.
        const auto node = vocabulary.find(vocabulary.bytes(ids.back()));
        const auto nodes = vocabulary.nodes();
        bool may_grow = run.size() < length || !node;
        for (uint32_t child = node.value_or(0) + 1; !may_grow && child < nodes[*node].end; child = nodes[child].end) {
            may_grow = states.step(behind, nodes[child].byte) != ParseStates::kDead;
        }
        if (may_grow) ids.pop_back();
    }
    if (states.spent()) return too_much();
    memory_->forced_bytes += 64 + ids.size() * sizeof(TokenId);
    return memory_->forced[state_] = ids;
}

}  // namespace hone::text
