#include "text/grammar/lowering.h"

#include <algorithm>
#include <functional>
#include <map>

namespace hone::text {

constexpr size_t kDeepestExpression = 4000;

Automaton Lowering::automaton_of(Expression expression) {
    loose_ = {};
    loose_.start = add_state();
    loose_.end = add_state();
    lower(expression, loose_.start, loose_.end);
    return trimmed(determinise(loose_, builder_.budget_));
}

uint32_t Lowering::add_state() {
    builder_.budget_.state();
    loose_.states.emplace_back();
    return static_cast<uint32_t>(loose_.states.size() - 1);
}

void Lowering::lower(Expression expression, uint32_t from, uint32_t to) {
    if (builder_.failed() || builder_.budget_.spent()) return;
    if (depth_ >= kDeepestExpression) return builder_.fail(error("the grammar is nested too deeply"));
    depth_++;
    std::visit([&](const auto& node) { lower(node, from, to); }, builder_.nodes_[expression.index]);
    depth_--;
}

void Lowering::lower(const std::string& bytes, uint32_t from, uint32_t to) {
    if (bytes.empty()) return add_jump(from, to);
    for (size_t i = 0; i < bytes.size(); i++) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        const uint32_t next = i + 1 == bytes.size() ? to : add_state();
        add_edge(from, byte, byte, next);
        from = next;
    }
}

// Spells code points in UTF-8: a set of the low bits of what is still to come is a state, so what can be the same is.
class Utf8Spelling {
  public:
    using Ranges = std::vector<CodePoints::Range>;  // offsets here, so surrogates are nothing special

    Utf8Spelling(std::function<uint32_t()> add_state, std::function<void(uint32_t, Symbol, Symbol, uint32_t)> add_edge,
                 uint32_t to)
        : add_state_(std::move(add_state)), add_edge_(std::move(add_edge)), to_(to) {}

    void add(const Ranges& ranges, uint32_t from) {
        struct Length {
            char32_t low, high;
            Symbol lead;
        };
        constexpr Length kLengths[] = {
            {0, 0x7F, 0}, {0x80, 0x7FF, 0xC0}, {0x800, 0xFFFF, 0xE0}, {0x10000, 0x10FFFF, 0xF0}};
        for (int rest = 0; rest < 4; rest++) {
            const auto& [low, high, lead] = kLengths[rest];
            branch(cut(ranges, low, high, 0), rest, lead, from);
        }
    }

  private:
    // The parts of the ranges inside low .. high, minus `base`.
    static Ranges cut(const Ranges& ranges, char32_t low, char32_t high, char32_t base) {
        Ranges part;
        for (const auto& range : ranges) {
            if (range.high < low || range.low > high) continue;
            part.push_back({std::max(range.low, low) - base, std::min(range.high, high) - base});
        }
        return part;
    }

    // Edges for the next byte, of which `rest` bytes follow: mark + the bits above those of the rest.
    void branch(const Ranges& ranges, int rest, Symbol mark, uint32_t from) {
        const char32_t size = char32_t{1} << (6 * rest);
        size_t first = 0;
        for (char32_t digit = 0; digit < 0x80 && first < ranges.size();) {
            digit = std::max<char32_t>(digit, ranges[first].low / size);
            const char32_t low = digit * size, high = low + size - 1;
            while (first < ranges.size() && ranges[first].high < low) first++;
            if (first == ranges.size()) break;
            if (ranges[first].low > high) {
                digit = ranges[first].low / size;
                continue;
            }
            // All digits that this range covers as a whole look the same.
            if (ranges[first].low <= low && ranges[first].high >= high) {
                const char32_t last = (ranges[first].high + 1) / size - 1;
                add_edge_(from, mark + digit, mark + last, rest == 0 ? to_ : find({{0, size - 1}}, rest));
                digit = last + 1;
            } else {
                add_edge_(from, mark + digit, mark + digit, find(cut(ranges, low, high, low), rest));
                digit++;
            }
        }
    }

    uint32_t find(Ranges ranges, int rest) {
        std::vector<char32_t> key = {static_cast<char32_t>(rest)};
        for (const auto& range : ranges) key.insert(key.end(), {range.low, range.high});
        const auto [entry, is_new] = known_.try_emplace(std::move(key), 0);
        if (is_new) {
            const uint32_t state = entry->second = add_state_();
            branch(ranges, rest - 1, 0x80, state);
        }
        return entry->second;
    }

    std::function<uint32_t()> add_state_;
    std::function<void(uint32_t, Symbol, Symbol, uint32_t)> add_edge_;
    uint32_t to_;
    std::map<std::vector<char32_t>, uint32_t> known_;
};

void Lowering::spell(const CodePoints& set, uint32_t from, uint32_t to) {
    builder_.budget_.work(set.ranges().size() * 8);
    Utf8Spelling(
        [&] { return add_state(); },
        [&](uint32_t source, Symbol low, Symbol high, uint32_t target) { add_edge(source, low, high, target); }, to)
        .add(set.ranges(), from);
}

void Lowering::lower(const GrammarBuilder::Characters& characters, uint32_t from, uint32_t to) {
    if (characters.form == CharacterForm::kPlain) return spell(characters.set, from, to);
    CodePoints escaped(0, 0x1F);
    escaped.add(CodePoints::of("\"\\"));
    spell(characters.set.without(escaped), from, to);
    const CodePoints rest = characters.set.common(escaped);
    constexpr std::string_view kShort = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt", kHex = "0123456789abcdef";
    for (const auto& range : rest.ranges()) {
        for (char32_t code = range.low; code <= range.high; code++) {
            const size_t at = kShort.find(static_cast<char>(code));
            std::string spelled = "\\";
            if (at != std::string_view::npos) {
                spelled += kLetters[at];
            } else {
                spelled += {'u', '0', '0', kHex[code >> 4], kHex[code & 15]};
            }
            lower(spelled, from, to);
        }
    }
}

void Lowering::lower(const GrammarBuilder::Symbols& symbols, uint32_t from, uint32_t to) {
    if (symbols.low < kFirstCall || calls_ == Calls::kKept) return add_edge(from, symbols.low, symbols.high, to);
    const uint32_t rule = symbols.low - kFirstCall;
    const auto& [name, body, repetition] = builder_.rules_[rule];
    if (!body) return builder_.fail(error("rule {} is not defined", name));
    if (std::ranges::find(open_rules_, rule) != open_rules_.end()) {
        return builder_.fail(error("rule {} calls itself where only a regular language can be", name));
    }
    open_rules_.push_back(rule);
    lower(*body, from, to);
    open_rules_.pop_back();
}

void Lowering::lower(const GrammarBuilder::Many& many, uint32_t from, uint32_t to) {
    using Kind = GrammarBuilder::Many::Kind;
    if (many.kind == Kind::kChoice) {
        for (const Expression part : many.parts) lower(part, from, to);
    } else if (many.kind == Kind::kSequence) {
        for (size_t i = 0; i < many.parts.size(); i++) {
            const uint32_t next = i + 1 == many.parts.size() ? to : add_state();
            lower(many.parts[i], from, next);
            from = next;
        }
    } else {
        Lowering inner(builder_, Calls::kCopied);
        inner.open_rules_ = open_rules_;
        inner.depth_ = depth_;
        Automaton result = inner.automaton_of(many.parts[0]);
        for (const Expression part : std::span(many.parts).subspan(1)) {
            if (builder_.failed() || builder_.budget_.spent()) return;
            const Automaton other = inner.automaton_of(part);
            result = many.kind == Kind::kBoth ? intersect(result, other, builder_.budget_)
                                              : subtract(result, other, builder_.budget_);
        }
        embed(result, from, to);
    }
}

void Lowering::lower(const GrammarBuilder::Repeat& repeat, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < repeat.least; i++) {
        const uint32_t next = add_state();
        lower(repeat.what, from, next);
        from = next;
    }
    if (!repeat.most) {
        const uint32_t middle = add_state();
        add_jump(from, middle);
        lower(repeat.what, middle, middle);
        return add_jump(middle, to);
    }
    for (uint32_t i = repeat.least; i < *repeat.most; i++) {
        const uint32_t next = add_state();
        add_jump(from, to);
        lower(repeat.what, from, next);
        from = next;
    }
    add_jump(from, to);
}

void Lowering::lower(const GrammarBuilder::Graph& graph, uint32_t from, uint32_t to) {
    const auto first = static_cast<uint32_t>(loose_.states.size());
    for (uint32_t i = 0; i < graph.states; i++) add_state();
    add_jump(from, first);
    for (const auto& edge : graph.edges) lower(edge.what, first + edge.from, first + edge.to);
    for (const uint32_t state : graph.accepting) add_jump(first + state, to);
}

void Lowering::embed(const Automaton& automaton, uint32_t from, uint32_t to) {
    const auto first = static_cast<uint32_t>(loose_.states.size());
    for (size_t i = 0; i < automaton.states.size(); i++) add_state();
    add_jump(from, first);
    for (uint32_t i = 0; i < automaton.states.size(); i++) {
        const auto& state = automaton.states[i];
        for (const Transition& edge : state.edges) add_edge(first + i, edge.low, edge.high, first + edge.target);
        if (state.accepts) add_jump(first + i, to);
    }
}

}  // namespace hone::text
