// hone chat: a conversation with a model in the terminal, streamed as it is sampled.
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <iostream>
#include <mutex>

#include <unistd.h>

#include "base/clock.h"
#include "cli/engine_flags.h"
#include "cli/model_text.h"
#include "serve/openai/prompt_building.h"
#include "text/chat/chat_tokens.h"
#include "text/tokenizer/stream_decoder.h"

namespace hone::cli {
namespace {

struct ChatFlags {
    ModelOptions model;
    EngineFlags engine;
    std::string system;
    engine::SamplingParams sampling;
    std::optional<float> temperature, top_p;
    std::optional<int32_t> max_tokens;
};

constexpr const char* kHelp =
    "  /help               this\n"
    "  /new                forget the conversation\n"
    "  /history            show it\n"
    "  /system TEXT        set the system message and begin anew\n"
    "  /temperature X      0 is greedy\n"
    "  /retry              answer the last message again\n"
    "  /quit               leave (also Ctrl-D); Ctrl-C stops an answer\n";

std::atomic<bool> interrupted{false};

// Events of one request, handed from the engine's thread to ours.
class EventQueue {
  public:
    void push(engine::RequestEvent event) {
        const std::lock_guard lock(mutex_);
        events_.push_back(std::move(event));
        arrived_.notify_one();
    }
    // The next event; nothing if none came within a moment.
    std::optional<engine::RequestEvent> pop() {
        std::unique_lock lock(mutex_);
        if (!arrived_.wait_for(lock, std::chrono::milliseconds(50), [&] { return !events_.empty(); }))
            return std::nullopt;
        engine::RequestEvent event = std::move(events_.front());
        events_.pop_front();
        return event;
    }

  private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<engine::RequestEvent> events_;
};

class Conversation {
  public:
    Conversation(engine::Engine& engine, std::shared_ptr<const model::Adapter> adapter, const ModelText& text,
                 ChatFlags& flags)
        : engine_(engine),
          adapter_(std::move(adapter)),
          text_(text),
          flags_(flags),
          templates_(text.chat_templates ? *text.chat_templates : serve::default_chat_templates()) {
        if (!text.chat_templates) fmt::print("The model has no chat template; a plain ChatML one is used.\n");
        clear();
    }

    void clear() {
        messages_.clear();
        if (!flags_.system.empty()) add("system", flags_.system);
    }

    void show() const {
        for (const auto& message : messages_) {
            fmt::print("{}: {}\n", std::string_view(message.at("role").as_string()),
                       std::string_view(message.at("content").as_string()));
        }
    }

    void say(const std::string& line) {
        add("user", line);
        if (!answer()) messages_.pop_back();
    }

    void retry() {
        if (messages_.empty() || messages_.back().at("role") != "assistant") {
            fmt::print("There is nothing to answer yet.\n");
            return;
        }
        const boost::json::value before = std::move(messages_.back());
        messages_.pop_back();
        if (!answer()) messages_.push_back(before);
    }

  private:
    void add(const char* role, std::string content) {
        messages_.push_back({{"role", role}, {"content", std::move(content)}});
    }

    // Answers the last message. Where that fails the reason is printed and the conversation is as it was.
    bool answer() {
        auto prompt = text::encode_chat(
            templates_.choose(false), *text_.tokenizer,
            {.messages = messages_, .add_generation_prompt = true, .special_tokens = text_.special_tokens});
        if (!prompt) {
            fmt::print("hone: {}\n", prompt.error().message);
            return false;
        }
        engine::Request request{.prompt = std::move(*prompt), .sampling = flags_.sampling, .adapter = adapter_};
        const auto room =
            engine_.max_context() - static_cast<int32_t>(std::min<size_t>(request.prompt.size(), 1 << 30));
        if (room < 1) {
            fmt::print("hone: the conversation fills the context of {} tokens; /new begins another\n",
                       engine_.max_context());
            return false;
        }
        request.sampling.max_tokens = std::min(flags_.max_tokens.value_or(room), room);
        auto events = std::make_shared<EventQueue>();
        interrupted = false;
        auto id = engine_.submit(std::move(request),
                                 [events](engine::RequestEvent event) { events->push(std::move(event)); });
        if (!id) {
            fmt::print("hone: {}\n", id.error().message);
            return false;
        }
        std::optional<std::string> text = stream(*id, *events);
        if (text) add("assistant", std::move(*text));
        return text.has_value();
    }

    // Prints tokens as they come; the whole answer, nothing if the engine failed.
    std::optional<std::string> stream(engine::RequestId id, EventQueue& events) {
        text::StreamDecoder decoder(*text_.tokenizer, true);
        std::string answer;
        bool has_failed = false;
        size_t tokens = 0;
        const auto print = [&](const std::string& piece) {
            answer += piece;
            std::cout << piece << std::flush;
        };
        const double started = monotonic_seconds();
        for (std::optional<engine::FinishReason> finish; !finish;) {
            if (interrupted.exchange(false)) engine_.cancel(id);
            const auto event = events.pop();
            if (!event) continue;
            for (const auto& token : event->tokens) {
                tokens++;
                if (event->stop_token && &token == &event->tokens.back()) break;
                print(decoder.append(token.token));
            }
            finish = event->finish;
            has_failed = finish == engine::FinishReason::error;
            if (has_failed) fmt::print("\nhone: {}", event->message);
        }
        print(decoder.flush());
        const double seconds = monotonic_seconds() - started;
        const bool styled = isatty(STDOUT_FILENO);
        fmt::print("\n{}{} tokens, {:.1f} tokens/s{}\n", styled ? "\x1b[2m" : "", tokens,
                   static_cast<double>(tokens) / seconds, styled ? "\x1b[0m" : "");
        return has_failed ? std::nullopt : std::optional(answer);
    }

    engine::Engine& engine_;
    const std::shared_ptr<const model::Adapter> adapter_;  // null: none
    const ModelText& text_;
    ChatFlags& flags_;
    const text::ChatTemplates templates_;
    boost::json::array messages_;
};

// Carries out a line that begins with '/'; false ends the conversation.
bool command(const std::string& line, Conversation& conversation, ChatFlags& flags) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, space), rest = line.substr(std::min(space + 1, line.size()));
    if (word == "/quit" || word == "/exit") return false;
    if (word == "/new") {
        conversation.clear();
    } else if (word == "/history") {
        conversation.show();
    } else if (word == "/retry") {
        conversation.retry();
    } else if (word == "/system") {
        flags.system = rest;
        conversation.clear();
    } else if (word == "/temperature") {
        engine::SamplingParams changed = flags.sampling;
        char* end = nullptr;
        changed.temperature = std::strtof(rest.c_str(), &end);
        const Status valid = rest.empty() || *end ? Status(error("'{}' is no number", rest)) : changed.validate();
        if (valid)
            flags.sampling = changed;
        else
            fmt::print("hone: {}\n", valid.error().message);
    } else {
        fmt::print("{}{}", word == "/help" ? "" : "Unknown command. There are:\n", kHelp);
    }
    return true;
}

engine::SamplingParams sampling_of(const ChatFlags& flags, const ModelText& text) {
    engine::SamplingParams sampling;
    const auto& defaults = text.defaults;
    sampling.temperature = flags.temperature.value_or(defaults.temperature.value_or(sampling.temperature));
    sampling.top_p = flags.top_p.value_or(defaults.top_p.value_or(sampling.top_p));
    sampling.min_p = defaults.min_p.value_or(sampling.min_p);
    sampling.top_k = defaults.top_k.value_or(sampling.top_k);
    sampling.repetition_penalty = defaults.repetition_penalty.value_or(sampling.repetition_penalty);
    sampling.stop_ids = defaults.end_ids;
    if (const auto eos = text.tokenizer->eos()) sampling.stop_ids.push_back(*eos);
    return sampling;
}

Status chat(ChatFlags& flags) {
    const auto engine_options = flags.engine.options(flags.model);
    if (!engine_options) return engine_options.error();
    const engine::SamplingParams given{.temperature = flags.temperature.value_or(1), .top_p = flags.top_p.value_or(1)};
    if (const Status valid = given.validate(); !valid) return valid;
    auto open = open_model(flags.model, false);
    if (!open) return open.error();
    auto text = load_model_text(open->loaded.files);
    if (!text) return text.error();
    open->pool.reset();  // the engine has threads of its own
    flags.sampling = sampling_of(flags, *text);
    if (const Status valid = flags.sampling.validate(); !valid) return valid;
    auto engine = start_engine(*open, *engine_options);
    if (!engine) return engine.error();

    // Damage is told as soon as it is found, and ends the conversation with the line that is being typed.
    std::atomic<bool> damaged{false};
    std::unique_ptr<model::BackgroundVerification> verification;
    if (auto checksums = std::exchange(open->loaded.checksums, {}); checksums.file) {
        verification = std::make_unique<model::BackgroundVerification>(std::move(checksums), [&](Status verified) {
            if (verified) return;
            damaged = true;  // before it is told: what is typed after the message is not answered
            fmt::print(stderr, "\nhone: {}\n", verified.error().message);
        });
    }

    std::signal(SIGINT, [](int) { interrupted = true; });
    fmt::print("Chatting with {}. /help lists the commands.\n", open->loaded.name);
    Conversation conversation(**engine, open->adapter, *text, flags);
    for (std::string line; std::cout << "> " << std::flush && std::getline(std::cin, line);) {
        if (damaged) return error("the model file is damaged; what it said may be wrong");
        if (line.empty()) continue;
        if (line[0] != '/')
            conversation.say(line);
        else if (!command(line, conversation, flags))
            break;
    }
    return ok();
}

}  // namespace

void add_chat(CLI::App& app, int& status) {
    auto flags = std::make_shared<ChatFlags>();
    CLI::App* verb = app.add_subcommand("chat", "Talk to a model in the terminal");
    verb->add_option("MODEL", flags->model.path, "Checkpoint folder or pack file")->required();
    add_adapter_option(*verb, flags->model);
    verb->add_option("--system", flags->system, "System message");
    verb->add_option("--temperature", flags->temperature, "0 is greedy; otherwise the model's own default, or 1");
    verb->add_option("--top-p", flags->top_p, "Share of probability to sample from");
    verb->add_option("--max-tokens", flags->max_tokens, "Longest answer in tokens")->check(CLI::Range(1, 1 << 30));
    add_engine_flags(*verb, flags->engine);
    add_model_options(*verb, flags->model);
    verb->callback([flags, &status] { status = report(chat(*flags)); });
}

}  // namespace hone::cli
