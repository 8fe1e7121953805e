// The verbs and flags of the command line as data, read from the parser itself: manual pages and shell completions are
// made of this, so that none of them can know a flag that the program does not, or miss one. Values, any thread.
#pragma once

#include <string>
#include <vector>

#include "cli/verbs.h"

namespace hone::cli {

// A flag, or an argument that is told by its place.
struct FlagEntry {
    enum class Value { none, number, choice, text };  // text may be a path

    std::vector<std::string> names;    // "--class", "--activations"; of an argument its one name, "MODEL"
    Value value = Value::none;         // none: a switch
    std::string placeholder;           // "INT"; "auto|chunked|layered"; an argument's name
    std::vector<std::string> choices;  // all values, or words that may stand for a path
    std::string range;                 // "0 to 65535"; empty: none is known
    std::string fallback;              // what it is when it is not given; empty: nothing, or nothing to tell
    std::string variable;              // of the environment, that gives it too
    std::string description;
    bool is_required = false, takes_several = false;
};

struct VerbEntry {
    std::string path;  // "hone bench limits"
    std::string description;
    std::string notes;  // what --help ends with
    std::vector<FlagEntry> arguments, flags;
    std::vector<VerbEntry> verbs;

    std::string name() const { return path.substr(path.rfind(' ') + 1); }
};

// The program that `app` parses: the entry of "hone" itself, the verbs below it. Nothing of `app` is changed; CLI11 lets no
// one read the checks of a constant option.
VerbEntry command_table(CLI::App& app);

// The entry and all below it, each before those that it has.
std::vector<const VerbEntry*> all_verbs(const VerbEntry& program);

}  // namespace hone::cli
