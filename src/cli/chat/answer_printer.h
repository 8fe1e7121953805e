// An answer on the screen as it comes: the reasoning dim, then the text. One answer, one thread.
#pragma once

#include "serve/openai/choice_text.h"

namespace hone::cli {

// Whether stdout is a terminal that shows colours.
bool is_styled();

class AnswerPrinter {
  public:
    void print(const serve::TextDelta& delta);
    // The end of it, with how many tokens it had and how fast they came.
    void finish(int32_t tokens, double seconds);
    // The end of one that failed: what comes next is on a line of its own, and not dim.
    void break_off();

  private:
    bool in_reasoning_ = false, has_content_ = false;
};

}  // namespace hone::cli
