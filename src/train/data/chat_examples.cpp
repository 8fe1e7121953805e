#include "train/data/chat_examples.h"

#include <algorithm>

#include <boost/json/serialize.hpp>

#include "text/chat/chat_messages.h"
#include "text/chat/chat_replies.h"
#include "text/json_view.h"

namespace hone::train {

namespace json = boost::json;

namespace {

constexpr std::string_view kRoles[] = {"system", "developer", "user", "assistant", "tool"};

// Takes `weight` and `train` off a message; the weight that they give it, or nothing.
Result<std::optional<float>> take_weight(json::object& message, const std::string& where) {
    std::optional<float> weight;
    for (const char* key : {"weight", "train"}) {
        const json::value* value = message.if_contains(key);
        if (!value) continue;
        const bool is_flag = value->is_bool();
        const double number = is_flag ? value->get_bool() : value->is_number() ? value->to_number<double>() : -1;
        if (!value->is_null()) {
            if (!(number >= 0 && number <= 1))
                return error("{}.{}: is {}; use a number from 0 to 1, or true or false", where, key,
                             json::serialize(*value).substr(0, 40));
            if (weight) return error("{}: has both weight and train; use one of them", where);
            weight = static_cast<float>(number);
        }
        message.erase(key);
    }
    return weight;
}

Result<float> read_message(json::value& message, const std::string& where) {
    if (const auto problem = text::normalize_message(message))
        return error("{}{}{}: {}", where, problem->field.empty() ? "" : ".", problem->field, problem->reason);
    json::object& fields = message.get_object();
    const std::string_view role = fields.at("role").get_string();
    if (std::find(std::begin(kRoles), std::end(kRoles), role) == std::end(kRoles))
        return error("{}.role: {} is no role; use system, developer, user, assistant or tool", where,
                     json::serialize(json::value(role.substr(0, 40))));
    const auto weight = take_weight(fields, where);
    if (!weight) return weight.error();
    const bool is_reply = role == "assistant";
    if (!is_reply && weight->value_or(0) > 0)
        return error("{}: only messages of the role \"assistant\" can be trained on", where);
    return is_reply ? weight->value_or(1) : 0;
}

Example whole(std::vector<text::TokenId> ids) {
    std::vector<float> weights(ids.size(), 1);
    return {std::move(ids), std::move(weights)};
}

}  // namespace

void Messages::append(const Messages& more) {
    list.insert(list.end(), more.list.begin(), more.list.end());
    weights.insert(weights.end(), more.weights.begin(), more.weights.end());
}

Result<Messages> read_messages(const json::value& list, std::string_view key) {
    if (!list.is_array()) return error("{}: must be a list of messages, not {}", key, text::json_type_name(list));
    if (list.get_array().empty()) return error("{}: is empty", key);
    Messages out;
    for (const json::value& given : list.get_array()) {
        json::value message = given;
        const auto weight = read_message(message, fmt::format("{}[{}]", key, out.weights.size()));
        if (!weight) return weight.error();
        out.list.push_back(std::move(message));
        out.weights.push_back(*weight);
    }
    return out;
}

Result<ChatSettings> read_chat_settings(const json::object& line, const RecordOptions& options) {
    ChatSettings out{{}, options.template_variables};
    if (const json::value* tools = line.if_contains("tools"); tools && !tools->is_null()) {
        if (!tools->is_array()) return error("tools: must be a list, not {}", text::json_type_name(*tools));
        if (!tools->get_array().empty()) out.tools = tools->get_array();
    }
    if (const json::value* given = line.if_contains("chat_template_kwargs"); given && !given->is_null()) {
        if (!given->is_object())
            return error("chat_template_kwargs: must be an object, not {}", text::json_type_name(*given));
        for (const auto& variable : given->get_object()) out.variables[variable.key()] = variable.value();
    }
    for (const char* reserved : {"messages", "tools", "documents", "add_generation_prompt"})
        if (out.variables.contains(reserved))
            return error("chat_template_kwargs.{}: is no variable of the template's own and cannot be set here",
                         reserved);
    return out;
}

namespace {

// A conversation and the template that it is for.
struct Chat {
    const text::ChatTemplate* chat_template = nullptr;
    text::ChatRequest request;
    text::RenderOptions rendering;
};

Result<Chat> make_chat(const TextReading& text, const RecordOptions& options, const Messages& messages,
                       const ChatSettings& settings) {
    if (!text.chat_templates)
        return error("there is no chat template; give the model a chat_template.jinja, or data without messages");
    return Chat{.chat_template = &text.chat_templates->choose(settings.tools.has_value()),
                .request = {.messages = messages.list,
                            .tools = settings.tools,
                            .special_tokens = text.special_tokens,
                            .variables = settings.variables},
                .rendering = {.clock = options.clock}};
}

}  // namespace

Result<std::string> chat_text(const TextReading& text, const RecordOptions& options, const Messages& messages,
                              const ChatSettings& settings) {
    const auto chat = make_chat(text, options, messages, settings);
    if (!chat) return chat.error();
    auto rendered = text::render_chat(*chat->chat_template, chat->request, chat->rendering);
    if (!rendered) return rendered.error();
    return std::move(rendered->text);
}

Result<std::vector<Example>> chat_examples(const TextReading& text, const RecordOptions& options,
                                           const Messages& messages, const ChatSettings& settings) {
    const auto chat = make_chat(text, options, messages, settings);
    if (!chat) return chat.error();
    const auto& [chat_template, request, rendering] = *chat;
    std::vector<Example> out;
    if (options.train_on_prompts && options.format != Format::preference) {
        auto ids = text::encode_chat(*chat_template, *text.tokenizer, request, rendering);
        if (!ids) return ids.error();
        out.push_back(whole(std::move(*ids)));
        return out;
    }
    auto replies = text::encode_replies(*chat_template, *text.tokenizer, request, messages.weights, rendering);
    if (!replies) return replies.error();
    for (auto& each : *replies) out.push_back({std::move(each.ids), std::move(each.weights)});
    return out;
}

}  // namespace hone::train
