// Log-probabilities in the shapes that OpenAI and vLLM gave them. Numbers are the engine's float32 values exactly (as
// doubles), except that below -9999 they are -9999, since JSON has no infinity. Pure functions; any thread.
#pragma once

#include <span>
#include <string>

#include <boost/json/value.hpp>

#include "serve/openai/choice_text.h"

namespace hone::serve {

// How tokens are written in them.
struct TokenWriter {
    const text::Tokenizer& tokenizer;
    bool as_ids = false;  // "token_id:N"

    // The token's own bytes, repaired to UTF-8: a part of a character reads U+FFFD.
    std::string text(int32_t token) const;
    boost::json::value bytes(int32_t token) const;
};

double json_logprob(float logprob);

// {"content": [{"token", "logprob", "bytes", "top_logprobs": [...]}], "refusal": null}
boost::json::object chat_logprobs(std::span<const PlacedToken> tokens, const TokenWriter& writer);

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}; an echoed prompt's tokens come first, the first of them
// without a log-probability.
struct EchoedPrompt {
    std::span<const int32_t> tokens;
    std::span<const size_t> offsets;
    std::span<const engine::TokenRecord> records;  // of tokens[1], tokens[2], ...
};
boost::json::object completion_logprobs(const EchoedPrompt& echo, std::span<const PlacedToken> tokens,
                                        const TokenWriter& writer, int32_t top_count);

// vLLM's: [null, {"ID": {"logprob", "rank", "decoded_token"}, ...}, ...], one entry a prompt token, with its
// `top_count` most likely alternatives.
boost::json::array prompt_logprobs(std::span<const engine::TokenRecord> records, const TokenWriter& writer,
                                   int32_t top_count);

// Under temperature, penalties, bias and cuts: what each token was drawn with.
boost::json::array processed_logprobs(std::span<const PlacedToken> tokens);

}  // namespace hone::serve
