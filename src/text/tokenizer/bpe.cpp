#include "text/tokenizer/bpe.h"

#include <algorithm>

#include "text/utf8.h"

namespace hone::text {

namespace {

constexpr size_t kShortPiece = 96;  // symbols up to which scanning all pairs beats the heap

// std::push_heap keeps the greatest in front: the lowest rank, of equal ranks the leftmost.
bool comes_later(const Scratch::Candidate& a, const Scratch::Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

class MarkScanner : public Pattern {
  public:
    explicit MarkScanner(std::string mark) : mark_(std::move(mark)) {}

    void for_each_match(std::string_view text, const std::function<void(Match)>& visit) const override {
        size_t begin = 0;
        while (begin < text.size()) {
            size_t end = begin;
            while (text.substr(end).starts_with(mark_)) end += mark_.size();
            end = std::min(text.find(mark_, end), text.size());
            visit({begin, end});
            begin = end;
        }
    }

  private:
    std::string mark_;
};

}  // namespace

std::unique_ptr<Pattern> make_mark_scanner(std::string mark) {
    return std::make_unique<MarkScanner>(std::move(mark));
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const {
    if (parts_.whole_pieces) {
        if (const auto id = parts_.tokens.find(piece)) {
            out.push_back({*id, static_cast<uint32_t>(piece.size())});
            return;
        }
    }
    scratch.symbols.clear();
    if (parts_.byte_level) {
        read_bytes(piece, scratch);
    } else {
        read_characters(piece, scratch, out);
    }
    merge(scratch, out);
}

void Bpe::read_bytes(std::string_view piece, Scratch& scratch) const {
    scratch.symbols.reserve(piece.size());
    for (const char c : piece) {
        TokenId id = parts_.bytes[static_cast<unsigned char>(c)];
        if (id < 0) {
            if (!parts_.unknown) continue;
            id = *parts_.unknown;
            if (parts_.fuse_unknown && !scratch.symbols.empty() && scratch.symbols.back().id == id) {
                ++scratch.symbols.back().length;
                continue;
            }
        }
        scratch.symbols.push_back({id, 1});
    }
}

void Bpe::read_characters(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const {
    auto& symbols = scratch.symbols;
    bool after_unknown = false;
    for (size_t i = 0; i < piece.size();) {
        const auto lead = static_cast<unsigned char>(piece[i]);
        if (parts_.frozen.may_start(lead)) {
            if (const auto frozen = parts_.frozen.longest_prefix(piece.substr(i))) {
                merge(scratch, out);
                out.push_back({frozen->value, static_cast<uint32_t>(frozen->length)});
                symbols.clear();
                after_unknown = false;
                i += frozen->length;
                continue;
            }
        }
        const auto length = static_cast<uint32_t>(utf8_length(lead));
        const std::string_view character = piece.substr(i, length);
        i += length;
        const auto is_missing = [&](char c) { return parts_.bytes[static_cast<unsigned char>(c)] < 0; };
        if (const auto id = parts_.tokens.find(character)) {
            symbols.push_back({*id, length});
            after_unknown = false;
        } else if (parts_.byte_fallback && std::none_of(character.begin(), character.end(), is_missing)) {
            for (const char c : character) symbols.push_back({parts_.bytes[static_cast<unsigned char>(c)], 1});
            after_unknown = false;
        } else if (after_unknown && parts_.fuse_unknown) {
            symbols.back().length += length;
        } else if (parts_.unknown) {
            symbols.push_back({*parts_.unknown, length});
            after_unknown = true;
        }
    }
}

void Bpe::merge(Scratch& scratch, std::vector<Token>& out) const {
    if (scratch.symbols.size() <= kShortPiece) {
        merge_short(scratch);
    } else {
        merge_long(scratch);
    }
    for (const auto& symbol : scratch.symbols) {
        if (symbol.length > 0) out.push_back({symbol.id, symbol.length});
    }
}

void Bpe::merge_short(Scratch& scratch) const {
    auto& symbols = scratch.symbols;
    auto& keys = scratch.merges;  // keys[i]: the merge of symbols i and i + 1
    size_t count = symbols.size();
    if (count < 2) return;
    keys.resize(count);
    for (size_t i = 0; i + 1 < count; ++i) keys[i] = parts_.merges.find(symbols[i].id, symbols[i + 1].id);
    while (count > 1) {
        size_t best = 0;  // the leftmost of the lowest rank
        for (size_t i = 1; i + 1 < count; ++i) {
            if (MergeTable::rank_of(keys[i]) < MergeTable::rank_of(keys[best])) best = i;
        }
        if (keys[best] == MergeTable::kNone) break;
        symbols[best].id = MergeTable::merged_of(keys[best]);
        symbols[best].length += symbols[best + 1].length;
        const auto at = static_cast<ptrdiff_t>(best);
        std::copy(symbols.begin() + at + 2, symbols.begin() + static_cast<ptrdiff_t>(count), symbols.begin() + at + 1);
        std::copy(keys.begin() + at + 1, keys.begin() + static_cast<ptrdiff_t>(count - 1), keys.begin() + at);
        --count;
        if (best + 1 < count) keys[best] = parts_.merges.find(symbols[best].id, symbols[best + 1].id);
        if (best > 0) keys[best - 1] = parts_.merges.find(symbols[best - 1].id, symbols[best].id);
    }
    symbols.resize(count);
}

void Bpe::push_candidate(Scratch& scratch, int32_t left, int32_t right) const {
    const auto& symbols = scratch.symbols;
    const uint64_t key =
        parts_.merges.find(symbols[static_cast<size_t>(left)].id, symbols[static_cast<size_t>(right)].id);
    if (key == MergeTable::kNone) return;
    scratch.heap.push_back({MergeTable::rank_of(key), left, MergeTable::merged_of(key)});
    std::push_heap(scratch.heap.begin(), scratch.heap.end(), comes_later);
}

void Bpe::merge_long(Scratch& scratch) const {
    auto& symbols = scratch.symbols;
    auto& heap = scratch.heap;
    heap.clear();
    const auto count = static_cast<int32_t>(symbols.size());
    for (int32_t i = 0; i < count; ++i) {
        symbols[static_cast<size_t>(i)].previous = i - 1;
        symbols[static_cast<size_t>(i)].next = i + 1 < count ? i + 1 : -1;
    }
    for (int32_t i = 0; i + 1 < count; ++i) push_candidate(scratch, i, i + 1);
    while (!heap.empty()) {
        std::pop_heap(heap.begin(), heap.end(), comes_later);
        const Scratch::Candidate best = heap.back();
        heap.pop_back();
        auto& left = symbols[static_cast<size_t>(best.position)];
        if (left.length == 0 || left.next < 0) continue;
        auto& right = symbols[static_cast<size_t>(left.next)];
        // Out of date if either side has merged with something else since.
        const uint64_t key = parts_.merges.find(left.id, right.id);
        if (key == MergeTable::kNone || MergeTable::merged_of(key) != best.merged) continue;
        left.id = best.merged;
        left.length += right.length;
        right.length = 0;
        left.next = right.next;
        if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.position;
        if (left.previous >= 0) push_candidate(scratch, left.previous, best.position);
        if (left.next >= 0) push_candidate(scratch, best.position, left.next);
    }
}

bool Bpe::can_cut_before(std::string_view mark) const {
    if (parts_.whole_pieces || parts_.byte_level || !parts_.tokens.find(mark)) return false;
    const auto starts = [&](TokenId id) { return parts_.tokens[id].starts_with(mark); };
    const auto ends = [&](TokenId id) { return parts_.tokens[id].ends_with(mark); };
    bool crossed = false;
    parts_.merges.for_each_pair([&](TokenId left, TokenId right) { crossed |= starts(right) && !ends(left); });
    if (crossed || parts_.unknown == parts_.tokens.find(mark)) return false;
    bool frozen_crosses = false;
    for (TokenId id = 0; id < parts_.tokens.size(); ++id) {
        std::string_view token = parts_.tokens[id];
        const auto whole = parts_.frozen.longest_prefix(token);
        if (!whole || whole->length != token.size()) continue;
        while (token.starts_with(mark)) token.remove_prefix(mark.size());
        frozen_crosses |= token.find(mark) != std::string_view::npos;
    }
    return !frozen_crosses;
}

}  // namespace hone::text
