#include "cli/help/completion.h"

#include <algorithm>

#include "base/check.h"
#include "cli/shell_quoted.h"

namespace hone::cli {

namespace {

using Value = FlagEntry::Value;

// fish knows two escapes in single quotes.
std::string fish_quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

// The first clause of a description: menus have one line for each.
std::string brief(const std::string& description) {
    size_t end = description.size();
    for (const char* const mark : {"; ", ": ", ". ", " ("}) end = std::min(end, description.find(mark, 12));
    return description.substr(0, std::min(end, description.size()));
}

// What may stand where no flag does: verbs, and words that an argument takes.
std::vector<std::string> plain_words(const VerbEntry& verb) {
    std::vector<std::string> words;
    for (const VerbEntry& inner : verb.verbs) words.push_back(inner.name());
    for (const FlagEntry& argument : verb.arguments)
        words.insert(words.end(), argument.choices.begin(), argument.choices.end());
    return words;
}

bool takes_paths(const VerbEntry& verb) {
    return std::ranges::any_of(verb.arguments, [](const FlagEntry& argument) { return argument.value == Value::text; });
}

// Every path of a verb below the program, as patterns of a shell's case.
std::string verb_patterns(const VerbEntry& program, const char* separator) {
    std::string patterns;
    for (const VerbEntry* verb : all_verbs(program))
        if (verb != &program) patterns += (patterns.empty() ? "" : separator) + shell_quoted(verb->path);
    return patterns;
}

std::string flag_names(const VerbEntry& verb) {
    std::string names;
    for (const FlagEntry& flag : verb.flags)
        for (const std::string& name : flag.names) names += (names.empty() ? "" : " ") + name;
    return names;
}

// Lines of a case over "$verb $previous": what the value of the flag before may be.
std::string bash_values(const VerbEntry& verb) {
    std::string lines, numbers, paths;
    for (const FlagEntry& flag : verb.flags) {
        std::string patterns;
        for (const std::string& name : flag.names)
            patterns += (patterns.empty() ? "" : " | ") + shell_quoted(verb.path + " " + name);
        std::string& same = flag.value == Value::number ? numbers : paths;
        if (flag.value == Value::number || flag.value == Value::text) same += (same.empty() ? "" : " | ") + patterns;
        if (flag.value == Value::choice)
            lines += fmt::format("        {}) values={} ;;\n", patterns,
                                 shell_quoted(fmt::format("{}", fmt::join(flag.choices, " "))));
    }
    if (!numbers.empty()) lines += fmt::format("        {}) values=number ;;\n", numbers);
    if (!paths.empty()) lines += fmt::format("        {}) return ;;\n", paths);
    return lines;
}

std::string bash_script(const VerbEntry& program) {
    std::string values, words;
    for (const VerbEntry* verb : all_verbs(program)) {
        values += bash_values(*verb);
        words += fmt::format(
            "        {}) flags={} words={} paths={} ;;\n", shell_quoted(verb->path), shell_quoted(flag_names(*verb)),
            shell_quoted(fmt::format("{}", fmt::join(plain_words(*verb), " "))), takes_paths(*verb) ? 1 : 0);
    }
    return fmt::format(R"(# Completes the command line of hone in bash. Made by: hone help --completion bash
_hone() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local verb=hone values='' flags='' words='' paths=0 i
    COMPREPLY=()
    # --flag=value comes as three words.
    if [[ $current == = ]]; then
        current=''
    elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$verb ${{COMP_WORDS[i]}}" in
        {}) verb="$verb ${{COMP_WORDS[i]}}" ;;
        esac
    done
    # Where nothing is answered the shell itself completes paths; not so for numbers and words that are known.
    case "$verb $previous" in
{}    esac
    if [[ -n $values ]]; then
        compopt +o default +o bashdefault 2>/dev/null
        [[ $values == number ]] || mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
        return
    fi
    case "$verb" in
{}    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
    elif ((paths)); then
        [[ -z $words ]] && return
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; compgen -f -- "$current")
    else
        compopt +o default +o bashdefault 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    fi
}}
complete -o default -o bashdefault -F _hone hone
)",
                       verb_patterns(program, " | "), values, words);
}

// In a specification of zsh's _arguments.
std::string zsh_explanation(const std::string& description) {
    std::string out;
    for (const char c : brief(description)) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::string zsh_flags(const VerbEntry& verb) {
    std::string lines;
    for (const FlagEntry& flag : verb.flags) {
        const std::string value = flag.value == Value::number ? fmt::format(":{}: ", flag.placeholder)
                                  : flag.value == Value::text ? fmt::format(":{}:_files", flag.placeholder)
                                  : flag.value == Value::choice
                                      ? fmt::format(":value:({})", fmt::join(flag.choices, " "))
                                      : "";
        for (const std::string& name : flag.names) {
            const char* const equals = value.empty() || !name.starts_with("--") ? "" : "=";
            const std::string spec = fmt::format("{}{}{}[{}]{}", flag.takes_several ? "*" : "", name, equals,
                                                 zsh_explanation(flag.description), value);
            lines += fmt::format("                {} \\\n", shell_quoted(spec));
        }
    }
    return lines;
}

std::string zsh_script(const VerbEntry& program) {
    std::string cases;
    for (const VerbEntry* verb : all_verbs(program)) {
        std::string words;
        for (const VerbEntry& inner : verb->verbs)
            words += " " + shell_quoted(inner.name() + ":" + zsh_explanation(inner.description));
        for (const FlagEntry& argument : verb->arguments)
            for (const std::string& choice : argument.choices) words += " " + shell_quoted(choice);
        cases += fmt::format("        ({})\n            known=({})\n            _arguments \\\n{}",
                             shell_quoted(verb->path), words, zsh_flags(*verb));
        cases += fmt::format("                '*:argument:{{_describe word known{}}}' ;;\n",
                             takes_paths(*verb) ? "; _files" : "");
    }
    return fmt::format(R"(#compdef hone
# Completes the command line of hone in zsh. Made by: hone help --completion zsh
_hone() {{
    local verb=hone
    local -a known
    integer i at=1
    for ((i = 2; i < CURRENT; i++)); do
        case "$verb ${{words[i]}}" in
        ({}) verb="$verb ${{words[i]}}" at=i ;;
        esac
    done
    shift $((at - 1)) words
    ((CURRENT -= at - 1))
    case $verb in
{}    esac
}}
if [[ $funcstack[1] == _hone ]]; then _hone "$@"; else compdef _hone hone; fi
)",
                       verb_patterns(program, " | "), cases);
}

std::string fish_flags(const VerbEntry& verb, const std::string& condition) {
    std::string lines;
    for (const FlagEntry& flag : verb.flags) {
        std::string names;
        for (const std::string& name : flag.names)
            names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        std::string value;
        if (flag.value == Value::text) value = " -r -F";
        if (flag.value == Value::number) value = " -x";
        if (flag.value == Value::choice)
            value = " -x -a " + fish_quoted(fmt::format("{}", fmt::join(flag.choices, " ")));
        lines += fmt::format("complete -c hone -n {}{}{} -d {}\n", condition, names, value,
                             fish_quoted(brief(flag.description)));
    }
    return lines;
}

std::string fish_script(const VerbEntry& program) {
    std::string script =
        fmt::format(R"(# Completes the command line of hone in fish. Made by: hone help --completion fish
function __hone_verb
    set -l verb hone
    for word in (commandline -opc)[2..-1]
        switch "$verb $word"
            case {}
                set verb "$verb $word"
        end
    end
    test "$verb" = "$argv"
end
)",
                    verb_patterns(program, " "));
    for (const VerbEntry* verb : all_verbs(program)) {
        const std::string condition = fish_quoted("__hone_verb " + verb->path);
        const char* const files = takes_paths(*verb) ? "" : " -f";
        if (!takes_paths(*verb)) script += fmt::format("complete -c hone -n {}{}\n", condition, files);
        for (const VerbEntry& inner : verb->verbs)
            script += fmt::format("complete -c hone -n {}{} -a {} -d {}\n", condition, files, inner.name(),
                                  fish_quoted(brief(inner.description)));
        for (const FlagEntry& argument : verb->arguments)
            if (!argument.choices.empty())
                script += fmt::format("complete -c hone -n {} -a {}\n", condition,
                                      fish_quoted(fmt::format("{}", fmt::join(argument.choices, " "))));
        script += fish_flags(*verb, condition);
    }
    return script;
}

}  // namespace

std::string completion_script(const VerbEntry& program, std::string_view shell) {
    if (shell == "bash") return bash_script(program);
    if (shell == "zsh") return zsh_script(program);
    CHECK(shell == "fish", "{}", shell);
    return fish_script(program);
}

}  // namespace hone::cli
