// From a conversation to the text that the model reads: the variables that transformers' apply_chat_template hands to a
// template, reasoning under all its names, a final message that the model shall continue. Pure functions; errors as
// ChatTemplate::render's, those about the request itself without a line.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "text/chat/chat_template.h"
#include "text/special_tokens.h"

namespace hone::text {

struct ChatRequest {
    boost::json::array messages;
    std::optional<boost::json::array> tools = {};
    std::optional<boost::json::array> documents = {};
    bool add_generation_prompt = false;
    // The field of the last message whose text is not finished ("content", "reasoning_content"): the text of the chat
    // ends there. Empty: none. Not together with add_generation_prompt.
    std::string continued_field = {};
    SpecialTokens special_tokens = {};
    boost::json::object variables = {};  // anything else, such as enable_thinking; wins over special tokens
    // Fields of messages that are null count as absent, as many templates write "None" for them.
    bool drops_null_fields = true;
};

Result<Rendered> render_chat(const ChatTemplate& chat_template, const ChatRequest& request,
                             const RenderOptions& options = {});

// A message's reasoning, given as reasoning_content, thinking or reasoning (the first that is not null), under the
// names that templates read: `thinking` in front where there is none, `reasoning_content` set.
boost::json::array alias_reasoning_fields(const boost::json::array& messages);

}  // namespace hone::text
