#include "text/chat/chat_replies.h"

#include <algorithm>

#include "base/check.h"
#include "text/chat/generation_mask.h"
#include "text/chat/unicode_text.h"
#include "text/utf8.h"

namespace hone::text {

namespace {

namespace json = boost::json;

struct WeightedSpan {
    size_t begin, end;  // code points of the chat
    float weight;
};

// A rendered chat, marks included, and the replies in it.
struct Conversation {
    std::string text;
    std::vector<WeightedSpan> replies;  // ascending
};

bool is_reply(const json::value& message) {
    const json::object* fields = message.if_object();
    const json::value* role = fields ? fields->if_contains("role") : nullptr;
    return role && *role == "assistant";
}

// The blocks with the weights of the messages that they belong to. Nothing where that cannot be told: there is not one
// block for each reply, and the replies' weights differ.
std::optional<std::vector<WeightedSpan>> weigh_blocks(const Rendered& chat, const json::array& messages,
                                                      std::span<const float> weights) {
    std::vector<float> of_replies;
    for (size_t i = 0; i < messages.size(); ++i)
        if (is_reply(messages[i])) of_replies.push_back(weights[i]);
    if (of_replies.empty() || chat.generation_spans.empty()) return std::nullopt;
    const bool has_one_each = of_replies.size() == chat.generation_spans.size();
    const bool are_equal =
        std::adjacent_find(of_replies.begin(), of_replies.end(), std::not_equal_to<>()) == of_replies.end();
    if (!has_one_each && !are_equal) return std::nullopt;
    std::vector<WeightedSpan> spans;
    for (size_t i = 0; i < chat.generation_spans.size(); ++i) {
        const auto& [begin, end] = chat.generation_spans[i];
        spans.push_back({begin, end, of_replies[has_one_each ? i : 0]});
    }
    return spans;
}

// Renders the first messages of a conversation.
class Prefixes {
  public:
    Prefixes(const ChatTemplate& chat_template, const ChatRequest& request, const RenderOptions& options)
        : template_(chat_template), request_(request), options_(options) {}

    Result<std::string> render(size_t messages, bool with_generation_prompt) const {
        ChatRequest first = request_;
        first.messages.resize(messages);
        first.add_generation_prompt = with_generation_prompt;
        Result<Rendered> chat = render_chat(template_, first, options_);
        if (!chat) return chat.error();
        return std::move(chat->text);
    }

  private:
    const ChatTemplate& template_;
    const ChatRequest& request_;
    const RenderOptions& options_;
};

// Where two texts differ, as much of the first as explains it.
std::string differing_end(std::string_view prompt, std::string_view chat) {
    const auto [differs, unused] = std::mismatch(prompt.begin(), prompt.end(), chat.begin(), chat.end());
    size_t at = static_cast<size_t>(differs - prompt.begin());
    while (at > 0 && is_continuation(prompt[at])) --at;
    constexpr size_t kQuoted = 40;
    return repair_utf8(prompt.substr(at, kQuoted));
}

// From the last reply to the first: each joins the conversation that comes after it where it is the beginning of that.
Result<std::vector<Conversation>> find_replies(const ChatTemplate& chat_template, const ChatRequest& request,
                                               std::span<const float> weights, const RenderOptions& options) {
    const Prefixes prefixes(chat_template, request, options);
    std::vector<Conversation> found;
    for (size_t i = request.messages.size(); i-- > 0;) {
        if (weights[i] == 0 || !is_reply(request.messages[i])) continue;
        const Result<std::string> prompt = prefixes.render(i, true);
        if (!prompt) return prompt.error().within(fmt::format("the messages before messages[{}]", i));
        Result<std::string> chat = prefixes.render(i + 1, false);
        if (!chat) return chat.error().within(fmt::format("the messages up to messages[{}]", i));
        if (!chat->starts_with(*prompt))
            return error(
                "messages[{}]: the chat template ends the prompt of this reply with {}, and does not write the reply "
                "behind that; give the message what the template expects (reasoning_content), set "
                "chat_template_kwargs (enable_thinking), or use a template with {{% generation %}} blocks",
                i, json::serialize(json::value(differing_end(*prompt, *chat))));
        const WeightedSpan reply{count_code_points(*prompt), count_code_points(*chat), weights[i]};
        if (found.empty() || !found.back().text.starts_with(*chat)) found.push_back({std::move(*chat), {}});
        found.back().replies.insert(found.back().replies.begin(), reply);
    }
    std::reverse(found.begin(), found.end());
    return found;
}

bool is_blank(const Tokenizer& tokenizer, TokenId id) {
    return chat::strip(tokenizer.decode(std::span(&id, 1), false)).empty();
}

// Index behind the special token that ends the reply [begin, end) where only blanks follow it; else `end`.
size_t end_of_turn(const Tokenizer& tokenizer, std::span<const TokenId> ids, size_t begin, size_t end) {
    size_t last = end;
    while (last > begin && !tokenizer.is_special(ids[last - 1]) && is_blank(tokenizer, ids[last - 1])) --last;
    return last > begin && tokenizer.is_special(ids[last - 1]) ? last : end;
}

Result<ChatReplies> weigh_tokens(const Tokenizer& tokenizer, const ControlTokens& control, const Conversation& chat,
                                 bool template_ends_replies) {
    Result<Encoding> encoded = encode_marked_chat(tokenizer, control, chat.text, true);
    if (!encoded) return encoded.error();
    ChatReplies out{std::move(encoded->ids), {}};
    out.weights.resize(out.ids.size());
    for (const WeightedSpan& reply : chat.replies) {
        const std::pair<size_t, size_t> span(reply.begin, reply.end);
        const std::vector<uint8_t> mask = generation_mask(encoded->offsets, {&span, 1});
        const auto begin = static_cast<size_t>(std::find(mask.begin(), mask.end(), 1) - mask.begin());
        auto end = static_cast<size_t>(mask.rend() - std::find(mask.rbegin(), mask.rend(), 1));
        if (begin >= end) continue;
        if (!template_ends_replies) end = end_of_turn(tokenizer, out.ids, begin, end);
        std::fill(out.weights.begin() + static_cast<std::ptrdiff_t>(begin),
                  out.weights.begin() + static_cast<std::ptrdiff_t>(end), reply.weight);
    }
    return out;
}

}  // namespace

Result<std::vector<ChatReplies>> encode_replies(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                                const ChatRequest& request, std::span<const float> weights,
                                                const RenderOptions& options) {
    CHECK_EQ(weights.size(), request.messages.size());
    CHECK(!request.add_generation_prompt && request.continued_field.empty());
    const ControlTokens control = control_tokens_of(chat_template, tokenizer);
    const ChatRequest marked = control.mark(request);
    Result<Rendered> whole = render_chat(chat_template, marked, options);
    if (!whole) return whole.error();
    std::vector<Conversation> conversations;
    std::optional<std::vector<WeightedSpan>> blocks = weigh_blocks(*whole, request.messages, weights);
    if (blocks) {
        conversations.push_back({std::move(whole->text), std::move(*blocks)});
    } else {
        auto found = find_replies(chat_template, marked, weights, options);
        if (!found) return found.error();
        conversations = std::move(*found);
    }
    std::vector<ChatReplies> out;
    for (const Conversation& conversation : conversations) {
        Result<ChatReplies> replies = weigh_tokens(tokenizer, control, conversation, blocks.has_value());
        if (!replies) return replies.error();
        if (std::any_of(replies->weights.begin(), replies->weights.end(), [](float weight) { return weight > 0; }))
            out.push_back(std::move(*replies));
    }
    return out;
}

}  // namespace hone::text
