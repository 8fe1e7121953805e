#include "serve/openai/answer_format.h"

#include <boost/json/serialize.hpp>

namespace hone::serve {

namespace json = boost::json;

namespace {

json::value finish_reason(const ChoiceText& state) {
    if (!state.finish()) return nullptr;
    switch (*state.finish()) {
        case engine::FinishReason::stop:
            return state.ended_with_calls() ? "tool_calls" : "stop";
        case engine::FinishReason::length:
            return "length";
        case engine::FinishReason::cancelled:
        case engine::FinishReason::expired:
        case engine::FinishReason::error:
            break;
    }
    return "stop";
}

json::value stop_reason(const ChoiceText& state) {
    if (state.stop_string()) return json::value(*state.stop_string());
    if (state.stop_id()) return *state.stop_id();
    return nullptr;
}

json::array token_ids(const TextDelta& delta) {
    json::array out;
    out.reserve(delta.tokens.size());
    for (const PlacedToken& token : delta.tokens) out.emplace_back(token.record.token);
    return out;
}

json::array version_runs(std::span<const VersionRun> versions) {
    json::array out;
    for (const VersionRun& run : versions)
        out.push_back({{"version", run.version}, {"fingerprint", run.fingerprint}, {"tokens", run.tokens}});
    return out;
}

// The reasoning under its older name and the one that vLLM gives it now.
void add_reasoning(json::object& message, const TextDelta& delta) {
    if (delta.reasoning.empty()) return;
    message["reasoning_content"] = delta.reasoning;
    message["reasoning"] = delta.reasoning;
}

// Of a stream's chunk, where calls have an index and what was told before is left out; or of a whole message.
void add_calls(json::object& message, const TextDelta& delta, bool is_chunk) {
    if (delta.calls.empty()) return;
    json::array calls;
    for (const text::CallPiece& piece : delta.calls) {
        json::object call;
        json::object function;
        if (is_chunk) call["index"] = piece.index;
        if (piece.begins) {
            call["id"] = piece.id;
            call["type"] = "function";
            function["name"] = piece.name;
        }
        function["arguments"] = piece.arguments;
        call["function"] = std::move(function);
        calls.push_back(std::move(call));
    }
    message["tool_calls"] = std::move(calls);
}

// Without content, a message that says something else has null there.
json::object message_of(const TextDelta& delta) {
    json::object message{{"role", "assistant"}, {"content", delta.text}, {"refusal", nullptr}};
    if (delta.text.empty() && delta.says_something()) message["content"] = nullptr;
    add_reasoning(message, delta);
    add_calls(message, delta, false);
    return message;
}

}  // namespace

json::object adapter_json(const AdapterVersion& adapter) {
    return {{"name", adapter.name}, {"version", adapter.version}, {"fingerprint", adapter.weights->fingerprint()}};
}

json::object usage_json(const UsageCounts& usage) {
    return {{"prompt_tokens", usage.prompt_tokens},
            {"completion_tokens", usage.completion_tokens},
            {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
            {"prompt_tokens_details", json::object{{"cached_tokens", usage.cached_tokens}}}};
}

AnswerFormat::AnswerFormat(Header header, const GenerationRequest& request, const text::Tokenizer& tokenizer)
    : header_(std::move(header)), request_(request), tokens_{.tokenizer = tokenizer, .as_ids = request.tokens_as_ids} {}

// How the numbers came about.
json::object AnswerFormat::facts() const {
    json::object facts{{"numeric_class", header_.numeric_class}, {"seed", header_.seed}};
    if (const AdapterVersion* adapter = request_.adapter.get()) facts["adapter"] = adapter_json(*adapter);
    return facts;
}

// An answer under an adapter is another model's; its fingerprint tells the adapter's content.
json::object AnswerFormat::envelope(const char* chat_object) const {
    const bool chat = header_.endpoint == Endpoint::chat;
    const AdapterVersion* adapter = request_.adapter.get();
    return {{"id", (chat ? "chatcmpl-" : "cmpl-") + header_.id},
            {"object", chat ? chat_object : "text_completion"},
            {"created", header_.created},
            {"model", adapter ? adapter->name : header_.model},
            {"system_fingerprint",
             adapter ? header_.fingerprint + "-" + adapter->weights->fingerprint() : header_.fingerprint}};
}

void AnswerFormat::add_logprobs(json::object& choice, const ChoiceReport& report) const {
    json::value& target = choice["logprobs"];
    if (!request_.logprobs) return;
    if (header_.endpoint == Endpoint::chat) {
        target = chat_logprobs(report.delta->tokens, tokens_);
    } else {
        EchoedPrompt echo;
        if (report.echo)
            echo = {
                .tokens = *report.prompt, .offsets = report.state->echo_offsets(), .records = report.prompt_records};
        target = completion_logprobs(echo, report.delta->tokens, tokens_, request_.sampling.top_logprobs);
    }
}

// What no other server has.
void AnswerFormat::add_own(json::object& choice, const ChoiceReport& report) const {
    json::object own;
    if (request_.logprobs) own["processed_logprobs"] = processed_logprobs(report.delta->tokens);
    if (request_.follow_adapter) own["adapter_versions"] = version_runs(report.versions);
    if (!own.empty()) choice["hone"] = std::move(own);
}

// What vLLM adds to a choice.
void AnswerFormat::add_details(json::object& choice, const ChoiceReport& report) const {
    choice["finish_reason"] = finish_reason(*report.state);
    choice["stop_reason"] = stop_reason(*report.state);
    if (request_.return_token_ids) choice["token_ids"] = token_ids(*report.delta);
}

json::object AnswerFormat::choice(const ChoiceReport& report) const {
    json::object out{{"index", report.index}};
    const bool chat = header_.endpoint == Endpoint::chat;
    if (chat) {
        out["message"] = message_of(*report.delta);
    } else {
        out["text"] = report.delta->text;
    }
    add_logprobs(out, report);
    add_own(out, report);
    add_details(out, report);
    if (chat) return out;
    if (request_.return_token_ids) out["prompt_token_ids"] = json::array(report.prompt->begin(), report.prompt->end());
    if (request_.prompt_logprobs)
        out["prompt_logprobs"] = prompt_logprobs(report.prompt_records, tokens_, *request_.prompt_logprobs);
    return out;
}

json::object AnswerFormat::chunk_choice(const ChoiceReport& report) const {
    json::object out{{"index", report.index}};
    const bool chat = header_.endpoint == Endpoint::chat;
    if (chat) {
        json::object delta;
        if (report.first) delta["role"] = "assistant";
        if (report.first || !report.delta->text.empty()) delta["content"] = report.delta->text;
        add_reasoning(delta, *report.delta);
        add_calls(delta, *report.delta, true);
        out["delta"] = std::move(delta);
    } else {
        out["text"] = report.delta->text;
    }
    add_logprobs(out, report);
    add_own(out, report);
    add_details(out, report);
    if (request_.return_token_ids && report.first)
        out["prompt_token_ids"] = json::array(report.prompt->begin(), report.prompt->end());
    return out;
}

std::string AnswerFormat::whole(const std::vector<std::string>& choices, const UsageCounts& usage,
                                const ChoiceReport& first) const {
    json::object out = envelope("chat.completion");
    out["usage"] = usage_json(usage);
    if (header_.endpoint == Endpoint::chat) {
        if (request_.return_token_ids)
            out["prompt_token_ids"] = json::array(first.prompt->begin(), first.prompt->end());
        if (request_.prompt_logprobs)
            out["prompt_logprobs"] = prompt_logprobs(first.prompt_records, tokens_, *request_.prompt_logprobs);
    }
    out["hone"] = facts();
    std::string text = json::serialize(out);
    text.pop_back();
    text += R"(,"choices":[)";
    for (size_t i = 0; i < choices.size(); ++i) text.append(i > 0 ? "," : "").append(choices[i]);
    return text += "]}";
}

std::string AnswerFormat::chunk(json::array choices, const std::optional<UsageCounts>& usage, bool introduce) const {
    json::object out = envelope("chat.completion.chunk");
    out["choices"] = std::move(choices);
    if (usage) {
        out["usage"] = usage_json(*usage);
    } else if (request_.include_usage) {
        out["usage"] = nullptr;
    }
    if (introduce) out["hone"] = facts();
    return json::serialize(out);
}

}  // namespace hone::serve
