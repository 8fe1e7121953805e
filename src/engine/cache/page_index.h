// Pages by what they follow and the tokens that they hold, in order, so that the page that shares most first tokens
// with a sequence is a neighbour of where the sequence itself would stand. Tokens are compared, never hashed. A plain
// value; whoever owns it says which thread.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <span>

#include "base/check.h"
#include "engine/cache/page_pool.h"

namespace hone::engine {

// One to kPageTokens tokens of a page, the first one at a page boundary of its sequence.
class PageTokens {
  public:
    explicit PageTokens(std::span<const int32_t> tokens) : count_(static_cast<int32_t>(tokens.size())) {
        CHECK(!tokens.empty() && count_ <= kPageTokens, "{} tokens in a page", tokens.size());
        std::ranges::copy(tokens, tokens_.begin());
    }
    std::span<const int32_t> span() const { return std::span(tokens_).first(static_cast<size_t>(count_)); }
    int32_t count() const { return count_; }
    bool whole() const { return count_ == kPageTokens; }
    // Tokens that both begin with.
    int32_t common(const PageTokens& other) const {
        const auto a = span(), b = other.span();
        return static_cast<int32_t>(std::ranges::mismatch(a, b).in1 - a.begin());
    }
    std::strong_ordering operator<=>(const PageTokens& other) const {
        const auto a = span(), b = other.span();
        return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
    }
    bool operator==(const PageTokens& other) const { return std::is_eq(*this <=> other); }

  private:
    int32_t count_;
    std::array<int32_t, kPageTokens> tokens_{};
};

template <class Parent, class Value>
class PageIndex {
  public:
    struct Key {
        Parent parent;
        PageTokens tokens;
        auto operator<=>(const Key&) const = default;
    };
    using Place = typename std::map<Key, Value>::const_iterator;
    struct Match {
        Place place;
        int32_t common;  // tokens, at least one
    };

    // The page after `parent` that shares most first tokens with `wanted`; place == end() if none shares one.
    Match longest(const Parent& parent, std::span<const int32_t> wanted) const {
        Match best{pages_.end(), 0};
        if (wanted.empty()) return best;
        const Key key{parent, PageTokens(wanted)};
        const auto consider = [&](Place place) {
            if (place->first.parent != parent) return;
            const int32_t common = place->first.tokens.common(key.tokens);
            if (common > best.common) best = {place, common};
        };
        const auto next = pages_.lower_bound(key);
        if (next != pages_.end()) consider(next);
        if (next != pages_.begin()) consider(std::prev(next));
        return best;
    }
    // There is no such page yet.
    Place add(const Parent& parent, std::span<const int32_t> tokens, Value value) {
        const auto [place, added] = pages_.emplace(Key{parent, PageTokens(tokens)}, value);
        CHECK(added, "a page of {} tokens is there already", tokens.size());
        return place;
    }
    void remove(Place place) { pages_.erase(place); }
    void for_each(auto&& visit) const {
        for (const auto& [key, value] : pages_) visit(value);
    }
    Place end() const { return pages_.end(); }
    size_t size() const { return pages_.size(); }

  private:
    std::map<Key, Value> pages_;
};

}  // namespace hone::engine
