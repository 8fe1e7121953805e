#include "cli/chat/answer_printer.h"

#include <cstdio>

#include <unistd.h>

#include "base/env.h"
#include "cli/chat/token_view.h"

namespace hone::cli {

constexpr const char* kDim = "\x1b[2m";

bool is_styled() {
    static const bool kStyled = isatty(STDOUT_FILENO) && env("TERM").value_or("dumb") != "dumb" && !env("NO_COLOR");
    return kStyled;
}

void AnswerPrinter::print(const serve::TextDelta& delta) {
    if (!delta.reasoning.empty()) {
        if (!std::exchange(in_reasoning_, true)) fmt::print("{}", is_styled() ? kDim : "(thinking) ");
        fmt::print("{}", delta.reasoning);
    }
    std::string_view text = delta.text;
    if (!has_content_) {  // the blank lines that templates put behind the reasoning
        text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    }
    if (!text.empty()) {
        if (std::exchange(in_reasoning_, false)) fmt::print("{}\n\n", is_styled() ? kPlain : "");
        has_content_ = true;
        fmt::print("{}", text);
    }
    std::fflush(stdout);
}

void AnswerPrinter::finish(int32_t tokens, double seconds) {
    break_off();
    fmt::print("{}{} tokens, {:.1f} tokens/s{}\n", is_styled() ? kDim : "", tokens,
               static_cast<double>(tokens) / seconds, is_styled() ? kPlain : "");
    std::fflush(stdout);
}

void AnswerPrinter::break_off() {
    fmt::print("{}\n", in_reasoning_ && is_styled() ? kPlain : "");
    std::fflush(stdout);
}

}  // namespace hone::cli
