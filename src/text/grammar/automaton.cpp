#include "text/grammar/automaton.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "text/tokenizer/hash_bytes.h"

namespace hone::text {

const uint32_t* Automaton::State::next(Symbol symbol) const {
    const auto edge = std::ranges::lower_bound(edges, symbol, {}, &Transition::high);
    return edge != edges.end() && edge->low <= symbol ? &edge->target : nullptr;
}

bool Automaton::matches(std::string_view text) const {
    uint32_t state = 0;
    for (const char c : text) {
        const uint32_t* next = states[state].next(static_cast<unsigned char>(c));
        if (!next) return false;
        state = *next;
    }
    return states[state].accepts;
}

bool Automaton::is_empty() const {
    return std::ranges::none_of(states, &State::accepts);
}

// Appends an edge; one that goes on where the last one stopped becomes part of it.
static void append_edge(std::vector<Transition>& edges, const Transition& edge) {
    if (!edges.empty() && edges.back().target == edge.target && edges.back().high + 1 == edge.low &&
        edge.high < kFirstToken) {
        edges.back().high = edge.high;
    } else {
        edges.push_back(edge);
    }
}

// The subset construction. A subset holds the states that read something, and the accepting one.
class Determinisation {
  public:
    Determinisation(const LooseAutomaton& loose, WorkBudget& budget)
        : loose_(loose), budget_(budget), seen_(loose.states.size()) {}

    Automaton run() {
        find({loose_.start});
        for (uint32_t at = 0; at < subsets_.size() && !budget_.spent(); at++) expand(at);
        return std::move(result_);
    }

  private:
    using Subset = std::vector<uint32_t>;
    struct Hash {
        size_t operator()(const Subset& subset) const {
            return hash_bytes({reinterpret_cast<const char*>(subset.data()), subset.size() * sizeof(uint32_t)});
        }
    };

    // The state for all that can be reached from `roots` by jumps.
    uint32_t find(const Subset& roots) {
        Subset subset, open = roots;
        round_++;
        while (!open.empty()) {
            const uint32_t state = open.back();
            open.pop_back();
            if (seen_[state] == round_) continue;
            seen_[state] = round_;
            const auto& from = loose_.states[state];
            if (!from.edges.empty() || state == loose_.end) subset.push_back(state);
            open.insert(open.end(), from.jumps.begin(), from.jumps.end());
            budget_.work(1 + from.jumps.size());
        }
        std::ranges::sort(subset);
        const auto [entry, is_new] = index_.try_emplace(std::move(subset), static_cast<uint32_t>(subsets_.size()));
        if (is_new) {
            budget_.state();
            subsets_.push_back(&entry->first);
            result_.states.emplace_back().accepts = std::ranges::binary_search(entry->first, loose_.end);
        }
        return entry->second;
    }

    void expand(uint32_t at) {
        const Subset& subset = *subsets_[at];
        edges_.clear();
        for (const uint32_t state : subset) {
            edges_.insert(edges_.end(), loose_.states[state].edges.begin(), loose_.states[state].edges.end());
        }
        points_.clear();
        for (const Transition& edge : edges_) {
            points_.push_back(edge.low);
            points_.push_back(edge.high + 1);
        }
        std::ranges::sort(edges_, {}, &Transition::low);
        std::ranges::sort(points_);
        points_.erase(std::unique(points_.begin(), points_.end()), points_.end());
        std::vector<Transition> made;
        std::map<Subset, uint32_t> known;  // of this state: the same targets come again and again
        Subset targets;
        for (size_t i = 0; i + 1 < points_.size() && !budget_.spent(); i++) {
            targets.clear();
            for (const Transition& edge : edges_) {
                if (edge.low > points_[i]) break;
                if (edge.high >= points_[i]) targets.push_back(edge.target);
            }
            budget_.work(1 + edges_.size() / 4);
            if (targets.empty()) continue;
            std::ranges::sort(targets);
            const auto [entry, is_new] = known.try_emplace(targets, 0);
            if (is_new) entry->second = find(targets);
            append_edge(made, {points_[i], points_[i + 1] - 1, entry->second});
        }
        result_.states[at].edges = std::move(made);
    }

    const LooseAutomaton& loose_;
    WorkBudget& budget_;
    std::vector<uint32_t> seen_;
    uint32_t round_ = 0;
    std::unordered_map<Subset, uint32_t, Hash> index_;
    std::vector<const Subset*> subsets_;
    std::vector<Transition> edges_;
    std::vector<Symbol> points_;
    Automaton result_;
};

Automaton determinise(const LooseAutomaton& loose, WorkBudget& budget) {
    return Determinisation(loose, budget).run();
}

// States of the product are pairs; the second may be gone (kGone), which a difference likes.
class Product {
  public:
    Product(const Automaton& a, const Automaton& b, bool wants_b, WorkBudget& budget)
        : a_(a), b_(b), wants_b_(wants_b), budget_(budget) {}

    Automaton run() {
        find(0, 0);
        for (uint32_t at = 0; at < pairs_.size() && !budget_.spent(); at++) expand(at);
        return trimmed(result_);
    }

  private:
    static constexpr uint32_t kGone = UINT32_MAX;

    uint32_t find(uint32_t a, uint32_t b) {
        const auto [entry, is_new] = index_.try_emplace(uint64_t{a} << 32 | b, static_cast<uint32_t>(pairs_.size()));
        if (is_new) {
            budget_.state();
            pairs_.emplace_back(a, b);
            const bool in_b = b != kGone && b_.states[b].accepts;
            result_.states.emplace_back().accepts = a_.states[a].accepts && in_b == wants_b_;
        }
        return entry->second;
    }

    void expand(uint32_t at) {
        const auto [a, b] = pairs_[at];
        std::vector<Transition> made;
        for (const Transition& edge : a_.states[a].edges) {
            Symbol next = edge.low;
            const auto skip_to = [&](Symbol until) {  // b has no edge for next .. until - 1
                if (!wants_b_ && next < until) append_edge(made, {next, until - 1, find(edge.target, kGone)});
                next = until;
            };
            if (b != kGone) {
                const auto& others = b_.states[b].edges;
                auto other = std::ranges::lower_bound(others, edge.low, {}, &Transition::high);
                for (; other != others.end() && other->low <= edge.high; ++other) {
                    skip_to(std::max(next, other->low));
                    const Symbol high = std::min(edge.high, other->high);
                    append_edge(made, {next, high, find(edge.target, other->target)});
                    next = high + 1;
                }
            }
            if (next <= edge.high) skip_to(edge.high + 1);
            budget_.work(4);
        }
        result_.states[at].edges = std::move(made);
    }

    const Automaton &a_, &b_;
    const bool wants_b_;
    WorkBudget& budget_;
    std::unordered_map<uint64_t, uint32_t> index_;
    std::vector<std::pair<uint32_t, uint32_t>> pairs_;
    Automaton result_;
};

Automaton intersect(const Automaton& a, const Automaton& b, WorkBudget& budget) {
    return Product(a, b, true, budget).run();
}

Automaton subtract(const Automaton& a, const Automaton& b, WorkBudget& budget) {
    return Product(a, b, false, budget).run();
}

static std::vector<bool> states_with_end(const Automaton& automaton) {
    std::vector<std::vector<uint32_t>> sources(automaton.states.size());
    std::vector<uint32_t> open;
    std::vector<bool> useful(automaton.states.size());
    for (uint32_t i = 0; i < automaton.states.size(); i++) {
        for (const Transition& edge : automaton.states[i].edges) sources[edge.target].push_back(i);
        if (automaton.states[i].accepts) open.push_back(i), useful[i] = true;
    }
    while (!open.empty()) {
        const uint32_t state = open.back();
        open.pop_back();
        for (const uint32_t source : sources[state]) {
            if (!useful[source]) open.push_back(source), useful[source] = true;
        }
    }
    return useful;
}

// States in an order in which the targets of an edge come first, unless it closes a loop.
static std::vector<uint32_t> targets_first(const Automaton& automaton, const std::vector<bool>& useful) {
    std::vector<uint32_t> order;
    std::vector<std::pair<uint32_t, size_t>> path = {{0, 0}};
    std::vector<bool> seen(automaton.states.size());
    seen[0] = true;
    while (!path.empty()) {
        auto& [state, next] = path.back();
        const auto& edges = automaton.states[state].edges;
        while (next < edges.size() && (seen[edges[next].target] || !useful[edges[next].target])) next++;
        if (next == edges.size()) {
            order.push_back(state);
            path.pop_back();
        } else {
            const uint32_t target = edges[next++].target;
            seen[target] = true;
            path.emplace_back(target, 0);
        }
    }
    return order;
}

Automaton trimmed(const Automaton& automaton) {
    const std::vector<bool> useful = states_with_end(automaton);
    const std::vector<uint32_t> order = targets_first(automaton, useful);
    // A state is told by its edges, with the representative of each target. A loop to the state itself is written as
    // such; other loops keep states apart.
    constexpr uint32_t kItself = UINT32_MAX;
    std::vector<uint32_t> same(automaton.states.size());
    for (uint32_t i = 0; i < same.size(); i++) same[i] = i;
    std::unordered_map<std::string, uint32_t> known;
    for (const uint32_t i : order) {
        const auto& state = automaton.states[i];
        std::vector<Transition> edges;
        for (const Transition& edge : state.edges) {
            if (!useful[edge.target]) continue;
            append_edge(edges, {edge.low, edge.high, edge.target == i ? kItself : same[edge.target]});
        }
        std::string key(reinterpret_cast<const char*>(edges.data()), edges.size() * sizeof(Transition));
        key += state.accepts ? '1' : '0';
        same[i] = known.try_emplace(std::move(key), i).first->second;
    }
    Automaton result;
    std::vector<uint32_t> place(automaton.states.size(), UINT32_MAX), open;
    const auto find = [&](uint32_t state) {
        if (place[same[state]] == UINT32_MAX) {
            place[same[state]] = static_cast<uint32_t>(open.size());
            open.push_back(same[state]);
        }
        return place[same[state]];
    };
    find(0);
    for (size_t at = 0; at < open.size(); at++) {
        const auto& from = automaton.states[open[at]];
        auto& to = result.states.emplace_back();
        to.accepts = from.accepts;
        for (const Transition& edge : from.edges) {
            if (useful[edge.target]) append_edge(to.edges, {edge.low, edge.high, find(edge.target)});
        }
    }
    return result;
}

}  // namespace hone::text
