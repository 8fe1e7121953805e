#include "text/tokenizer/unigram.h"

#include <algorithm>

#include "text/utf8.h"

namespace hone::text {

namespace {
constexpr TokenId kUnknownNode = -1;
}

void Unigram::find_best_path(std::string_view piece, std::vector<Scratch::PathNode>& path) const {
    const auto rounded = [&](double score) {
        return parts_.single_precision ? double{static_cast<float>(score)} : score;
    };
    path.assign(piece.size() + 1, {});
    for (size_t begin = 0; begin < piece.size();) {
        const double so_far = path[begin].score;
        const size_t character = utf8_length(static_cast<unsigned char>(piece[begin]));
        const auto offer = [&](size_t length, TokenId id, double score) {
            auto& node = path[begin + length];
            if (node.begin >= 0 && !(score > node.score)) return;
            node = {score, static_cast<int64_t>(begin), id};
        };
        bool has_single = false;
        parts_.tokens.for_each_prefix(piece.substr(begin), [&](Trie::Found found) {
            offer(found.length, found.value, rounded(parts_.scores[static_cast<size_t>(found.value)] + so_far));
            has_single |= found.length == character;
        });
        if (!has_single) offer(character, kUnknownNode, rounded(parts_.unknown_score + so_far));
        begin += character;
    }
}

void Unigram::emit_unknown(std::string_view run, std::vector<Token>& out) const {
    const auto is_missing = [&](char c) { return parts_.bytes[static_cast<unsigned char>(c)] < 0; };
    if (parts_.byte_fallback && std::none_of(run.begin(), run.end(), is_missing)) {
        for (const char c : run) out.push_back({parts_.bytes[static_cast<unsigned char>(c)], 1});
    } else if (parts_.unknown) {
        out.push_back({*parts_.unknown, static_cast<uint32_t>(run.size())});
    }
}

void Unigram::encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const {
    auto& path = scratch.path;
    find_best_path(piece, path);
    // The path is linked from its end. Turn the links round: afterwards path[begin].begin is the end of the token at
    // begin.
    int64_t end = static_cast<int64_t>(piece.size());
    int64_t next_end = -1;
    TokenId next_id = 0;
    while (end >= 0) {
        auto& node = path[static_cast<size_t>(end)];
        const int64_t begin = end == 0 ? -1 : node.begin;
        const TokenId id = node.id;
        node.begin = next_end;
        node.id = next_id;
        next_end = end;
        next_id = id;
        end = begin;
    }
    for (size_t at = 0; at < piece.size();) {
        auto stop = static_cast<size_t>(path[at].begin);
        const TokenId id = path[at].id;
        const bool unknown = id == kUnknownNode || id == parts_.unknown;
        if (!unknown) {
            out.push_back({id, static_cast<uint32_t>(stop - at)});
        } else {  // a run of unknown characters is one
            while (stop < piece.size() && (path[stop].id == kUnknownNode || path[stop].id == parts_.unknown)) {
                stop = static_cast<size_t>(path[stop].begin);
            }
            emit_unknown(piece.substr(at, stop - at), out);
        }
        at = stop;
    }
}

}  // namespace hone::text
