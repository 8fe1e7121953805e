#include "text/chat/chat_request.h"

#include <algorithm>

#include "text/chat/unicode_text.h"

namespace hone::text {

namespace {

namespace json = boost::json;

constexpr std::string_view kReasoningFields[] = {"reasoning_content", "thinking", "reasoning"};
// Written behind the text to be continued, and looked for in the rendered chat.
constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

const json::value* find_given(const json::object& message, std::string_view field) {
    const json::value* value = message.if_contains(field);
    return value && !value->is_null() ? value : nullptr;
}

json::array without_nulls(const json::array& messages) {
    json::array out;
    for (const json::value& message : messages) {
        if (!message.is_object()) {
            out.push_back(message);
            continue;
        }
        json::object kept;
        for (const auto& member : message.get_object())
            if (!member.value().is_null()) kept.emplace(member.key(), member.value());
        out.push_back(std::move(kept));
    }
    return out;
}

// The fields of the message that a continuation in `field` touches: a reasoning is there under several names.
std::vector<std::string_view> continued_fields(const json::object& message, std::string_view field) {
    bool is_reasoning =
        std::find(std::begin(kReasoningFields), std::end(kReasoningFields), field) != std::end(kReasoningFields);
    if (!is_reasoning) return {field};
    std::vector<std::string_view> fields;
    for (std::string_view name : kReasoningFields) {
        const json::value* value = find_given(message, name);
        if (value && *value == message.at(field)) fields.push_back(name);
    }
    return fields;
}

// Puts the tag behind the text to continue and returns that text.
Result<std::string> tag_final_message(const ChatTemplate& chat_template, json::array& messages,
                                      std::string_view field) {
    if (messages.empty()) return error("continue_final_message is set but the conversation is empty!");
    json::object& message = messages.back().get_object();
    if (!find_given(message, field))
        return error("continue_final_message is set but the final message has no \"{}\" to continue!", field);
    std::vector<std::string_view> fields = continued_fields(message, field);
    if (std::none_of(fields.begin(), fields.end(), [&](std::string_view name) { return chat_template.mentions(name); }))
        return error("continue_final_message is set to \"{}\" but this is not an accepted field in the chat_template",
                     field);
    json::value& continued = message.at(field);
    if (continued.is_array()) {
        json::array& parts = continued.get_array();
        for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
            json::value* text = part->is_object() ? part->get_object().if_contains("text") : nullptr;
            if (!text || !text->is_string()) continue;
            std::string original(text->get_string());
            *text = original + std::string(kContinueTag);
            return original;
        }
        return error("continue_final_message is set but we could not find any text to continue in the final message!");
    }
    if (!continued.is_string())
        return error("continue_final_message is set but \"{}\" of the final message is no text", field);
    std::string original(continued.get_string());
    for (std::string_view name : fields) message.at(name) = original + std::string(kContinueTag);
    return original;
}

// Cuts the chat where the tag is. A template that trims its messages has taken the blanks around the tag off: so do we.
Result<std::string> cut_at_tag(std::string chat, std::string_view original) {
    std::string_view tag = chat::strip(kContinueTag), wanted = chat::strip(original);
    size_t at = chat.rfind(tag);
    if (at == chat.npos || chat.find(wanted) == chat.npos)
        return error(
            "continue_final_message is set but the final message does not appear in the chat after applying the chat "
            "template! This can happen if the chat template deletes portions of the final message.");
    bool keeps_blanks = std::string_view(chat).substr(at).starts_with(kContinueTag);
    chat.resize(at);
    if (!keeps_blanks) chat.resize(chat::strip_right(chat).size());
    return chat;
}

json::object make_context(const ChatRequest& request, json::array messages) {
    json::object context;
    context["messages"] = std::move(messages);
    context["tools"] = request.tools ? json::value(*request.tools) : json::value(nullptr);
    context["documents"] = request.documents ? json::value(*request.documents) : json::value(nullptr);
    context["add_generation_prompt"] = request.add_generation_prompt;
    for (const auto& [name, text] : request.special_tokens) context[name] = text;
    for (const auto& variable : request.variables) context[variable.key()] = variable.value();
    return context;
}

}  // namespace

json::array alias_reasoning_fields(const json::array& messages) {
    json::array out;
    out.reserve(messages.size());
    for (const json::value& message : messages) {
        const json::value* reasoning = nullptr;
        if (message.is_object())
            for (std::string_view field : kReasoningFields)
                if (!reasoning) reasoning = find_given(message.get_object(), field);
        if (!reasoning) {
            out.push_back(message);
            continue;
        }
        json::object aliased;
        aliased["thinking"] = *reasoning;
        for (const auto& member : message.get_object()) aliased[member.key()] = member.value();
        aliased["reasoning_content"] = *reasoning;
        out.push_back(std::move(aliased));
    }
    return out;
}

Result<Rendered> render_chat(const ChatTemplate& chat_template, const ChatRequest& request,
                             const RenderOptions& options) {
    for (size_t i = 0; i < request.messages.size(); ++i)
        if (!request.messages[i].is_object()) return error("messages[{}] is not an object", i);
    bool is_continued = !request.continued_field.empty();
    if (is_continued && request.add_generation_prompt)
        return error("continue_final_message and add_generation_prompt cannot be used together");

    json::array messages = request.drops_null_fields ? without_nulls(request.messages) : request.messages;
    messages = alias_reasoning_fields(messages);
    std::string original;
    if (is_continued) {
        Result<std::string> tagged = tag_final_message(chat_template, messages, request.continued_field);
        if (!tagged) return tagged.error();
        original = std::move(*tagged);
    }
    Result<Rendered> rendered = chat_template.render(make_context(request, std::move(messages)), options);
    if (!rendered || !is_continued) return rendered;
    Result<std::string> text = cut_at_tag(std::move(rendered->text), original);
    if (!text) return text.error();
    return Rendered{std::move(*text), {}};
}

}  // namespace hone::text
