#include "text/grammar/grammar_assembly.h"

#include <algorithm>
#include <unordered_set>

namespace hone::text {

void GrammarAssembly::add(std::string name, const Automaton& automaton) {
    const auto first = static_cast<uint32_t>(grammar_.states_.size());
    grammar_.rules_.push_back({first});
    names_.push_back(std::move(name));
    auto& edges = grammar_.edges_;
    for (const auto& from : automaton.states) {
        Grammar::State state;
        state.accepts = from.accepts;
        state.need = kNever;
        state.bytes = static_cast<uint32_t>(edges.size());
        const auto append = [&](Symbol low, Symbol high) {
            for (const Transition& edge : from.edges) {
                if (edge.low >= low && edge.low < high) edges.push_back({edge.low, edge.high, first + edge.target});
            }
            return static_cast<uint32_t>(edges.size());
        };
        state.tokens = append(0, kFirstToken);
        state.calls = append(kFirstToken, kFirstCall);
        state.end = append(kFirstCall, UINT32_MAX);
        grammar_.states_.push_back(state);
    }
}

void GrammarAssembly::add_repetition(std::string name, const Grammar::Repetition& repetition) {
    grammar_.rules_.push_back({static_cast<uint32_t>(grammar_.states_.size())});
    names_.push_back(std::move(name));
    // The place where its edges would begin is that of the repetition.
    const auto place = static_cast<uint32_t>(grammar_.repetitions_.size());
    grammar_.repetitions_.push_back(repetition);
    grammar_.states_.push_back({place, place, place, place, kNever, repetition.least == 0, true});
}

Result<Grammar> GrammarAssembly::finish(const Error& empty) {
    count_needs();
    const uint32_t need = grammar_.states_[grammar_.start()].need;
    if (need == kNever) return empty;
    if (need > grammar_.depth_) return error("every text of the grammar is nested deeper than {}", grammar_.depth_);
    drop_dead_ends();
    find_empty_states();
    if (const Status status = check_repetitions(); !status) return status.error();
    if (const Status status = check_beginnings(); !status) return status.error();
    classify_bytes();
    return std::move(grammar_);
}

uint32_t GrammarAssembly::need_of(const Grammar::State& state) const {
    const auto& states = grammar_.states_;
    uint32_t least = state.accepts ? 0 : kNever;
    if (state.repeats && !state.accepts) {
        const uint32_t unit = states[grammar_.start_of_unit(state)].need;
        return unit == kNever ? kNever : unit + 1;
    }
    for (uint32_t i = state.bytes; i < state.calls; i++)
        least = std::min(least, states[grammar_.edges_[i].target].need);
    for (const auto& edge : grammar_.call_edges(state)) {
        const uint32_t callee = states[grammar_.start_of(edge.low)].need, after = states[edge.target].need;
        if (callee == kNever || after == kNever) continue;
        least = std::min(least, grammar_.is_last(states[edge.target]) ? callee : std::max(callee + 1, after));
    }
    return least;
}

void GrammarAssembly::count_needs() {
    auto& states = grammar_.states_;
    std::vector<std::vector<uint32_t>> sources(states.size());  // whose need depends on this state's
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < states.size(); i++) {
        if (states[i].repeats) sources[grammar_.start_of_unit(states[i])].push_back(i);
        for (uint32_t e = states[i].bytes; e < states[i].end; e++) {
            const Transition& edge = grammar_.edges_[e];
            sources[edge.target].push_back(i);
            if (edge.low >= kFirstCall) sources[grammar_.start_of(edge.low)].push_back(i);
        }
        if (states[i].accepts) open.push_back(i);
    }
    while (!open.empty()) {
        const uint32_t i = open.back();
        open.pop_back();
        const uint32_t need = need_of(states[i]);
        if (need >= states[i].need) continue;
        states[i].need = need;
        open.insert(open.end(), sources[i].begin(), sources[i].end());
    }
}

void GrammarAssembly::drop_dead_ends() {
    std::vector<Transition> kept;
    const auto& states = grammar_.states_;
    const auto ends = [&](const Transition& edge) {
        return states[edge.target].need != kNever &&
               (edge.low < kFirstCall || states[grammar_.start_of(edge.low)].need != kNever);
    };
    for (Grammar::State& state : grammar_.states_) {
        const Grammar::State old = state;
        if (old.repeats) continue;
        const auto keep = [&](uint32_t begin, uint32_t end) {
            for (uint32_t i = begin; i < end; i++) {
                if (ends(grammar_.edges_[i])) kept.push_back(grammar_.edges_[i]);
            }
            return static_cast<uint32_t>(kept.size());
        };
        state.bytes = static_cast<uint32_t>(kept.size());
        state.tokens = keep(old.bytes, old.tokens);
        state.calls = keep(old.tokens, old.calls);
        state.end = keep(old.calls, old.end);
    }
    grammar_.edges_ = std::move(kept);
}

// A state is empty if the end of its rule can be reached without reading anything.
void GrammarAssembly::find_empty_states() {
    const auto& states = grammar_.states_;
    std::vector<std::vector<uint32_t>> sources(states.size());
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < states.size(); i++) {
        for (const auto& edge : grammar_.call_edges(states[i])) {
            sources[edge.target].push_back(i);
            sources[grammar_.start_of(edge.low)].push_back(i);
        }
        if (states[i].accepts) open.push_back(i);
    }
    is_empty_.assign(states.size(), false);
    while (!open.empty()) {
        const uint32_t i = open.back();
        open.pop_back();
        const auto passes = [&](const Transition& edge) {
            return is_empty_[grammar_.start_of(edge.low)] && is_empty_[edge.target];
        };
        if (is_empty_[i] || !(states[i].accepts || std::ranges::any_of(grammar_.call_edges(states[i]), passes)))
            continue;
        is_empty_[i] = true;
        open.insert(open.end(), sources[i].begin(), sources[i].end());
    }
}

std::vector<uint32_t> GrammarAssembly::first_calls(uint32_t rule) const {
    std::vector<uint32_t> calls, open = {grammar_.rules_[rule].start};
    std::unordered_set<uint32_t> seen(open.begin(), open.end());
    while (!open.empty()) {
        const auto& state = grammar_.states_[open.back()];
        open.pop_back();
        if (state.repeats) calls.push_back(grammar_.repetition(state).unit);
        for (const auto& edge : grammar_.call_edges(state)) {
            calls.push_back(edge.low - kFirstCall);
            if (is_empty_[grammar_.start_of(edge.low)] && seen.insert(edge.target).second) open.push_back(edge.target);
        }
    }
    return calls;
}

Status GrammarAssembly::check_repetitions() const {
    for (const Grammar::State& state : grammar_.states_) {
        if (!state.repeats || !is_empty_[grammar_.start_of_unit(state)]) continue;
        const auto& [unit, least, most] = grammar_.repetition(state);
        return error(
            "a repetition of {} times of what may be empty is not supported: leave the number out, or take the empty "
            "text out of what is repeated",
            most == Grammar::kUnbounded ? least : most);
    }
    return ok();
}

Status GrammarAssembly::check_beginnings() const {
    enum class Mark : uint8_t { kNew, kOpen, kDone };
    std::vector<Mark> marks(grammar_.rules_.size(), Mark::kNew);
    struct Frame {
        uint32_t rule;
        std::vector<uint32_t> calls;
    };
    for (uint32_t root = 0; root < marks.size(); root++) {
        std::vector<Frame> path;
        const auto enter = [&](uint32_t rule) {
            marks[rule] = Mark::kOpen;
            path.push_back({rule, first_calls(rule)});
        };
        if (marks[root] == Mark::kNew) enter(root);
        while (!path.empty()) {
            if (path.back().calls.empty()) {
                marks[path.back().rule] = Mark::kDone;
                path.pop_back();
                continue;
            }
            const uint32_t callee = path.back().calls.back();
            path.back().calls.pop_back();
            if (marks[callee] == Mark::kOpen) {
                return error("rule {} begins with itself (left recursion): write it as a repetition", names_[callee]);
            }
            if (marks[callee] == Mark::kNew) enter(callee);
        }
    }
    return ok();
}

// Cuts the bytes wherever an edge begins or ends.
void GrammarAssembly::classify_bytes() {
    std::array<bool, 257> cut{};
    for (const Grammar::State& state : grammar_.states_) {
        for (const Transition& edge : grammar_.byte_edges(state)) cut[edge.low] = cut[edge.high + 1] = true;
    }
    unsigned next = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte > 0 && cut[byte]) next++;
        grammar_.classes_[byte] = static_cast<uint8_t>(next);
    }
    grammar_.class_count_ = next + 1;
}

}  // namespace hone::text
