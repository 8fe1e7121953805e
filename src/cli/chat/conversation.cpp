#include "cli/chat/conversation.h"

#include <algorithm>

#include <boost/json/serialize.hpp>

#include "base/atomic_file.h"
#include "cli/chat/answer_printer.h"
#include "cli/chat/screen_text.h"
#include "cli/chat/token_view.h"

namespace hone::cli {

namespace json = boost::json;

namespace {

constexpr int32_t kAlternatives = 4;  // of each token, for token_view()

// Those that /set takes; `thinking` is a variable of templates.
constexpr std::string_view kSettable[] = {"temperature",
                                          "top_p",
                                          "top_k",
                                          "min_p",
                                          "max_tokens",
                                          "seed",
                                          "stop",
                                          "repetition_penalty",
                                          "presence_penalty",
                                          "frequency_penalty"};
constexpr std::string_view kThinking = "thinking", kVariables = "chat_template_kwargs";

json::value value_of(const std::string& text) {
    auto parsed = text::parse_json(text);
    return parsed ? *parsed : json::value(text);
}

}  // namespace

Conversation::Conversation(ChatSession& session, std::atomic<bool>& interrupted, std::string system)
    : session_(&session), interrupted_(interrupted), system_(std::move(system)) {
    clear();
}

void Conversation::clear() {
    messages_.clear();
    if (!system_.empty()) add("system", system_);
}

void Conversation::set_system(std::string system) {
    system_ = std::move(system);
    clear();
}

void Conversation::add(const char* role, std::string content) {
    messages_.push_back({{"role", role}, {"content", std::move(content)}});
}

void Conversation::show() const {
    for (const auto& message : messages_) {
        fmt::print("{}: {}\n", std::string_view(message.at("role").as_string()),
                   for_stdout(message.at("content").as_string()));
    }
}

void Conversation::say(const std::string& message) {
    add("user", message);
    if (!answer()) messages_.pop_back();
}

void Conversation::retry() {
    if (messages_.empty() || messages_.back().at("role") != "assistant") {
        fmt::print("There is nothing to answer yet.\n");
        return;
    }
    const json::value before = std::move(messages_.back());
    messages_.pop_back();
    if (!answer()) messages_.push_back(before);
}

Status Conversation::save(const std::string& path) const {
    return write_file(path, json::serialize(json::object{{"messages", messages_}}) + "\n");
}

Status Conversation::set(const std::string& field, const std::string& value) {
    json::object changed = fields_;
    if (field == kThinking) {
        if (!value.empty() && value != "on" && value != "off") return error("thinking is on or off");
        if (value.empty())
            changed.erase(kVariables);
        else
            changed[kVariables] = {{"enable_thinking", value == "on"}};
    } else if (std::ranges::find(kSettable, field) == std::end(kSettable)) {
        return error("there is no setting '{}'; there are {} and {}", field, fmt::join(kSettable, ", "), kThinking);
    } else if (value.empty()) {
        changed.erase(field);
    } else {
        changed[field] = value_of(value);
    }
    if (const auto valid = session_->maker().sampling(changed); !valid) return valid.error();
    fields_ = std::move(changed);
    return ok();
}

std::string Conversation::settings() const {
    const auto sampling = session_->maker().sampling(fields_);
    if (!sampling) return sampling.error().message;  // of a model that came later, with other limits
    std::string out =
        fmt::format("  temperature {}, top_p {}, top_k {}, min_p {}, repetition_penalty {}\n", sampling->temperature,
                    sampling->top_p, sampling->top_k, sampling->min_p, sampling->repetition_penalty);
    out += fields_.empty() ? "  all of them the model's own\n"
                           : fmt::format("  set here: {}\n", std::string_view(json::serialize(fields_)));
    return out;
}

std::string Conversation::token_view() const {
    if (tokens_.empty()) return "There is no answer yet.\n";
    return cli::token_view(tokens_, session_->maker().tokenizer(), is_styled());
}

// Answers the last message. Where there is no answer the reason is printed and the conversation is as it was.
bool Conversation::answer() {
    json::object body = fields_;
    body["messages"] = messages_;
    body["logprobs"] = true;
    body["top_logprobs"] = kAlternatives;
    auto ready = session_->maker().make(body);
    if (!ready) {
        fmt::print("hone: {}; /new begins another conversation, /set changes how answers are drawn\n",
                   ready.error().message);
        return false;
    }
    interrupted_ = false;
    auto said = stream(**ready);
    if (!said) {
        fmt::print("hone: {}\n", said.error().message);
        return false;
    }
    if (said->is_null()) return false;
    messages_.push_back(std::move(*said));
    return true;
}

// Prints the answer as it comes; it, as a message.
Result<json::value> Conversation::stream(ReadyRequest& ready) {
    const auto events = std::make_shared<EventQueue<engine::RequestEvent>>();
    const auto id = session_->engine().submit(session_->maker().engine_request(ready),
                                              [events](engine::RequestEvent event) { events->push(std::move(event)); });
    if (!id) return id.error();
    tokens_.clear();
    AnswerPrinter printer;
    serve::TextDelta whole;
    while (!ready.answer->finished()) {
        if (interrupted_.exchange(false)) session_->engine().cancel(*id);
        auto event = events->pop();
        if (!event) continue;
        const bool has_failed = event->finish == engine::FinishReason::error, has_ended = event->finish.has_value();
        const std::string message = event->message;
        serve::TextDelta delta = ready.answer->take(std::move(*event));
        for (auto& token : delta.tokens) tokens_.push_back(std::move(token.record));
        delta.tokens.clear();
        printer.print(delta);
        whole.append(std::move(delta));
        if (has_failed) {
            printer.break_off();
            return error("{}", message);
        }
        if (ready.answer->finished() && !has_ended) session_->engine().cancel(*id);  // at a stop string
    }
    printer.finish(*ready.answer->finish(), ready.answer->token_count());
    if (ready.answer->finish() == engine::FinishReason::cancelled && tokens_.empty()) return json::value();
    json::object message{{"role", "assistant"}, {"content", std::move(whole.text)}};
    if (!whole.reasoning.empty()) message["reasoning_content"] = std::move(whole.reasoning);
    return json::value(std::move(message));
}

}  // namespace hone::cli
