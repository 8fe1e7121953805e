// The server as the command line starts it: an OpenAI-compatible HTTP API over one engine. start, stop and the
// destructor are for one thread. Contract: src/serve/README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "serve/adapters.h"
#include "serve/http/listener.h"
#include "serve/openai/generation_defaults.h"
#include "serve/options.h"
#include "serve/training_status.h"
#include "text/chat/template_files.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::serve {

// Names that ServerOptions::tool_parser may have.
std::vector<std::string> tool_parser_names();

// What is served. Everything referred to outlives the server.
struct ServedModel {
    std::string name;  // clients call it so
    const text::Tokenizer& tokenizer;
    const text::ChatTemplates* chat_templates = nullptr;  // null: a plain default, said in the log
    text::SpecialTokens special_tokens = {};              // what the templates call bos_token, eos_token, ...
    engine::Engine& engine;
    GenerationDefaults defaults = {};               // the tokenizer's end-of-sequence token is added to end_ids
    int32_t vocabulary = 0;                         // token ids that the model takes are below
    std::string numeric_class = {};                 // "f32seq", "i8g32", "i8p32"
    Adapters* adapters = nullptr;                   // that requests may name instead of the model; null: none
    std::function<TrainingStatus()> training = {};  // of a job in this process; any thread; null: none
    // What `hone inspect --json` says of it, a JSON object; called once, on a thread of the server; null: nothing is said.
    std::function<std::string()> describe = {};
};

class Service;

class Server {
  public:
    // Serves on the listener's address from here on. `listener` is bound, and not started.
    static Result<std::unique_ptr<Server>> start(const ServerOptions& options, const ServedModel& model,
                                                 std::unique_ptr<Listener> listener);
    ~Server();  // stop(0)

    uint16_t port() const;
    // The model was found damaged: from here on work is refused and running requests end with the message. Any thread.
    void fail(std::string message);
    // Refuses new work, waits up to `seconds` for requests in progress, cancels those that remain and closes
    // everything.
    void stop(double seconds);

  private:
    struct Parts;
    explicit Server(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace hone::serve
