// hone help: a verb's help, and what is made of all of them: manual pages, completions for shells.
#include <filesystem>

#include "base/atomic_file.h"
#include "cli/help/completion.h"
#include "cli/help/manual.h"

namespace hone::cli {
namespace {

struct HelpFlags {
    std::vector<std::string> verb;
    std::string man, completion;
};

Status print_help(CLI::App& program, const std::vector<std::string>& words) {
    CLI::App* verb = &program;
    std::string path = "hone";
    for (const std::string& word : words) {
        const auto named = verb->get_subcommands([&word](CLI::App* inner) { return inner->get_name() == word; });
        if (named.empty()) return error("{} has no verb {}; {} --help lists those it has", path, word, path);
        verb = named.front();
        path += " " + word;
    }
    // Not App::help, which tells of the verb that was asked for on this command line: help itself.
    fmt::print("{}", verb->get_formatter()->make_help(verb, path, CLI::AppFormatMode::Normal));
    return ok();
}

Status write_manual(CLI::App& program, const std::filesystem::path& folder) {
    if (const Status made = make_folders(folder); !made) return made.error().within("--man");
    const VerbEntry table = command_table(program);
    for (const VerbEntry* verb : all_verbs(table)) {
        const Status written = write_file(folder / page_name(*verb), manual_page(*verb, HONE_VERSION));
        if (!written) return written.error().within("--man");
    }
    return ok();
}

Status help(CLI::App& program, const HelpFlags& flags) {
    if (!flags.man.empty()) return write_manual(program, flags.man);
    if (flags.completion.empty()) return print_help(program, flags.verb);
    fmt::print("{}", completion_script(command_table(program), flags.completion));
    return ok();
}

}  // namespace

void add_help(CLI::App& app, int& status) {
    auto flags = std::make_shared<HelpFlags>();
    CLI::App* verb = app.add_subcommand("help", "Explain a verb; write manual pages and shell completions");
    CLI::Option* words =
        verb->add_option("VERB", flags->verb, "As in hone help bench limits; none explains the program");
    CLI::Option* man =
        verb->add_option("--man", flags->man, "Write the manual pages of the program and all verbs to this folder");
    CLI::Option* completion =
        verb->add_option("--completion", flags->completion, "Print the script that completes command lines in a shell")
            ->check(CLI::IsMember(std::vector<std::string>(std::begin(kShells), std::end(kShells))));
    words->excludes(man)->excludes(completion);
    man->excludes(completion);
    verb->footer(
        "source <(hone help --completion bash)    completions in this shell (an installation has them)\n"
        "hone help --man DIR && man DIR/hone-serve.1");
    verb->callback([flags, &app, &status] { status = report(help(app, *flags)); });
}

}  // namespace hone::cli
