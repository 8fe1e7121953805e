#include "text/tokenizer/wordpiece.h"

#include "text/utf8.h"

namespace hone::text {

void WordPiece::encode(std::string_view piece, Scratch&, std::vector<Token>& out) const {
    const size_t before = out.size();
    bool covered = count_code_points(piece) <= parts_.longest_word;
    for (size_t begin = 0; covered && begin < piece.size();) {
        const Trie& tokens = begin == 0 ? parts_.beginnings : parts_.continuations;
        const auto longest = tokens.longest_prefix(piece.substr(begin));
        covered = longest.has_value();
        if (!covered) break;
        out.push_back({longest->value, static_cast<uint32_t>(longest->length)});
        begin += longest->length;
    }
    if (covered) return;
    out.resize(before);
    out.push_back({parts_.unknown, static_cast<uint32_t>(piece.size())});
}

}  // namespace hone::text
