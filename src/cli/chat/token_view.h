// An answer token by token, for people. Pure functions.
#pragma once

#include <span>
#include <string>

#include "engine/decode/token_record.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::cli {

inline constexpr const char* kPlain = "\x1b[0m";  // ends any colour

// The text with each token in the colour of its probability (styled only; characters stay whole, and none steers the
// terminal), then a line for each token: its log-probability, its probability, its text, and what else was likely.
std::string token_view(std::span<const engine::TokenRecord> tokens, const text::Tokenizer& tokenizer, bool styled);

}  // namespace hone::cli
