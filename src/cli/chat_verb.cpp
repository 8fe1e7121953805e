// hone chat: a conversation with a model in the terminal, streamed as it is sampled.
#include <csignal>

#include "cli/chat/commands.h"
#include "cli/chat/line_editor.h"
#include "cli/default_model.h"
#include "model/checkpoint/inspect.h"

namespace hone::cli {
namespace {

struct ChatFlags {
    ModelOptions model;
    EngineFlags engine;
    std::string system;
    std::optional<std::string> temperature, top_p, max_tokens, seed;
};

std::atomic<bool> interrupted{false};

// The old model goes before the new one comes: there may be no memory for both.
Status switch_model(const std::string& given, ChatFlags& flags, std::unique_ptr<ChatSession>& session,
                    Conversation& conversation) {
    ModelOptions wanted = flags.model;
    wanted.path = given == kDefaultModel ? "" : given;
    wanted.adapter.clear();  // was made for the other one
    if (Status chosen = choose_default_model(wanted); !chosen) return chosen;
    const auto weights = model::weight_choice_named(wanted.weights);
    if (!weights) return weights.error().within("--weights");
    if (const auto found = model::inspect_model(wanted.path, *weights); !found) return found.error();
    session.reset();
    auto opened = ChatSession::open(wanted, flags.engine);
    const Status result = opened ? ok() : Status(opened.error());
    if (opened)
        flags.model = wanted;
    else
        opened = ChatSession::open(flags.model, flags.engine);
    if (!opened) return opened.error();
    session = std::move(*opened);
    conversation.move_to(*session);
    return result;
}

Status apply_flags(const ChatFlags& flags, Conversation& conversation) {
    const std::pair<const char*, const std::optional<std::string>&> given[] = {{"temperature", flags.temperature},
                                                                               {"top_p", flags.top_p},
                                                                               {"max_tokens", flags.max_tokens},
                                                                               {"seed", flags.seed}};
    for (const auto& [field, value] : given) {
        if (!value) continue;
        if (Status set = conversation.set(field, *value); !set) return set;
    }
    return ok();
}

Status converse(ChatFlags& flags, std::unique_ptr<ChatSession>& session, Conversation& conversation) {
    ChatState state{.session = session, .conversation = conversation, .switch_model = [&](const std::string& path) {
                        return switch_model(path, flags, session, conversation);
                    }};
    LineEditor editor(interrupted, chat_history_file());
    for (;;) {
        const TypedLine message = read_message(editor);
        if (session->is_damaged()) return error("the model file is damaged; what it said may be wrong");
        if (message.kind == TypedLine::Kind::end) return ok();
        if (message.kind == TypedLine::Kind::interrupted || message.text.empty()) continue;
        if (!message.is_command())
            conversation.say(message.text);
        else if (!run_command(message.text, state))
            return ok();
        if (!session) return error("the model could not be loaded again");
    }
}

Status chat(ChatFlags& flags) {
    if (const Status chosen = choose_default_model(flags.model); !chosen) return chosen;
    auto session = ChatSession::open(flags.model, flags.engine);
    if (!session) return session.error();
    Conversation conversation(**session, interrupted, flags.system);
    if (const Status set = apply_flags(flags, conversation); !set) return set;
    std::signal(SIGINT, [](int) { interrupted = true; });
    if (!(*session)->maker().has_template())
        fmt::print("The model has no chat template; a plain ChatML one is used.\n");
    fmt::print("Chatting with {}. /help lists the commands.\n", (*session)->name());
    return converse(flags, *session, conversation);
}

}  // namespace

void add_chat(CLI::App& app, int& status) {
    auto flags = std::make_shared<ChatFlags>();
    CLI::App* verb = app.add_subcommand("chat", "Talk to a model in the terminal");
    add_model_option(*verb, flags->model,
                     "Checkpoint folder or pack file; sprout, the model that comes with Hone, if none is given");
    add_adapter_option(*verb, flags->model);
    verb->add_option("--system", flags->system, "System message");
    verb->add_option("--temperature", flags->temperature, "0 is greedy; otherwise the model's own default, or 1")
        ->check(number_within(0, engine::kMaxTemperature));
    verb->add_option("--top-p", flags->top_p, "Share of probability to sample from")->check(number_within(1e-6, 1));
    verb->add_option("--max-tokens", flags->max_tokens, "Longest answer in tokens")->check(CLI::Range(1, 1 << 30));
    verb->add_option("--seed", flags->seed, "Of all draws: the same conversation again")->check(CLI::Number);
    verb->footer("/help in the conversation lists its commands.");
    add_engine_flags(*verb, flags->engine);
    add_model_options(*verb, flags->model);
    verb->callback([flags, &status] { status = report(chat(*flags)); });
}

}  // namespace hone::cli
