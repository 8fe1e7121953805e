// Conversations of training data to examples: lists of messages with weights, through the model's chat template. Pure
// functions; errors name the key, as "messages[2].role".
#pragma once

#include <boost/json/value.hpp>

#include "train/data/record_reader.h"

namespace hone::train {

struct Messages {
    boost::json::array list;     // as templates read them
    std::vector<float> weights;  // one a message: 1 for replies unless the message says otherwise, 0 for the others

    void append(const Messages& more);
};

// The messages under `key`, a list. Of a message `weight` (0 to 1) and `train` (a flag, or 0 or 1) are taken off.
Result<Messages> read_messages(const boost::json::value& list, std::string_view key);

// What else a line says about its conversation: tools, chat_template_kwargs.
struct ChatSettings {
    std::optional<boost::json::array> tools;
    boost::json::object variables;
};
Result<ChatSettings> read_chat_settings(const boost::json::object& line, const RecordOptions& options);

// The whole conversation as the template writes it.
Result<std::string> chat_text(const TextReading& text, const RecordOptions& options, const Messages& messages,
                              const ChatSettings& settings);

// One example, or several where the template does not merely append to a conversation (text/chat/chat_replies.h).
Result<std::vector<Example>> chat_examples(const TextReading& text, const RecordOptions& options,
                                           const Messages& messages, const ChatSettings& settings);

}  // namespace hone::train
