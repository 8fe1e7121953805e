// The commands of `hone chat`: what a person types behind a '/'. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/chat/conversation.h"

namespace hone::cli {

// What commands work on.
struct ChatState {
    std::unique_ptr<ChatSession>& session;
    Conversation& conversation;
    // Loads the model at a path in place of the one that is there; where that fails, the old one again.
    std::function<Status(const std::string& path)> switch_model;
};

// Carries out a line that begins with '/'; false ends the conversation. What goes wrong is printed.
bool run_command(const std::string& line, ChatState& state);

}  // namespace hone::cli
