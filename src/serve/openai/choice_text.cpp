#include "serve/openai/choice_text.h"

#include <algorithm>

#include "text/utf8.h"

namespace hone::serve {

ChoiceText::ChoiceText(const text::Tokenizer& tokenizer, const GenerationRequest& request,
                       std::shared_ptr<const StopPatterns> stops, std::span<const int32_t> prompt, bool echo)
    : decoder_(tokenizer, request.skip_special_tokens),
      matcher_(std::move(stops), request.include_stop_in_output),
      min_tokens_(request.sampling.min_tokens),
      include_stop_(request.include_stop_in_output),
      own_stop_ids_(request.own_stop_ids) {
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
    return delta;
}

void ChoiceText::take_token(const engine::TokenRecord& record, bool is_stop_token, TextDelta& delta) {
    ++token_count_;
    delta.tokens.push_back({.record = record, .offset = characters_});
    if (!is_stop_token || include_stop_) add_text(decoder_.append(record.token), delta);
    if (matcher_.matched()) finish_ = engine::FinishReason::stop;
}

// Stop strings count only after the least number of tokens; text before that cannot be part of one.
void ChoiceText::add_text(std::string decoded, TextDelta& delta) {
    characters_ += text::count_code_points(decoded);
    delta.text += token_count_ > min_tokens_ ? matcher_.feed(decoded) : decoded;
}

void ChoiceText::end(engine::FinishReason reason, TextDelta& delta) {
    add_text(decoder_.flush(), delta);
    delta.text += matcher_.flush();
    finish_ = matcher_.matched() ? engine::FinishReason::stop : reason;
}

}  // namespace hone::serve
