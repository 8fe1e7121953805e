#include "serve/openai/choice_text.h"

#include <algorithm>

#include "base/rng.h"
#include "text/utf8.h"

namespace hone::serve {

namespace {

// For calls of dialects without ids: "call_" and 24 characters, as OpenAI's, unless templates want another length.
std::string draw_call_id(int length) {
    std::string digits = fmt::format("{:016x}{:016x}", entropy64(), entropy64());
    return length > 0 ? digits.substr(0, static_cast<size_t>(length)) : "call_" + digits.substr(0, 24);
}

}  // namespace

void TextDelta::append(TextDelta following) {
    text += following.text;
    reasoning += following.reasoning;
    for (text::CallPiece& piece : following.calls) {
        if (!calls.empty() && calls.back().index == piece.index) {
            calls.back().arguments += piece.arguments;
        } else {
            calls.push_back(std::move(piece));
        }
    }
}

ChoiceText::ChoiceText(const text::Tokenizer& tokenizer, const GenerationRequest& request,
                       std::shared_ptr<const StopPatterns> stops, std::span<const int32_t> prompt, bool echo)
    : decoder_(tokenizer, request.skip_special_tokens),
      matcher_(std::move(stops), request.include_stop_in_output),
      reading_(request.reading),
      min_tokens_(request.sampling.min_tokens),
      include_stop_(request.include_stop_in_output),
      own_stop_ids_(request.own_stop_ids) {
    if (reading_.dialect) parser_ = reading_.dialect->make_parser(reading_.in_reasoning, reading_.tools.get());
    if (!echo) {
        decoder_.prime(prompt);
        return;
    }
    for (const int32_t token : prompt) {
        if (request.logprobs) echo_offsets_.push_back(characters_);
        const std::string decoded = decoder_.append(token);
        characters_ += text::count_code_points(decoded);
        echo_ += decoded;
    }
}

TextDelta ChoiceText::take(engine::RequestEvent event) {
    TextDelta delta;
    for (size_t i = 0; i < event.tokens.size() && !finished(); ++i) {
        const bool last = i + 1 == event.tokens.size();
        take_token(event.tokens[i], last && event.stop_token.has_value(), delta);
    }
    if (finished() || !event.finish) return delta;
    if (event.stop_token && std::binary_search(own_stop_ids_.begin(), own_stop_ids_.end(), *event.stop_token))
        stop_id_ = event.stop_token;
    end(*event.finish, delta);
    // Where calls are forced, the model's end comes only behind whole ones, whether the dialect marks their end or not.
    if (reading_.forced != ForcedCalls::none && event.stop_token && !stop_id_ && last_call_is_whole_)
        last_call_is_whole_ = true;
    return delta;
}

void ChoiceText::take_token(const engine::TokenRecord& record, bool is_stop_token, TextDelta& delta) {
    ++token_count_;
    delta.tokens.push_back({.record = record, .offset = characters_});
    if (!is_stop_token || include_stop_) {
        std::string decoded = decoder_.append(record.token);
        if (parser_) reading_.dialect->mark(record.token, decoded);
        add_text(std::move(decoded), delta);
    } else if (parser_) {
        // A token that ends the output may be a marker that ends a call.
        std::string marker;
        reading_.dialect->mark(record.token, marker);
        tell(matcher_.flush() + marker, delta);
    }
    if (matcher_.matched()) finish_ = engine::FinishReason::stop;
    if (finished() && parser_) end_of_parsing(delta);
}

// Stop strings count only after the least number of tokens; text before that cannot be part of one.
void ChoiceText::add_text(std::string decoded, TextDelta& delta) {
    characters_ += text::count_code_points(decoded);
    tell(token_count_ > min_tokens_ ? matcher_.feed(decoded) : std::move(decoded), delta);
}

void ChoiceText::end(engine::FinishReason reason, TextDelta& delta) {
    add_text(decoder_.flush(), delta);
    tell(matcher_.flush(), delta);
    finish_ = matcher_.matched() ? engine::FinishReason::stop : reason;
    if (parser_) end_of_parsing(delta);
}

void ChoiceText::tell(std::string text, TextDelta& delta) {
    if (!reading_.dialect) {
        delta.text += text;
    } else if (parser_ && !text.empty()) {
        text::ParsedOutput parsed;
        parser_->feed(text, parsed);
        tell_parsed(std::move(parsed), delta);
    }
}

void ChoiceText::tell_parsed(text::ParsedOutput parsed, TextDelta& delta) {
    TextDelta news{.text = std::move(parsed.content), .reasoning = {}, .calls = {}, .tokens = {}};
    if (reading_.tells_reasoning) news.reasoning = std::move(parsed.reasoning);
    for (text::CallPiece& piece : parsed.calls) {
        if (reading_.one_call && piece.index > 0) break;
        last_call_is_whole_ = piece.complete;
        if (piece.begins && piece.id.empty()) piece.id = draw_call_id(reading_.dialect->dialect().id_length);
        if (piece.begins || !piece.arguments.empty()) news.calls.push_back(std::move(piece));
    }
    delta.append(std::move(news));
    if (reading_.one_call && last_call_is_whole_.value_or(false)) finish_ = engine::FinishReason::stop;
}

void ChoiceText::end_of_parsing(TextDelta& delta) {
    text::ParsedOutput parsed;
    std::exchange(parser_, nullptr)->finish(parsed);
    tell_parsed(std::move(parsed), delta);
}

}  // namespace hone::serve
