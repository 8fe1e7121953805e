// hone: one program, one verb each file. `hone --help` and `hone VERB --help` teach it.
#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <new>
#include <numeric>

#include "base/env.h"
#include "base/log.h"
#include "cli/verbs.h"

namespace hone::cli {

// Letters to insert, drop or change that make one word the other.
static size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < a.size(); i++) {
        size_t diagonal = std::exchange(row[0], i + 1);
        for (size_t j = 0; j < b.size(); j++) {
            const size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

// What the verb knows that is closest to the word, an option or a verb of its own; empty if nothing is near.
static std::string closest_to(const CLI::App& verb, std::string_view word) {
    std::vector<std::string> known;
    if (word.starts_with("--")) {
        for (const CLI::Option* option : verb.get_options())
            for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    } else {
        for (const CLI::App* inner : verb.get_subcommands({})) known.push_back(inner->get_name());
    }
    std::string closest;
    size_t least = word.size() / 3 + 2;
    for (const std::string& name : known) {
        const size_t distance = edit_distance(word, name);
        if (distance < least) least = distance, closest = name;
    }
    return closest;
}

// Names what nobody asked for in the order it was given, and what may have been meant.
static CLI::ExtrasError unexpected_arguments(const CLI::App& app) {
    const CLI::App* verb = &app;
    while (!verb->get_subcommands().empty()) verb = verb->get_subcommands().front();
    const std::vector<std::string> words = app.remaining(true);
    std::string message = fmt::format("not expected: {}", fmt::join(words, " "));
    for (const std::string& word : words) {
        const std::string meant = closest_to(*verb, word.substr(0, word.find('=')));
        if (!meant.empty()) message += fmt::format("; did you mean {}?", meant);
    }
    return {message, CLI::ExitCodes::ExtrasError};
}

static int run(int argc, char** argv) {
    CLI::App app("Hone serves an open-weight mixture-of-experts language model on the hardware you own.");
    app.set_version_flag("--version", HONE_VERSION);
    app.require_subcommand(0, 1);  // so that a word that is no verb is named
    app.footer(
        "Environment: HONE_ISA chooses the kernels as --isa does, HONE_LOG the log level (debug, info, warn, error, "
        "off), HONE_SPROUT the file of the built-in model.");
    int status = 0;
    add_serve(app, status);
    add_chat(app, status);
    add_score(app, status);
    add_eval(app, status);
    add_pack(app, status);
    add_export(app, status);
    add_inspect(app, status);
    add_bench(app, status);
    add_train(app, status);
    add_simulate(app, status);
    add_help(app, status);

    if (const Status logging = start_logging(env("HONE_LOG").value_or("info")); !logging) {
        report(logging.error().within("environment variable HONE_LOG"));
        return 2;
    }
    try {
        app.parse(argc, argv);
        if (app.get_subcommands().empty()) throw CLI::RequiredError("A subcommand");
    } catch (const CLI::ExtrasError&) {
        app.exit(unexpected_arguments(app));
        return 2;
    } catch (const CLI::ParseError& failure) {
        return app.exit(failure) == 0 ? 0 : 2;
    }
    return status;
}

// What nobody has made an error of on its way up here: told like one. Of the main thread alone.
static int run_or_tell(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc&) {  // without taking more
        std::fputs("hone: there is not enough memory for this; close other programs, or raise its limit\n", stderr);
    } catch (const std::filesystem::filesystem_error& failure) {
        const std::string& path = failure.path1().string();
        fmt::print(stderr, "hone: {}{}{}\n", path, path.empty() ? "" : ": ", failure.code().message());
    } catch (const std::exception& failure) {
        fmt::print(stderr, "hone: {}\n", failure.what());
    }
    return 1;
}

}  // namespace hone::cli

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file beyond ulimit -f is an error of the write
    return hone::cli::run_or_tell(argc, argv);
}
