#include "cli/help/manual.h"

#include <algorithm>
#include <cctype>

namespace hone::cli {

namespace {

// Text as roff shows it unchanged: what would be an escape, a request or a typographic dash or quote is written out.
std::string roff(std::string_view text) {
    std::string out;
    bool at_start = true;
    for (const char c : text) {
        if (at_start && (c == '.' || c == '\'')) out += "\\&";
        at_start = c == '\n';
        switch (c) {
            case '\\':
                out += "\\e";
                break;
            case '-':
                out += "\\-";
                break;
            case '\'':
                out += "\\(aq";
                break;
            case '`':
                out += "\\(ga";
                break;
            case '^':
                out += "\\(ha";
                break;
            case '~':
                out += "\\(ti";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string bold(std::string_view text) {
    return "\\fB" + roff(text) + "\\fR";
}

std::string italic(std::string_view text) {
    return "\\fI" + roff(text) + "\\fR";
}

std::string dashed(std::string path) {
    std::ranges::replace(path, ' ', '-');
    return path;
}

// "bench \fISUBCOMMAND\fR" and the like: what may follow the verb.
std::string synopsis(const VerbEntry& verb) {
    std::string line = bold(verb.path);
    if (!verb.flags.empty()) line += " [" + italic("OPTIONS") + "]";
    for (const FlagEntry& argument : verb.arguments) {
        const std::string name = italic(argument.names.front()) + (argument.takes_several ? "..." : "");
        line += argument.is_required ? " " + name : " [" + name + "]";
    }
    if (!verb.verbs.empty()) line += " [" + italic("VERB") + " ...]";
    return line;
}

// What is known of a flag beside its own words, as sentences.
std::string facts(const FlagEntry& flag) {
    std::string text;
    if (!flag.range.empty()) text += fmt::format(" From {}.", flag.range);
    if (!flag.fallback.empty()) text += fmt::format(" Default: {}.", flag.fallback);
    if (!flag.variable.empty()) text += fmt::format(" Environment: {}.", flag.variable);
    if (flag.is_required) text += " Required.";
    return text;
}

std::string entry(const FlagEntry& flag, bool is_argument) {
    std::string head;
    for (const std::string& name : flag.names) {
        if (!head.empty()) head += ", ";
        head += is_argument ? italic(name) : bold(name);
    }
    if (!is_argument && flag.value != FlagEntry::Value::none) head += " " + italic(flag.placeholder);
    const bool is_sentence = flag.description.ends_with('.') || flag.description.empty();
    const std::string text = flag.description + (is_sentence ? "" : ".") + facts(flag);
    return fmt::format(".TP\n{}\n{}\n", head, roff(text));
}

// Lines that were laid out by hand stay as they are; one line is a paragraph.
std::string notes(const std::string& text) {
    if (text.empty()) return "";
    if (text.find('\n') == text.npos) return ".SH NOTES\n" + roff(text) + "\n";
    return ".SH NOTES\n.nf\n" + roff(text) + "\n.fi\n";
}

std::string see_also(const VerbEntry& verb) {
    std::vector<std::string> pages;
    if (const size_t above = verb.path.rfind(' '); above != verb.path.npos) pages.push_back(verb.path.substr(0, above));
    for (const VerbEntry& inner : verb.verbs) pages.push_back(inner.path);
    std::string line;
    for (const std::string& page : pages) line += fmt::format("{}{}(1)", line.empty() ? "" : ", ", bold(dashed(page)));
    return line.empty() ? "" : ".SH SEE ALSO\n" + line + "\n";
}

}  // namespace

std::string page_name(const VerbEntry& verb) {
    return dashed(verb.path) + ".1";
}

std::string manual_page(const VerbEntry& verb, const std::string& version) {
    std::string title = dashed(verb.path);
    std::ranges::transform(title, title.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    std::string page = fmt::format(".TH {} 1 \"\" \"hone {}\" \"Hone\"\n", roff(title), roff(version));
    page += fmt::format(".SH NAME\n{} \\- {}\n", roff(dashed(verb.path)), roff(verb.description));
    page += fmt::format(".SH SYNOPSIS\n{}\n", synopsis(verb));
    if (!verb.arguments.empty()) page += ".SH ARGUMENTS\n";
    for (const FlagEntry& argument : verb.arguments) page += entry(argument, true);
    if (!verb.flags.empty()) page += ".SH OPTIONS\n";
    for (const FlagEntry& flag : verb.flags) page += entry(flag, false);
    if (!verb.verbs.empty()) page += ".SH VERBS\n";
    for (const VerbEntry& inner : verb.verbs)
        page += fmt::format(".TP\n{}\n{}.\n", bold(inner.name()), roff(inner.description));
    page += notes(verb.notes);
    page += ".SH EXIT STATUS\n0 after success, 1 after a failure, whose reason is on stderr, 2 after wrong usage.\n";
    return page + see_also(verb);
}

}  // namespace hone::cli
