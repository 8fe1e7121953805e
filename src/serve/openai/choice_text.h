// The text of one choice as its tokens arrive: decoding, stop strings, reasoning and tool calls, and why it ended. One
// choice, one thread; the tokenizer and the request outlive it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "serve/openai/requests.h"
#include "serve/openai/stop_matcher.h"
#include "text/tokenizer/stream_decoder.h"

namespace hone::serve {

// A token with the place of its text: the number of characters that were settled before it.
struct PlacedToken {
    engine::TokenRecord record;
    size_t offset = 0;
};

// What one event of the engine adds to a choice.
struct TextDelta {
    std::string text;  // valid UTF-8, settled, without stop strings; the content, where the output is read
    std::string reasoning;
    std::vector<text::CallPiece> calls;  // each with news; every call has an id
    std::vector<PlacedToken> tokens;

    bool says_something() const { return !text.empty() || !reasoning.empty() || !calls.empty(); }
    // Joins what this and the following event say; not the tokens.
    void append(TextDelta following);
};

class ChoiceText {
  public:
    // `prompt` is decoded too if it is to be echoed, and otherwise only begins the text.
    ChoiceText(const text::Tokenizer& tokenizer, const GenerationRequest& request,
               std::shared_ptr<const StopPatterns> stops, std::span<const int32_t> prompt, bool echo);

    // The prompt's text; empty unless echoed. Once, before the first take.
    std::string take_echo() { return std::exchange(echo_, {}); }
    // Where each token of an echoed prompt begins; empty without log-probabilities.
    const std::vector<size_t>& echo_offsets() const { return echo_offsets_; }

    // Tokens after the end of the text (a stop string, or the last event) are dropped.
    TextDelta take(engine::RequestEvent event);

    bool finished() const { return finish_.has_value(); }
    const std::optional<engine::FinishReason>& finish() const { return finish_; }
    // The stop string, or that one of the request's own stop ids, which ended it.
    const std::string* stop_string() const { return matcher_.matched(); }
    const std::optional<int32_t>& stop_id() const { return stop_id_; }
    // It ended with calls that are whole, for the client to answer. A call that the request named says nothing new, so it
    // does not count (as in OpenAI's API).
    bool ended_with_calls() const {
        return finish_ == engine::FinishReason::stop && last_call_is_whole_.value_or(false) &&
               reading_.forced != ForcedCalls::named;
    }
    // Tokens taken so far, those of a stop string included.
    int32_t token_count() const { return token_count_; }

  private:
    void take_token(const engine::TokenRecord& record, bool is_stop_token, TextDelta& delta);
    void add_text(std::string decoded, TextDelta& delta);
    void end(engine::FinishReason reason, TextDelta& delta);
    // Text that is settled: told as it is, or what the parser makes of it.
    void tell(std::string text, TextDelta& delta);
    void tell_parsed(text::ParsedOutput parsed, TextDelta& delta);
    void end_of_parsing(TextDelta& delta);

    text::StreamDecoder decoder_;
    StopMatcher matcher_;
    const OutputReading& reading_;
    std::unique_ptr<text::OutputParser> parser_;  // null: all text is content
    std::optional<bool> last_call_is_whole_;      // nothing: there is no call
    const int32_t min_tokens_;
    const bool include_stop_;
    const std::span<const int32_t> own_stop_ids_;  // sorted
    std::string echo_;
    std::vector<size_t> echo_offsets_;
    size_t characters_ = 0;  // decoded so far
    int32_t token_count_ = 0;
    std::optional<engine::FinishReason> finish_;
    std::optional<int32_t> stop_id_;
};

}  // namespace hone::serve
