// A conversation with a model in the terminal: what was said, how answers are drawn, the last answer token by token.
// Prints what comes as it comes. One thread; the session outlives it or is replaced by another one.
#pragma once

#include <atomic>

#include "cli/chat/chat_session.h"
#include "cli/event_queue.h"

namespace hone::cli {

class Conversation {
  public:
    // Ctrl-C sets `interrupted`, which stops an answer.
    Conversation(ChatSession& session, std::atomic<bool>& interrupted, std::string system);

    // The model that answers from now on. What was said stays, but not as tokens, which are the old model's.
    void move_to(ChatSession& session) {
        session_ = &session;
        tokens_.clear();
    }

    // Forgets what was said, but for the system message.
    void clear();
    void set_system(std::string system);
    const std::string& system() const { return system_; }
    void show() const;
    // Answers a message; one that was not answered is forgotten.
    void say(const std::string& message);
    // Answers the last message again.
    void retry();
    // As a record of training data: {"messages": [...]}.
    Status save(const std::string& path) const;

    // Fields of the API by which answers are drawn: temperature, top_p, seed, ... A value that is no JSON is a text; an
    // empty one takes the field back. Errors name the field.
    Status set(const std::string& field, const std::string& value);
    std::string settings() const;

    // The last answer's tokens with their log-probabilities.
    std::string token_view() const;

  private:
    void add(const char* role, std::string content);
    bool answer();
    // Null: it was stopped before it said anything.
    Result<boost::json::value> stream(ReadyRequest& ready);

    ChatSession* session_;
    std::atomic<bool>& interrupted_;
    std::string system_;
    boost::json::array messages_;
    boost::json::object fields_;  // that were set
    std::vector<engine::TokenRecord> tokens_;
};

}  // namespace hone::cli
