#include "text/grammar/parse_states.h"

#include <algorithm>

#include "text/grammar/mask_vocabulary.h"
#include "text/tokenizer/hash_bytes.h"

namespace hone::text {

ParseStates::ParseStates(const Grammar& grammar) : grammar_(grammar), classes_(grammar.byte_classes()) {
    stacks_.resize(2);
    begin_closure();
    find_set();  // kDead
}

ParseStates::Id ParseStates::start() {
    begin_closure();
    close(grammar_.start(), kDone);
    run_closure();
    return find_set();
}

ParseStates::Id ParseStates::above_hole(uint32_t state) {
    return only(find_stack(state, kHole));
}

ParseStates::Id ParseStates::only(StackId stack) {
    closure_.assign(1, stack);
    return find_set();
}

ParseStates::Id ParseStates::after_return(StackId stack) {
    begin_closure();
    close_return(stacks_[stack].parent);
    run_closure();
    return find_set();
}

ParseStates::Id ParseStates::merge(Id a, Id b) {
    if (a == kDead || b == kDead) return a == kDead ? b : a;
    closure_.assign(stacks(a).begin(), stacks(a).end());
    closure_.insert(closure_.end(), stacks(b).begin(), stacks(b).end());
    return find_set();
}

bool ParseStates::contains(Id id, StackId stack) const {
    return std::ranges::binary_search(stacks(id), stack);
}

static const Grammar::Transition* edge_of(std::span<const Grammar::Transition> edges, Symbol symbol) {
    const auto edge = std::ranges::lower_bound(edges, symbol, {}, &Grammar::Transition::high);
    return edge != edges.end() && edge->low <= symbol ? &*edge : nullptr;
}

ParseStates::Id ParseStates::work_out_step(Id from, uint8_t byte) {
    begin_closure();
    for (uint32_t i = 0; i < sets_[from].size; i++) {
        const StackId id = members_[sets_[from].begin + i];
        if (id <= kHole) continue;
        const Stack top = stacks_[id];
        if (const auto* edge = edge_of(grammar_.byte_edges(grammar_.state(top.state)), byte)) {
            close(edge->target, top.parent);
        }
    }
    run_closure();
    const Id to = find_set();
    rows_[from * classes_ + grammar_.byte_class(byte)] = to;
    return to;
}

ParseStates::Id ParseStates::step_token(Id from, TokenId token) {
    begin_closure();
    for (uint32_t i = 0; i < sets_[from].size; i++) {
        const StackId id = members_[sets_[from].begin + i];
        if (id <= kHole) continue;
        const Stack top = stacks_[id];
        const auto edges = grammar_.token_edges(grammar_.state(top.state));
        if (const auto* edge = edge_of(edges, kFirstToken + static_cast<Symbol>(token)))
            close(edge->target, top.parent);
    }
    run_closure();
    return find_set();
}

void ParseStates::begin_closure() {
    closure_.clear();
    open_.clear();
    round_++;
}

// Whether the frame may be there and its rule still be finished within the grammar's depth.
bool ParseStates::fits(uint32_t state, StackId parent) const {
    return stacks_[parent].depth + 1 + grammar_.state(state).need <= grammar_.depth();
}

void ParseStates::close(uint32_t state, StackId parent) {
    if (!fits(state, parent)) return;
    const StackId id = find_stack(state, parent);
    if (stacks_[id].mark == round_) return;
    stacks_[id].mark = round_;
    open_.push_back(id);
}

void ParseStates::close_return(StackId parent) {
    if (parent <= kHole) {
        if (stacks_[parent].mark != round_) closure_.push_back(parent);
        stacks_[parent].mark = round_;
    } else {
        close(stacks_[parent].state, stacks_[parent].parent);
    }
}

void ParseStates::run_closure() {
    while (!open_.empty()) {
        const StackId id = open_.back();
        open_.pop_back();
        const Stack top = stacks_[id];
        const Grammar::State& state = grammar_.state(top.state);
        if (state.bytes != state.calls) closure_.push_back(id);
        for (const auto& edge : grammar_.call_edges(state)) {
            const bool is_last = grammar_.is_last(grammar_.state(edge.target));
            if (!is_last && !fits(edge.target, top.parent)) continue;
            close(grammar_.start_of(edge.low), is_last ? top.parent : find_stack(edge.target, top.parent));
        }
        if (state.accepts) close_return(top.parent);
    }
}

ParseStates::StackId ParseStates::find_stack(uint32_t state, StackId parent) {
    const auto next = static_cast<StackId>(stacks_.size());
    const auto [entry, is_new] = stack_index_.try_emplace(uint64_t{state} << 32 | parent, next);
    if (is_new) {
        const uint32_t depth = stacks_[parent].depth + 1;
        stacks_.push_back({.state = state,
                           .parent = parent,
                           .depth = depth,
                           .height = std::max(depth + grammar_.state(state).need, stacks_[parent].height)});
    }
    return entry->second;
}

ParseStates::Id ParseStates::find_set() {
    if (closure_.size() > kMostStacks) closure_.clear();
    std::ranges::sort(closure_);
    closure_.erase(std::unique(closure_.begin(), closure_.end()), closure_.end());
    const uint64_t hash =
        hash_bytes({reinterpret_cast<const char*>(closure_.data()), closure_.size() * sizeof(StackId)});
    const auto [begin, end] = set_index_.equal_range(hash);
    for (auto entry = begin; entry != end; ++entry) {
        if (std::ranges::equal(stacks(entry->second), closure_)) return entry->second;
    }
    const auto id = static_cast<Id>(sets_.size());
    Set set{.begin = static_cast<uint32_t>(members_.size()), .size = static_cast<uint32_t>(closure_.size())};
    for (const StackId member : closure_) set.height = std::max(set.height, stacks_[member].height);
    sets_.push_back(set);
    members_.insert(members_.end(), closure_.begin(), closure_.end());
    set_index_.emplace(hash, id);
    rows_.resize(rows_.size() + classes_, closure_.empty() ? kDead : kUnknown);
    return id;
}

std::optional<uint8_t> ParseStates::only_byte(Id id) {
    std::optional<uint8_t> only;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (step(id, static_cast<uint8_t>(byte)) == kDead) continue;
        if (only) return std::nullopt;
        only = static_cast<uint8_t>(byte);
    }
    return only;
}

bool ParseStates::reads_tokens(Id id) const {
    return std::ranges::any_of(stacks(id), [&](StackId stack) {
        return stack > kHole && !grammar_.token_edges(grammar_.state(stacks_[stack].state)).empty();
    });
}

bool ParseStates::loops_on(Id id, uint64_t kinds) {
    constexpr uint64_t kKnown = uint64_t{1} << MaskVocabulary::kBroken;
    if (kinds & kKnown) return false;
    if (!sets_[id].loops) {
        const uint64_t loops = find_loops(id);
        sets_[id].loops = loops | kKnown;
    }
    return (kinds & ~sets_[id].loops) == 0;
}

uint64_t ParseStates::find_loops(Id id) {
    uint64_t loops = ~uint64_t{0};
    for (unsigned byte = 0; byte < 128; byte++) {
        if (step(id, static_cast<uint8_t>(byte)) == id) continue;
        loops &= ~(uint64_t{1} << MaskVocabulary::kind_of(static_cast<unsigned char>(byte)));
    }
    const auto leads = [&](unsigned first, unsigned last, unsigned left, uint8_t low, uint8_t high) {
        for (unsigned lead = first; lead <= last; lead++) {
            if (!loops_on_characters(id, step(id, static_cast<uint8_t>(lead)), left, low, high)) return false;
        }
        return true;
    };
    const bool all = leads(0xC2, 0xDF, 1, 0x80, 0xBF) && leads(0xE0, 0xE0, 2, 0xA0, 0xBF) &&
                     leads(0xE1, 0xEC, 2, 0x80, 0xBF) && leads(0xED, 0xED, 2, 0x80, 0x9F) &&
                     leads(0xEE, 0xEF, 2, 0x80, 0xBF) && leads(0xF0, 0xF0, 3, 0x90, 0xBF) &&
                     leads(0xF1, 0xF3, 3, 0x80, 0xBF) && leads(0xF4, 0xF4, 3, 0x80, 0x8F);
    if (!all) loops &= ~(uint64_t{1} << MaskVocabulary::kCharacters);
    return loops;
}

bool ParseStates::loops_on_characters(Id id, Id from, unsigned left, uint8_t low, uint8_t high) {
    Id before = kUnknown;
    for (unsigned byte = low; byte <= high; byte++) {
        const Id next = step(from, static_cast<uint8_t>(byte));
        if (next == before) continue;
        if (left == 1 ? next != id : next == kDead || !loops_on_characters(id, next, left - 1, 0x80, 0xBF))
            return false;
        before = next;
    }
    return true;
}

ParseStates::Exported ParseStates::export_state(Id id) const {
    Exported exported;
    for (StackId stack : stacks(id)) {
        auto& states = exported.emplace_back();
        for (; stack > kHole; stack = stacks_[stack].parent) states.push_back(stacks_[stack].state);
    }
    return exported;
}

ParseStates::Id ParseStates::import_state(const Exported& exported) {
    std::vector<StackId> ids;
    for (const auto& states : exported) {
        StackId stack = kDone;
        for (auto state = states.rbegin(); state != states.rend(); ++state) stack = find_stack(*state, stack);
        ids.push_back(stack);
    }
    closure_ = std::move(ids);
    return find_set();
}

size_t ParseStates::memory() const {
    constexpr size_t kIndexEntry = 40;
    return stacks_.size() * (sizeof(Stack) + kIndexEntry) + sets_.size() * (sizeof(Set) + kIndexEntry) +
           members_.size() * sizeof(StackId) + rows_.size() * sizeof(Id);
}

}  // namespace hone::text
