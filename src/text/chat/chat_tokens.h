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

// Renders the request and encodes it. Special tokens of the template work, those in the request's strings do not.
Result<std::vector<TokenId>> encode_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                         const ChatRequest& request, const RenderOptions& options = {});

}  // namespace hone::text
