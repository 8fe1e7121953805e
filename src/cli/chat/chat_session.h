// A model that is being talked to: loaded, with its engine running. Owns all of it; one thread, but is_damaged().
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "cli/engine_flags.h"
#include "cli/request_maker.h"

namespace hone::cli {

class ChatSession {
  public:
    // Loads the model and starts the engine. A pack's damage is told on stderr as soon as it is found.
    static Result<std::unique_ptr<ChatSession>> open(const ModelOptions& model, const EngineFlags& engine);

    const RequestMaker& maker() const { return *maker_; }
    engine::Engine& engine() { return *engine_; }
    const std::string& name() const { return open_.loaded.name; }
    const std::string& path() const { return path_; }
    // What it is, in a line or two.
    std::string description() const;
    // Its file was found damaged: what it says may be wrong. Any thread.
    bool is_damaged() const { return damaged_; }

  private:
    ChatSession(std::string path, OpenModel open, ModelText text)
        : path_(std::move(path)), open_(std::move(open)), text_(std::move(text)) {}

    const std::string path_;
    OpenModel open_;
    const ModelText text_;
    std::unique_ptr<engine::Engine> engine_;
    std::unique_ptr<RequestMaker> maker_;
    std::atomic<bool> damaged_{false};
    std::unique_ptr<model::BackgroundVerification> verification_;
};

}  // namespace hone::cli
