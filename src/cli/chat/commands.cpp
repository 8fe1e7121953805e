#include "cli/chat/commands.h"

namespace hone::cli {
namespace {

// Carries it out with what stands behind its name.
using Action = Status (*)(const std::string& rest, ChatState& state);

struct Command {
    std::string_view name, argument, help;
    Action action;  // null: leave
};

Status show_help(const std::string&, ChatState&);

Status set(const std::string& rest, ChatState& state) {
    const size_t space = std::min(rest.find(' '), rest.size());
    if (!rest.empty()) {
        const size_t value = std::min(rest.find_first_not_of(' ', space), rest.size());
        if (Status done = state.conversation.set(rest.substr(0, space), rest.substr(value)); !done) return done;
    }
    fmt::print("{}", state.conversation.settings());
    return ok();
}

Status model(const std::string& rest, ChatState& state) {
    if (!rest.empty()) {
        if (Status done = state.switch_model(rest); !done) return done;
    }
    fmt::print("  {}\n", state.session->description());
    return ok();
}

Status save(const std::string& rest, ChatState& state) {
    if (rest.empty()) return error("/save: FILE is missing");
    if (Status done = state.conversation.save(rest); !done) return done;
    fmt::print("  {} is written; hone train takes such lines\n", rest);
    return ok();
}

constexpr std::string_view kNone = "none";

Status system_message(const std::string& rest, ChatState& state) {
    if (!rest.empty()) state.conversation.set_system(rest == kNone ? "" : rest);
    const std::string& system = state.conversation.system();
    fmt::print("  {}\n", system.empty() ? "There is no system message." : system);
    return ok();
}

constexpr Command kCommands[] = {
    {"help", "", "this", show_help},
    {"new", "", "forget the conversation",
     [](const std::string&, ChatState& state) { return state.conversation.clear(), ok(); }},
    {"history", "", "show it", [](const std::string&, ChatState& state) { return state.conversation.show(), ok(); }},
    {"system", "TEXT", "the system message; with TEXT (or none) there is another one, and the conversation begins anew",
     system_message},
    {"set", "KEY VALUE",
     "how answers are drawn: temperature 0.7, top_p, top_k, max_tokens, seed, thinking off, ...; "
     "without VALUE the model's own again, without KEY they are shown",
     set},
    {"retry", "", "answer the last message again",
     [](const std::string&, ChatState& state) { return state.conversation.retry(), ok(); }},
    {"tokens", "", "the last answer's tokens, how likely each was, and what else was",
     [](const std::string&, ChatState& state) { return fmt::print("{}", state.conversation.token_view()), ok(); }},
    {"model", "PATH", "which model answers; with PATH (or sprout) another one does from now on", model},
    {"save", "FILE", "write the conversation as a line of JSON", save},
    {"quit", "", "leave (also Ctrl-D)", nullptr},
};

Status show_help(const std::string&, ChatState&) {
    for (const Command& command : kCommands)
        fmt::print("  {:<16} {}\n", fmt::format("/{} {}", command.name, command.argument), command.help);
    fmt::print(
        "Ctrl-C stops an answer, or the line that is typed. A line that ends with \\ goes on with the next one; lines\n"
        "between \"\"\" and \"\"\" belong together, and so does pasted text. The arrow keys bring back what was "
        "said.\n");
    return ok();
}

}  // namespace

bool run_command(const std::string& line, ChatState& state) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(1, space - 1);
    const std::string rest = line.substr(std::min(line.find_first_not_of(' ', space), line.size()));
    for (const Command& command : kCommands) {
        if (command.name != name && !(name == "exit" && command.name == "quit")) continue;
        if (!command.action) return false;
        if (const Status done = command.action(rest, state); !done) fmt::print("hone: {}\n", done.error().message);
        return true;
    }
    fmt::print("Unknown command (a message that begins with / goes between \"\"\" and \"\"\"). There are:\n");
    (void)show_help({}, state);
    return true;
}

}  // namespace hone::cli
