// hone: one program, one verb each file. `hone --help` and `hone VERB --help` teach it.
#include <clocale>
#include <csignal>

#include "base/env.h"
#include "base/log.h"
#include "cli/verbs.h"

namespace hone::cli {

int report(const Status& result) {
    if (result) return 0;
    fmt::print(stderr, "hone: {}\n", result.error().message);
    return 1;
}

static int run(int argc, char** argv) {
    CLI::App app("Hone serves an open-weight mixture-of-experts language model on the hardware you own.");
    app.set_version_flag("--version", HONE_VERSION);
    app.require_subcommand(0, 1);  // so that a word that is no verb is named
    app.footer(
        "Environment: HONE_ISA chooses the kernels as --isa does, HONE_LOG the log level (debug, info, warn, error, "
        "off).");
    int status = 0;
    add_serve(app, status);
    add_chat(app, status);
    add_score(app, status);
    add_pack(app, status);
    add_inspect(app, status);
    add_bench(app, status);
    add_simulate(app, status);

    if (const Status logging = start_logging(env("HONE_LOG").value_or("info")); !logging) {
        report(logging.error().within("environment variable HONE_LOG"));
        return 2;
    }
    try {
        app.parse(argc, argv);
        if (app.get_subcommands().empty()) throw CLI::RequiredError("A subcommand");
    } catch (const CLI::ParseError& failure) {
        return app.exit(failure) == 0 ? 0 : 2;
    }
    return status;
}

}  // namespace hone::cli

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file beyond ulimit -f is an error of the write
    return hone::cli::run(argc, argv);
}
