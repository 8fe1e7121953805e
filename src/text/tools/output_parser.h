// What a model's output means: reasoning, content and tool calls, found while it arrives. The result does not depend on
// how the output is cut. Text is never lost: what cannot be read as a call comes back as content, markers included. A
// parser is for one output on one thread and holds back at most kLongestHeld bytes. Nothing here fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hone::text {

// Stands in front of a marker that came as a token of its own, so that no text can pass for it. Never part of UTF-8,
// and taken out of everything that is told.
inline constexpr char kTokenMark = '\xFF';

// Of a block that may become a call. One that is longer is content.
inline constexpr size_t kLongestHeld = size_t{4} << 20;

// News of a call. Its pieces come in order: the first with the name, then the arguments' text in parts.
struct CallPiece {
    int32_t index = 0;  // among the calls of the output
    bool begins = false;
    std::string name;       // of the first piece
    std::string id;         // of the first piece; empty where the dialect has none
    std::string arguments;  // more of them: JSON, or what the model wrote instead
    bool complete = false;  // the last piece; a call that the end of the output cut off has none
};

struct ParsedOutput {
    std::string reasoning, content;
    std::vector<CallPiece> calls;  // at most one piece of each call

    bool empty() const { return reasoning.empty() && content.empty() && calls.empty(); }
};

class OutputParser {
  public:
    virtual ~OutputParser() = default;

    // Takes more of the output, UTF-8 cut anywhere, and appends to `out` what is settled with it.
    virtual void feed(std::string_view text, ParsedOutput& out) = 0;
    // The output is over: what was held back. Once, at the end.
    virtual void finish(ParsedOutput& out) = 0;
};

}  // namespace hone::text
