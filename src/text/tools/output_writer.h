// Where the parsers tell what they found: keeps the rule of newlines (those next to a marker belong to it, those between
// two pieces of content are kept), numbers the calls and takes the token marks out. Owned by a parser; one thread.
#pragma once

#include "text/tools/output_parser.h"

namespace hone::text {

enum class TextKind { reasoning, content };

class OutputWriter {
  public:
    // What is told from here on goes to `out`.
    void write_to(ParsedOutput& out) { out_ = &out; }

    // Text as it is (dialects whose markers do not take newlines with them).
    void plain(TextKind kind, std::string_view text);
    // Text beside markers: newlines behind a marker are dropped, those at the end wait for more text of any kind.
    void text(TextKind kind, std::string_view text);
    // Text that was taken for a call and is none: as it is, but after the newlines that wait.
    void no_call(std::string_view text);
    // A marker was here. One that ends the reasoning takes the newlines before it too.
    void marker() { after_marker_ = true; }
    void end_of_reasoning() { after_marker_ = true, waiting_newlines_ = 0; }
    // The end of the output: newlines that wait behind a text of this kind.
    void finish(TextKind kind);

    void begin_call(std::string_view name, std::string_view id = {});
    void arguments(std::string_view text);
    void end_call();
    // A call at once.
    void call(std::string_view name, std::string_view id, std::string_view arguments, bool complete = true);

    // Nothing but newlines so far.
    bool is_fresh() const { return fresh_; }

  private:
    CallPiece& piece();

    ParsedOutput* out_ = nullptr;
    size_t waiting_newlines_ = 0;
    bool after_marker_ = true, fresh_ = true;
    int32_t calls_ = 0;
};

}  // namespace hone::text
