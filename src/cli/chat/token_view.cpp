#include "cli/chat/token_view.h"

#include <cmath>

#include <fmt/format.h>

#include "cli/chat/screen_text.h"
#include "text/utf8.h"

namespace hone::cli {
namespace {

// From certain to surprising.
const char* colour_of(float logprob) {
    const float probability = std::exp(logprob);
    if (probability >= 0.9F) return "\x1b[32m";
    if (probability >= 0.5F) return "\x1b[36m";
    return probability >= 0.1F ? "\x1b[33m" : "\x1b[31m";
}

// A character of several tokens has the colour of the last of them, which makes it one.
std::string coloured_text(std::span<const engine::TokenRecord> tokens, const text::Tokenizer& tokenizer) {
    std::string out, rest, whole;
    for (const engine::TokenRecord& token : tokens) {
        rest += tokenizer.piece_bytes(token.token).value_or("");
        whole.clear();
        const size_t unfinished = text::append_repaired(whole, rest);
        rest.erase(0, rest.size() - unfinished);
        if (whole.empty()) continue;
        out += colour_of(token.raw_logprob);
        out += screen_text(whole);
    }
    if (!rest.empty()) text::append_unfinished(out += colour_of(tokens.back().raw_logprob), rest);
    return fmt::format("{}{}\n{}90 % and more{}  {}50 %{}  {}10 %{}  {}less{}\n\n", out, kPlain, colour_of(0), kPlain,
                       colour_of(-0.6F), kPlain, colour_of(-2), kPlain, colour_of(-9), kPlain);
}

}  // namespace

std::string token_view(std::span<const engine::TokenRecord> tokens, const text::Tokenizer& tokenizer, bool styled) {
    std::string out = styled ? coloured_text(tokens, tokenizer) : "";
    const auto quoted = [&](int32_t token) { return fmt::format("{:?}", tokenizer.token_text(token)); };
    for (size_t i = 0; i < tokens.size(); i++) {
        const engine::TokenRecord& token = tokens[i];
        std::string others;
        for (const engine::TokenLogprob& other : token.top) {
            if (other.token == token.token) continue;
            others += fmt::format("{}{} {:.1f} %", others.empty() ? "" : ", ", quoted(other.token),
                                  100 * std::exp(other.logprob));
        }
        out += fmt::format("{:>5}  {:>8.3f}  {}{:>5.1f} %{}  {:<16}{}{}\n", i + 1, token.raw_logprob,
                           styled ? colour_of(token.raw_logprob) : "", 100 * std::exp(token.raw_logprob),
                           styled ? kPlain : "", quoted(token.token), others.empty() ? "" : "  or ", others);
    }
    return out;
}

}  // namespace hone::cli
