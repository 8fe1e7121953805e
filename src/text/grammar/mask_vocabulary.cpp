#include "text/grammar/mask_vocabulary.h"

#include <algorithm>
#include <numeric>

#include "text/utf8.h"

namespace hone::text {

static bool is_white_space_text(std::string_view text) {
    return !text.empty() && text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

MaskVocabulary::MaskVocabulary(const Tokenizer& tokenizer, std::vector<TokenId> ends, int32_t size)
    : tokenizer_(&tokenizer), size_(size), bytes_(static_cast<size_t>(size)), ends_(std::move(ends)) {
    for (TokenId id = 0; id < std::min(size, tokenizer.vocabulary_size()); id++) {
        if (!tokenizer.is_special(id)) bytes_[id] = tokenizer.piece_bytes(id).value_or("");
    }
    for (const AddedToken& token : tokenizer.added_tokens()) {
        if (token.id < size && !is_white_space_text(bytes_[token.id])) bytes_[token.id].clear();
    }
    build_trie();
}

MaskVocabulary::MaskVocabulary(std::vector<std::string> bytes, std::vector<TokenId> ends)
    : size_(static_cast<int32_t>(bytes.size())), bytes_(std::move(bytes)), ends_(std::move(ends)) {
    build_trie();
}

bool MaskVocabulary::is_end(TokenId id) const {
    return std::ranges::find(ends_, id) != ends_.end();
}

std::string_view MaskVocabulary::bytes(TokenId id) const {
    return id >= 0 && id < size_ ? std::string_view(bytes_[id]) : std::string_view();
}

std::vector<TokenId> MaskVocabulary::encode(std::string_view bytes) const {
    if (!tokenizer_ || !tokenizer_->reads_text() || !is_valid_utf8(bytes)) return {};
    std::vector<TokenId> ids = tokenizer_->encode(
        bytes, {.add_special_tokens = false, .parse_special_tokens = false, .parse_added_tokens = false});
    size_t at = 0;
    for (const TokenId id : ids) {
        const std::string_view piece = this->bytes(id);
        if (piece.empty() || bytes.substr(at, piece.size()) != piece) return {};
        at += piece.size();
    }
    return at == bytes.size() ? ids : std::vector<TokenId>();
}

std::optional<uint32_t> MaskVocabulary::find(std::string_view bytes) const {
    uint32_t node = 0;
    for (const char c : bytes) {
        uint32_t child = node + 1;
        while (child < nodes_[node].end && nodes_[child].byte != static_cast<uint8_t>(c)) child = nodes_[child].end;
        if (child >= nodes_[node].end) return std::nullopt;
        node = child;
    }
    return node;
}

unsigned MaskVocabulary::kind_of(unsigned char byte) {
    if (byte >= 'a' && byte <= 'z') return 0;
    if (byte >= 'A' && byte <= 'Z') return 1;
    if (byte >= '0' && byte <= '9') return 2;
    if (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r')
        return byte == ' ' ? 3 : byte == '\n' ? 4 : byte == '\t' ? 5 : 6;
    if (byte < 0x20) return 7;
    if (byte == 0x7F) return 8;
    // The 32 signs between and around letters and digits.
    if (byte < '0') return 9u + (byte - '!');
    if (byte < 'A') return 24u + (byte - ':');
    if (byte < 'a') return 31u + (byte - '[');
    return 37u + (byte - '{');
}

namespace {

// Where a string of bytes is inside a character of UTF-8.
struct Utf8Progress {
    uint8_t left = 0;                 // continuation bytes to come
    uint8_t low = 0x80, high = 0xBF;  // of the next one
    bool broken = false;

    Utf8Progress after(uint8_t byte) const {
        if (broken) return *this;
        if (left > 0) {
            if (byte < low || byte > high) return {.broken = true};
            return {.left = static_cast<uint8_t>(left - 1)};
        }
        if (byte < 0x80) return {};
        if (byte >= 0xC2 && byte <= 0xDF) return {.left = 1};
        if (byte == 0xE0) return {.left = 2, .low = 0xA0};
        if (byte == 0xED) return {.left = 2, .high = 0x9F};
        if (byte >= 0xE1 && byte <= 0xEF) return {.left = 2};
        if (byte == 0xF0) return {.left = 3, .low = 0x90};
        if (byte == 0xF4) return {.left = 3, .high = 0x8F};
        if (byte >= 0xF1 && byte <= 0xF3) return {.left = 3};
        return {.broken = true};
    }
};

}  // namespace

void MaskVocabulary::build_trie() {
    tokens_.resize(bytes_.size());
    std::iota(tokens_.begin(), tokens_.end(), 0);
    std::erase_if(tokens_, [&](TokenId id) { return bytes_[id].empty() || bytes_[id].size() > kLongestToken; });
    std::erase_if(tokens_, [&](TokenId id) { return is_end(id); });
    std::ranges::stable_sort(tokens_, {}, [&](TokenId id) { return std::string_view(bytes_[id]); });

    nodes_.assign(1, Node{});
    std::vector<uint32_t> path = {0};  // nodes from the root
    std::vector<Utf8Progress> progress = {{}};
    const auto leave = [&](size_t depth) {  // the nodes deeper than that are complete
        while (path.size() > depth + 1) {
            Node& node = nodes_[path.back()];
            node.end = static_cast<uint32_t>(nodes_.size());
            const Utf8Progress own = progress.back();
            path.pop_back();
            progress.pop_back();
            node.kinds |= uint64_t{1} << (own.broken ? kBroken : node.byte < 0x80 ? kind_of(node.byte) : kCharacters);
            node.characters += !is_continuation(static_cast<char>(node.byte));
            Node& parent = nodes_[path.back()];
            parent.kinds |= node.kinds;
            parent.characters = std::max(parent.characters, node.characters);
            if (progress.back().left > 0) node.kinds |= uint64_t{1} << kBroken;
        }
    };
    std::string_view before;
    for (uint32_t i = 0; i < tokens_.size(); i++) {
        const std::string_view bytes = bytes_[tokens_[i]];
        const auto [end, unused] = std::ranges::mismatch(before, bytes);
        size_t depth = static_cast<size_t>(end - before.begin());
        leave(depth);
        for (; depth < bytes.size(); depth++) {
            const auto byte = static_cast<uint8_t>(bytes[depth]);
            path.push_back(static_cast<uint32_t>(nodes_.size()));
            progress.push_back(progress.back().after(byte));
            nodes_.push_back({.first_token = i, .depth = static_cast<uint16_t>(depth + 1), .byte = byte});
        }
        before = bytes;
        longest_ = std::max(longest_, static_cast<uint32_t>(bytes.size()));
    }
    leave(0);
    nodes_[0].end = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back({.end = nodes_[0].end, .first_token = static_cast<uint32_t>(tokens_.size())});
}

}  // namespace hone::text
