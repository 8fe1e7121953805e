#include "text/tokenizer/decoder_steps.h"

#include <array>
#include <utility>

#include "text/tokenizer/byte_alphabet.h"
#include "text/utf8.h"

namespace hone::text {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Joins what BERT's vocabulary took apart (`WordPiece.cleanup` of the tokenizers library).
void clean_up(std::string& token) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{
        {" .", "."},
        {" ?", "?"},
        {" !", "!"},
        {" ,", ","},
        {" ' ", "'"},
        {" n't", "n't"},
        {" 'm", "'m"},
        {" do not", " don't"},
        {" 's", "'s"},
        {" 've", "'ve"},
        {" 're", "'re"},
    }};
    for (const auto& [from, to] : kRules) replace_all(token, from, to);
}

struct Apply {
    std::string& token;
    bool first;

    void operator()(const ByteLevelDecode&) const {
        if (auto bytes = bytes_of_alphabet(token)) token = std::move(*bytes);
    }
    void operator()(const ByteFallbackDecode&) const {
        if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return;
        const int high = hex_value(token[3]), low = hex_value(token[4]);
        if (high >= 0 && low >= 0) token = std::string(1, static_cast<char>(high << 4 | low));
    }
    void operator()(const ReplaceDecode& step) const {
        std::string out;
        size_t copied = 0;
        step.pattern->for_each_match(token, [&](Match match) {
            out.append(token, copied, match.begin - copied);
            out += step.content;
            copied = match.end;
        });
        out.append(token, copied);
        token = std::move(out);
    }
    void operator()(const StripDecode& step) const {
        for (size_t i = 0; i < step.start && token.starts_with(step.content); ++i) token.erase(0, step.content.size());
        for (size_t i = 0; i < step.stop && token.ends_with(step.content); ++i)
            token.erase(token.size() - step.content.size());
    }
    void operator()(const MetaspaceDecode& step) const {
        replace_all(token, step.replacement, first && step.drops_first ? "" : " ");
    }
    void operator()(const WordPieceDecode& step) const {
        if (!first) {
            if (token.starts_with(step.prefix))
                token.erase(0, step.prefix.size());
            else
                token.insert(token.begin(), ' ');
        }
        if (step.cleanup) clean_up(token);
    }
    void operator()(const SpaceBetween&) const {
        if (!first) token.insert(token.begin(), ' ');
    }
};

}  // namespace

bool DecodeSteps::first_differs() const {
    for (const DecodeStep& step : steps) {
        const auto* metaspace = std::get_if<MetaspaceDecode>(&step);
        if ((metaspace && metaspace->drops_first) || std::holds_alternative<WordPieceDecode>(step) ||
            std::holds_alternative<SpaceBetween>(step)) {
            return true;
        }
    }
    return false;
}

std::string DecodeSteps::token_bytes(std::string_view token, bool first) const {
    std::string bytes(token);
    for (const DecodeStep& step : steps) {
        // A byte is not text any more.
        if (!is_valid_utf8(bytes)) break;
        std::visit(Apply{bytes, first}, step);
    }
    return bytes;
}

}  // namespace hone::text
