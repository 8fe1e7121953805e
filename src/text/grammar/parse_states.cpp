#include "text/grammar/parse_states.h"

#include <algorithm>

#include "text/grammar/mask_vocabulary.h"

namespace hone::text {

constexpr size_t kStackWork = 20, kLoopWork = 1000;

ParseStates::ParseStates(const Grammar& grammar) : grammar_(grammar), classes_(grammar.byte_classes()) {
    stacks_.resize(2);
    begin_closure();
    find_set();  // kDead
}

ParseStates::Id ParseStates::start() {
    begin_closure();
    call(grammar_.start(), kDone);
    run_closure();
    return find_set();
}

ParseStates::Id ParseStates::above_hole(StackId stack) {
    const Stack top = stacks_[stack];
    if (!has_repetition_below(stack)) return only(find_stack(top.state, kHole));
    const Stack below = stacks_[top.parent];
    return only(find_stack(top.state, find_stack(below.state, kHole, below.counts)));
}

bool ParseStates::has_repetition_below(StackId stack) const {
    const StackId parent = stacks_[stack].parent;
    return parent > kHole && grammar_.state(stacks_[parent].state).repeats;
}

ParseStates::StackId ParseStates::bottom_of_rule(StackId stack) const {
    return stacks_[has_repetition_below(stack) ? stacks_[stack].parent : stack].parent;
}

ParseStates::Id ParseStates::only(StackId stack) {
    closure_.assign(1, stack);
    return find_set();
}

ParseStates::Id ParseStates::after_return(StackId parent) {
    begin_closure();
    close_return(parent);
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
    work(classes_ + sets_[from].size);
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
    if (!spent()) rows_[from * classes_ + grammar_.byte_class(byte)] = to;
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

void ParseStates::close(uint32_t state, StackId parent, Counts counts) {
    if (!fits(state, parent)) return;
    const StackId id = find_stack(state, parent, counts);
    if (stacks_[id].mark == round_) return;
    stacks_[id].mark = round_;
    open_.push_back(id);
}

void ParseStates::call(uint32_t start, StackId parent) {
    const Grammar::State& state = grammar_.state(start);
    Counts counts{};
    if (state.repeats) counts = {grammar_.repetition(state).least, grammar_.repetition(state).most};
    close(start, parent, counts);
}

void ParseStates::close_return(StackId parent) {
    if (parent <= kHole) {
        if (stacks_[parent].mark != round_) closure_.push_back(parent);
        stacks_[parent].mark = round_;
    } else {
        const Stack below = stacks_[parent];
        close(below.state, below.parent, below.counts);
    }
}

// At the end of a unit, or the beginning: another one, or what is behind all.
void ParseStates::close_repetition(StackId id) {
    const Stack top = stacks_[id];
    const auto& [needed, remaining] = top.counts;
    if (remaining > 0) {
        const Counts after = {needed > 0 ? needed - 1 : 0,
                              remaining == Grammar::kUnbounded ? remaining : remaining - 1};
        call(grammar_.start_of_unit(grammar_.state(top.state)), find_stack(top.state, top.parent, after));
    }
    if (needed == 0) close_return(top.parent);
}

void ParseStates::run_closure() {
    while (!open_.empty()) {
        work(kStackWork);
        if (memory() > memory_limit_) work_left_ = 0;
        if (spent() || closure_.size() > kMostStacks) return closure_.clear();
        const StackId id = open_.back();
        open_.pop_back();
        const Stack top = stacks_[id];
        const Grammar::State& state = grammar_.state(top.state);
        if (state.repeats) {
            close_repetition(id);
            continue;
        }
        if (state.bytes != state.calls) closure_.push_back(id);
        for (const auto& edge : grammar_.call_edges(state)) {
            work(kStackWork);
            const bool is_last = grammar_.is_last(grammar_.state(edge.target));
            if (!is_last && !fits(edge.target, top.parent)) continue;
            call(grammar_.start_of(edge.low), is_last ? top.parent : find_stack(edge.target, top.parent));
        }
        if (state.accepts) close_return(top.parent);
    }
}

ParseStates::StackId ParseStates::find_stack(uint32_t state, StackId parent, Counts counts) {
    const auto next = static_cast<StackId>(stacks_.size());
    const auto [entry, is_new] = stack_index_.try_emplace({state, parent, counts}, next);
    if (is_new) {
        const uint32_t depth = stacks_[parent].depth + 1;
        stacks_.push_back({.state = state,
                           .parent = parent,
                           .counts = counts,
                           .depth = depth,
                           .height = std::max(depth + grammar_.state(state).need, stacks_[parent].height)});
    }
    return entry->second;
}

ParseStates::Id ParseStates::find_set() {
    if (closure_.size() > kMostStacks) closure_.clear();
    work(closure_.size());
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
    work(256);
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

ParseStates::Id ParseStates::with_small_counts(Id id, uint32_t most) {
    const auto small = [&](Counts counts) {
        return Counts{std::min(counts.needed, most), counts.remaining >= most ? Grammar::kUnbounded : counts.remaining};
    };
    std::vector<StackId> changed;
    std::vector<StackId> frames;
    for (const StackId member : std::vector<StackId>(stacks(id).begin(), stacks(id).end())) {
        frames.clear();
        StackId stack = member;
        for (; stack > kHole; stack = stacks_[stack].parent) frames.push_back(stack);
        work(frames.size() * kStackWork);
        for (; !frames.empty(); frames.pop_back()) {
            const Stack frame = stacks_[frames.back()];
            stack =
                find_stack(frame.state, stack, grammar_.state(frame.state).repeats ? small(frame.counts) : Counts{});
        }
        changed.push_back(stack);
    }
    closure_ = std::move(changed);
    return find_set();
}

// The set after one more unit of the repetitions right below its tops, and how many units look the same.
ParseStates::Id ParseStates::one_unit_later(Id id, uint32_t& reach) {
    std::vector<StackId> changed(stacks(id).begin(), stacks(id).end());
    for (StackId& member : changed) {
        const Stack top = stacks_[member];
        if (member <= kHole || top.parent <= kHole) continue;
        const Stack below = stacks_[top.parent];
        if (!grammar_.state(below.state).repeats) continue;
        auto [needed, remaining] = below.counts;
        reach = std::min({reach, remaining, needed > 0 ? needed : reach});
        if (needed > 0) needed--;
        if (remaining > 0 && remaining != Grammar::kUnbounded) remaining--;
        member = find_stack(top.state, find_stack(below.state, below.parent, {needed, remaining}));
    }
    closure_ = std::move(changed);
    return find_set();
}

// A text may stay inside one unit of a repetition, or every character be a unit.
void ParseStates::find_loops(Id id) {
    uint32_t reach = UINT32_MAX;
    work(kLoopWork);
    uint64_t loops = loops_to(id, id);
    if (loops == 0) {
        const Id later = one_unit_later(id, reach);
        if (later != id) loops = loops_to(id, later);
    }
    if (spent()) return;
    sets_[id].loops = loops | uint64_t{1} << MaskVocabulary::kUnused;
    sets_[id].reach = reach;
}

uint64_t ParseStates::loops_to(Id id, Id goal) {
    uint64_t loops = MaskVocabulary::kAllKinds;
    for (unsigned byte = 0; byte < 128; byte++) {
        if (step(id, static_cast<uint8_t>(byte)) == goal) continue;
        loops &= ~(uint64_t{1} << MaskVocabulary::kind_of(static_cast<unsigned char>(byte)));
    }
    const auto leads = [&](unsigned first, unsigned last, unsigned left, uint8_t low, uint8_t high) {
        for (unsigned lead = first; lead <= last; lead++) {
            if (!loops_on_characters(goal, step(id, static_cast<uint8_t>(lead)), left, low, high)) return false;
        }
        return true;
    };
    const bool all = leads(0xC2, 0xDF, 1, 0x80, 0xBF) && leads(0xE0, 0xE0, 2, 0xA0, 0xBF) &&
                     leads(0xE1, 0xEC, 2, 0x80, 0xBF) && leads(0xED, 0xED, 2, 0x80, 0x9F) &&
                     leads(0xEE, 0xEF, 2, 0x80, 0xBF) && leads(0xF0, 0xF0, 3, 0x90, 0xBF) &&
                     leads(0xF1, 0xF3, 3, 0x80, 0xBF) && leads(0xF4, 0xF4, 3, 0x80, 0x8F);
    return all ? loops : loops & ~(uint64_t{1} << MaskVocabulary::kCharacters);
}

bool ParseStates::loops_on_characters(Id goal, Id from, unsigned left, uint8_t low, uint8_t high) {
    Id before = kUnknown;
    for (unsigned byte = low; byte <= high; byte++) {
        const Id next = step(from, static_cast<uint8_t>(byte));
        if (next == before) continue;
        if (left == 1 ? next != goal : next == kDead || !loops_on_characters(goal, next, left - 1, 0x80, 0xBF)) {
            return false;
        }
        before = next;
    }
    return true;
}

ParseStates::Exported ParseStates::export_state(Id id) const {
    Exported exported;
    for (StackId stack : stacks(id)) {
        auto& states = exported.emplace_back();
        for (; stack > kHole; stack = stacks_[stack].parent) {
            states.push_back({stacks_[stack].state, stacks_[stack].counts});
        }
    }
    return exported;
}

ParseStates::Id ParseStates::import_state(const Exported& exported) {
    std::vector<StackId> ids;
    for (const auto& states : exported) {
        StackId stack = kDone;
        for (auto frame = states.rbegin(); frame != states.rend(); ++frame) {
            stack = find_stack(frame->state, stack, frame->counts);
        }
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
