#include "cli/help/command_table.h"

#include "cli/default_model.h"

namespace hone::cli {

namespace {

std::vector<std::string> split(std::string_view words, char separator) {
    std::vector<std::string> parts;
    while (!words.empty()) {
        const size_t end = std::min(words.find(separator), words.size());
        parts.emplace_back(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return parts;
}

// CLI11 tells a type and what its checks say of themselves in one string: "TEXT:{auto,chunked}", "INT:INT in [0 - 65535]".
void read_type(const std::string& type, FlagEntry& flag) {
    const size_t colon = type.find(':');
    const std::string kind = type.substr(0, colon);
    const std::string check = colon == type.npos ? "" : type.substr(colon + 1);
    const size_t open = check.find('{'), range = check.find("in [");
    if (open != check.npos) {
        flag.value = FlagEntry::Value::choice;
        flag.choices = split(std::string_view(check).substr(open + 1, check.find('}') - open - 1), ',');
        flag.placeholder = fmt::format("{}", fmt::join(flag.choices, "|"));
        return;
    }
    if (range != check.npos) {
        flag.range = check.substr(range + 4, check.find(']', range) - range - 4);
        if (const size_t dash = flag.range.find(" - "); dash != flag.range.npos) flag.range.replace(dash, 3, " to ");
    }
    const bool is_number =
        kind == "INT" || kind == "UINT" || kind == "FLOAT" || check == "NUMBER" || !flag.range.empty();
    flag.value = is_number ? FlagEntry::Value::number : FlagEntry::Value::text;
    flag.placeholder = is_number && kind == "TEXT" ? "NUMBER" : kind;
}

bool takes_default_model(CLI::Option& option) {
    try {
        return option.get_validator(kDefaultModel) != nullptr;
    } catch (const CLI::OptionNotFound&) {
        return false;
    }
}

FlagEntry entry_of(CLI::Option& option) {
    FlagEntry flag{.variable = option.get_envname(), .description = option.get_description()};
    if (option.get_items_expected_max() > 0) {  // otherwise a switch
        read_type(option.get_type_name(), flag);
        flag.fallback = option.get_default_str();
        flag.takes_several = option.get_expected_max() == CLI::detail::expected_max_vector_size;
    }
    flag.is_required = option.get_required();
    if (option.get_positional()) {
        flag.names = {option.get_name(true)};
        flag.placeholder = flag.names.front();
        if (takes_default_model(option)) flag.choices = {kDefaultModel};
        return flag;
    }
    for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
    return flag;
}

VerbEntry entry_of(CLI::App& app, const std::string& path) {
    VerbEntry verb{.path = path, .description = app.get_description(), .notes = app.get_footer()};
    for (CLI::Option* option : app.get_options([](CLI::Option* any) { return !any->get_group().empty(); }))
        (option->get_positional() ? verb.arguments : verb.flags).push_back(entry_of(*option));
    for (CLI::App* inner : app.get_subcommands([](CLI::App*) { return true; }))
        verb.verbs.push_back(entry_of(*inner, path + " " + inner->get_name()));
    return verb;
}

}  // namespace

VerbEntry command_table(CLI::App& app) {
    VerbEntry program = entry_of(app, "hone");
    for (VerbEntry& verb : program.verbs) {
        for (FlagEntry& argument : verb.arguments) {
            if (argument.names.front() != "VERB") continue;
            argument.value = FlagEntry::Value::choice;
            for (const VerbEntry& known : program.verbs) argument.choices.push_back(known.name());
        }
    }
    return program;
}

std::vector<const VerbEntry*> all_verbs(const VerbEntry& program) {
    std::vector<const VerbEntry*> all{&program};
    for (const VerbEntry& verb : program.verbs)
        for (const VerbEntry* inner : all_verbs(verb)) all.push_back(inner);
    return all;
}

}  // namespace hone::cli
