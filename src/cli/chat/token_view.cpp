#include "cli/chat/token_view.h"

#include <cmath>

#include <fmt/format.h>

namespace hone::cli {
namespace {

constexpr const char* kPlain = "\x1b[0m";

// From certain to surprising.
const char* colour_of(float logprob) {
    const float probability = std::exp(logprob);
    if (probability >= 0.9F) return "\x1b[32m";
    if (probability >= 0.5F) return "\x1b[36m";
    return probability >= 0.1F ? "\x1b[33m" : "\x1b[31m";
}

std::string coloured_text(std::span<const engine::TokenRecord> tokens, const text::Tokenizer& tokenizer) {
    std::string out;
    for (const engine::TokenRecord& token : tokens)
        out += colour_of(token.raw_logprob) + tokenizer.piece_bytes(token.token).value_or("");
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
