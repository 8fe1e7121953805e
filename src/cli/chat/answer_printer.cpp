#include "cli/chat/answer_printer.h"

#include <cstdio>

#include "base/clock.h"
#include "base/env.h"
#include "cli/chat/screen_text.h"
#include "cli/chat/token_view.h"

namespace hone::cli {

constexpr const char* kDim = "\x1b[2m";

bool is_styled() {
    static const bool kStyled = is_on_screen() && env("TERM").value_or("dumb") != "dumb" && !env("NO_COLOR");
    return kStyled;
}

void AnswerPrinter::print(const serve::TextDelta& delta) {
    if (!first_came_) first_came_ = monotonic_seconds();
    if (!delta.reasoning.empty()) {
        if (!std::exchange(in_reasoning_, true)) fmt::print("{}", is_styled() ? kDim : "(thinking) ");
        fmt::print("{}", for_stdout(delta.reasoning));
    }
    std::string_view text = delta.text;
    if (!has_content_) {  // the blank lines that templates put behind the reasoning
        text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    }
    if (!text.empty()) {
        if (std::exchange(in_reasoning_, false)) fmt::print("{}\n\n", is_styled() ? kPlain : "");
        has_content_ = true;
        fmt::print("{}", for_stdout(text));
    }
    std::fflush(stdout);
}

void AnswerPrinter::finish(engine::FinishReason reason, int32_t tokens) {
    break_off();
    std::string told = fmt::format("{} {}", tokens, tokens == 1 ? "token" : "tokens");
    const double seconds = monotonic_seconds() - first_came_.value_or(0);
    if (tokens > 1) told += fmt::format(", {:.1f} tokens/s", (tokens - 1) / seconds);
    if (reason == engine::FinishReason::length) told += "; cut at max_tokens or the end of the context";
    if (reason == engine::FinishReason::cancelled) told += "; stopped";
    fmt::print("{}{}{}\n", is_styled() ? kDim : "", told, is_styled() ? kPlain : "");
    std::fflush(stdout);
}

void AnswerPrinter::break_off() {
    fmt::print("{}\n", in_reasoning_ && is_styled() ? kPlain : "");
    std::fflush(stdout);
}

}  // namespace hone::cli
