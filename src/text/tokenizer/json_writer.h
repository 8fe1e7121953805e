// tokenizer.json of a byte-level BPE, in the form that the `tokenizers` library and Tokenizer::load read. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/bpe_trainer.h"

namespace hone::text {

// `pattern` cuts texts into words; `added` have ids behind those of the merges. Nothing is normalised, so that every
// text is decoded to what it was.
std::string tokenizer_json(const TrainedBpe& bpe, std::span<const AddedToken> added, std::string_view pattern);

}  // namespace hone::text
