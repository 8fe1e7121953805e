// From a conversation to token ids with the weight that each has in training on its replies. The ids are those of
// encode_chat. What the model would have written is what the template says with {% generation %} blocks; without them,
// what it adds to the prompt for a reply when the reply is there. Pure functions; any thread.
#pragma once

#include <span>
#include <vector>

#include "text/chat/chat_tokens.h"

namespace hone::text {

struct ChatReplies {
    std::vector<TokenId> ids;
    std::vector<float> weights;  // of each id: that of the message whose reply it is part of, else 0
};

// `weights`: one a message; 0 for those of other roles than "assistant", which are no replies. `request` asks for no
// generation prompt and continues no message.
//
// Without generation blocks a reply is the text between the chat before it with the generation prompt and the chat with
// it, up to the special token that ends it. Replies share a conversation as long as the template only appends to it;
// where it writes earlier messages anew (drops their reasoning), the replies before are in further conversations, each as
// the model saw and wrote it at its time. So there may be several, in the order of their last replies; none without a
// reply of a weight. A template that does not go on from its own generation prompt is an error.
Result<std::vector<ChatReplies>> encode_replies(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                                const ChatRequest& request, std::span<const float> weights,
                                                const RenderOptions& options = {});

}  // namespace hone::text
