// The tools of a chat request: which are declared, and how the answer may use them. Used by the chat parser only.
#pragma once

#include "serve/openai/field_reader.h"
#include "text/tools/declared_tools.h"

namespace hone::serve {

enum class ToolChoice { none, automatic, required, named };

struct ToolUse {
    text::DeclaredTools tools;
    ToolChoice choice = ToolChoice::automatic;
    std::string named;     // the tool that has to be called
    bool parallel = true;  // several calls in one answer
};

// Reads tools, tool_choice and parallel_tool_calls.
ToolUse read_tool_use(FieldReader& fields);

}  // namespace hone::serve
