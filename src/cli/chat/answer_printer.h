// An answer on the screen as it comes: the reasoning dim, then the text. One answer, one thread.
#pragma once

#include <optional>

#include "serve/openai/choice_text.h"

namespace hone::cli {

// Whether stdout is a terminal that shows colours.
bool is_styled();

class AnswerPrinter {
  public:
    void print(const serve::TextDelta& delta);
    // The end of it: why, how many tokens it had, and how fast all behind the first came.
    void finish(engine::FinishReason reason, int32_t tokens);
    // The end of one that failed: what comes next is on a line of its own, and not dim.
    void break_off();

  private:
    bool in_reasoning_ = false, has_content_ = false;
    std::optional<double> first_came_;  // monotonic seconds
};

}  // namespace hone::cli
