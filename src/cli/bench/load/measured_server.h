// The server that a load goes to: one of our own that is started for it, or any other that speaks OpenAI's API. One
// thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/bench/foreign_load.h"
#include "cli/bench/load/load_client.h"
#include "cli/bench/server_process.h"
#include "cli/model_options.h"

namespace hone::cli {

struct MeasuredServer {
    std::optional<ServerProcess> process;  // ours; ends after the client, so that nobody waits for answers
    LoadClient client;
    std::string model;       // its name in requests
    int32_t vocabulary = 0;  // token ids to ask with
    int32_t context = 0;     // most tokens of a request; 0: it does not tell

    // That watches for others than us and our server.
    ForeignLoad foreign_load() const { return ForeignLoad(process ? process->pid() : 0); }
};

// Starts `hone serve` of the model with further flags, and waits until it listens.
Result<MeasuredServer> start_server(const ModelOptions& model, const std::vector<std::string>& flags,
                                    const ClientOptions& client);

// `name`: the model to ask for; the first that the server lists if it is empty. Errors: nobody answers there.
Result<MeasuredServer> reach_server(const std::string& url, std::string name, const ClientOptions& client);

// The words of a text between blanks, as flags for a server.
std::vector<std::string> words_of(const std::string& text);

}  // namespace hone::cli
