// From a conversation to token ids in which the control tokens of the users are ordinary text. Pure functions; any
// thread.
#pragma once

#include <vector>

#include "text/chat/control_tokens.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::text {

// What must not work when a user writes it: the special tokens, and the other added tokens that the template writes,
// blanks excepted. Those others (</think>, <tool_call>) work in the assistant's messages.
ControlTokens control_tokens_of(const ChatTemplate& chat_template, const Tokenizer& tokenizer);

// The ids of a text that follows others: without what a tokenizer puts around texts, nor the blank that some put in front
// of each. Special tokens in it work.
std::vector<TokenId> encode_continuation(const Tokenizer& tokenizer, std::string_view text);

// Encodes what a template made of a request that `control` has marked. Offsets are in code points of `chat`, marks
// included, and only there where asked for: they take longer.
Result<Encoding> encode_marked_chat(const Tokenizer& tokenizer, const ControlTokens& control, std::string_view chat,
                                    bool with_offsets);

// Renders the request and encodes it. Special tokens of the template work, those in the request's strings do not.
Result<std::vector<TokenId>> encode_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                         const ChatRequest& request, const RenderOptions& options = {});

}  // namespace hone::text
