// What an answer must be for a case to be right (docs/evaluation.md). Immutable once read; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "text/json_view.h"
#include "text/tokenizer/pattern.h"

namespace hone::cli {

struct Call {
    std::string name;
    std::string arguments;  // JSON text, as the model wrote it
};

// One answer of the model, its reasoning and its calls apart.
struct Answer {
    std::string content, reasoning;
    std::vector<Call> calls;
    bool was_cut = false;  // at max_tokens
    int64_t tokens = 0;
};

struct ExpectedCall {
    std::string name;
    boost::json::object arguments;
    std::optional<std::string> result;  // that is fed back; nothing: the case ends with this call
};

struct Regex {
    std::string source;
    std::shared_ptr<const text::Pattern> pattern;
};

// All that is given must hold.
struct Check {
    std::vector<std::string> exact;     // the text, blanks around it aside, is one of these
    std::vector<std::string> contains;  // each is somewhere in the text
    std::vector<Regex> regex;           // each matches somewhere in the text
    std::optional<boost::json::value> json;
    std::optional<double> number;  // the last one of the text
    double tolerance = 0;
    std::optional<std::vector<ExpectedCall>> calls;  // in this order; empty: none may be made. Nothing: any may be
};

// From the case's "check"; mistakes are kept in the view, with their path. True if the object says anything.
bool read_check(const text::JsonView& view, const boost::json::object& given, Check& check);

// What is wrong with the text of the final answer; nothing if it is right. Calls are not looked at.
std::optional<std::string> text_fault(const Check& check, const Answer& answer);
// What is wrong with a call, where this one is expected.
std::optional<std::string> call_fault(const ExpectedCall& expected, const Call& call);

// The last number of a text: 1,234.5, .5 or -2e3. Nothing if there is none.
std::optional<double> last_number(std::string_view text);

}  // namespace hone::cli
