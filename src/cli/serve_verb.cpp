// hone serve: an OpenAI-compatible server over one model.
#include <csignal>
#include <filesystem>

#include <boost/json/serialize.hpp>
#include <sys/resource.h>

#include "base/env.h"
#include "base/log.h"
#include "base/progress.h"
#include "cli/engine_flags.h"
#include "cli/model_options.h"
#include "cli/model_text.h"
#include "cli/serve_training.h"
#include "cli/welcome.h"
#include "model/adapter_file.h"
#include "model/checkpoint/inspect.h"
#include "model/checkpoint/pack_verification.h"
#include "serve/server.h"

namespace hone::cli {
namespace {

struct ServeFlags {
    ModelOptions model;
    EngineFlags engine;
    serve::ServerOptions server;
    serve::ListenerOptions listener{.port = 8080};
    std::string served_name;
    std::vector<std::string> adapters;  // NAME=DIR
    std::string train;                  // a recipe
    std::string verify = "background";
    std::string max_body = "16M";
    double drain_seconds = 30;
};

// Blocks SIGINT and SIGTERM in this thread and all that it starts, so that wait() alone sees them.
class TerminationSignals {
  public:
    TerminationSignals() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        hold_back();
    }
    void hold_back() { pthread_sigmask(SIG_BLOCK, &signals_, nullptr); }
    // In this thread alone: a signal ends the process.
    void let_through() { pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr); }
    void wait() {
        int signal = 0;
        sigwait(&signals_, &signal);
    }
    // A second signal ends the process at once.
    void restore() {
        std::signal(SIGINT, SIG_DFL);
        std::signal(SIGTERM, SIG_DFL);
        let_through();
    }

  private:
    sigset_t signals_;
};

// Each connection takes a file descriptor; the usual soft limit of 1,024 is there for programs that use select().
void fit_connections(int& connections) {
    constexpr rlim_t kOtherFiles = 256;
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    const rlim_t wanted = static_cast<rlim_t>(connections) + kOtherFiles;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = std::min(wanted, files.rlim_max);
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted) return;
    connections = static_cast<int>(std::max<rlim_t>(files.rlim_cur, kOtherFiles + 1) - kOtherFiles);
    LOG_WARN("the system allows {} open files (ulimit -n): --max-connections is {}", files.rlim_cur, connections);
}

// What can be said of the flags before a model is loaded.
Status settle_limits(ServeFlags& flags) {
    for (const std::string& key : flags.server.api_keys)
        if (key.empty()) return error("--api-key is empty; give a key, or leave the flag out to serve without keys");
    const std::pair<const char*, int> of_keys[] = {{"--key-streams", flags.server.key_streams},
                                                   {"--key-waiting", flags.server.key_waiting}};
    for (const auto& [flag, limit] : of_keys)
        if (limit > 0 && flags.server.api_keys.empty())
            return error(
                "{} is a limit of each API key, and there is none; give --api-key, or limit all requests with "
                "--max-streams and --max-waiting",
                flag);
    const Result<size_t> max_body = parse_bytes(flags.max_body);
    if (!max_body) return max_body.error().within("--max-body");
    serve::HttpLimits& limits = flags.listener.limits;
    limits.body_bytes = *max_body;
    limits.all_bodies_bytes = std::max(limits.all_bodies_bytes, limits.body_bytes);
    fit_connections(limits.max_connections);
    flags.model.verify = flags.verify == "before";
    return ok();
}

// Looks for damage while the server runs; null if there is nothing to look at. `outcome` is no longer set when the
// verification is gone.
std::unique_ptr<model::BackgroundVerification> verify_behind(const ServeFlags& flags, model::LoadedModel& loaded,
                                                             serve::Server& server, Status& outcome) {
    auto checksums = std::exchange(loaded.checksums, {});
    if (!checksums.file || flags.verify != "background") return nullptr;
    const auto done = [&server, &outcome, path = flags.model.path](Status verified) {
        if (verified) {
            LOG_INFO("{}: all checksums are right", path);
        } else {
            LOG_ERROR("{}; every request is refused until the server is started with a whole file",
                      verified.error().message);
            server.fail(verified.error().message);
        }
        outcome = std::move(verified);
    };
    return std::make_unique<model::BackgroundVerification>(std::move(checksums), done);
}

struct NamedFolder {
    std::string name, folder;
};

// What --adapter names.
Result<std::vector<NamedFolder>> settle_adapters(const ServeFlags& flags) {
    std::vector<NamedFolder> named;
    for (const std::string& flag : flags.adapters) {
        const size_t equals = flag.find('=');
        if (equals == 0 || equals == std::string::npos || equals + 1 == flag.size())
            return error("--adapter {}: write NAME=DIR, the name that requests give as their model and its folder",
                         flag);
        const auto same = [&](const NamedFolder& other) { return other.name == flag.substr(0, equals); };
        if (std::ranges::any_of(named, same)) return error("--adapter {}: the name is given twice", flag);
        named.push_back({flag.substr(0, equals), flag.substr(equals + 1)});
    }
    return named;
}

// Of a model with weights, which it only refers to.
serve::Adapters::Loader adapter_loader(model::Model& model) {
    return [targets = model::adapter_targets(model)](const std::string& folder) {
        ThreadPool one(1);  // the others are busy with requests
        return model::load_adapter(folder, targets, one);
    };
}

Status load_adapters(const std::vector<NamedFolder>& named, serve::Adapters& adapters) {
    for (const auto& [name, folder] : named) {
        const auto loaded = adapters.load(name, folder);
        if (!loaded) return loaded.error().within(fmt::format("--adapter {}={}", name, folder));
        LOG_INFO("adapter {} is {}, {}", name, folder, format_bytes(static_cast<double>((*loaded)->weights->bytes())));
    }
    return ok();
}

// What hone inspect says of the model, which outlives it, and what computes it.
std::function<std::string()> description_of(const ModelOptions& options, const OpenModel& open) {
    return [&open, path = options.path, weights = *model::weight_choice_named(options.weights)] {
        boost::json::object description = model::to_json(model::inspect_loaded(open.loaded, path, weights));
        description["kernels"] = math::name_of(open.kernels->isa);
        return boost::json::serialize(description);
    };
}

// For /metrics.
std::function<serve::TrainingStatus()> training_status(const train::BackgroundJob* job) {
    if (!job) return nullptr;
    return [job] {
        const train::BackgroundStatus status = job->status();
        return serve::TrainingStatus{.step = status.step,
                                     .steps = status.steps,
                                     .tokens = status.tokens,
                                     .loss = status.loss,
                                     .is_running = status.is_running,
                                     .has_failed = status.has_failed};
    };
}

Status serve_model(ServeFlags& flags) {
    if (const Status chosen = choose_default_model(flags.model); !chosen) return chosen;
    Result<engine::EngineOptions> engine_options = flags.engine.options(flags.model);
    if (!engine_options) return engine_options.error();
    if (const Status settled = settle_limits(flags); !settled) return settled;
    const auto named_adapters = settle_adapters(flags);
    if (!named_adapters) return named_adapters.error();
    flags.server.max_streams = engine_options->max_batch;
    auto listener = serve::Listener::bind(flags.listener);  // an address in use is told before minutes of loading
    if (!listener) return listener.error();
    auto open = open_model(flags.model, false);
    if (!open) return open.error();
    auto text = load_model_text(open->loaded.files, open->loaded.model->spec().vocabulary);
    if (!text) return text.error();
    open->pool.reset();  // the engine has threads of its own
    const std::string name = flags.served_name.empty() ? open->loaded.name : flags.served_name;
    serve::Adapters adapters(name, adapter_loader(*open->loaded.model));
    if (const Status loaded = load_adapters(*named_adapters, adapters); !loaded) return loaded;

    TerminationSignals signals;  // until here a signal ends the process: loading may take minutes
    Turns turns;
    if (!flags.train.empty()) engine_options->turns = &turns;
    auto engine = start_engine(*open, *engine_options);
    if (!engine) return engine.error();
    std::unique_ptr<train::BackgroundJob> training;
    if (!flags.train.empty()) {
        signals.let_through();  // reading data may take minutes too
        auto opened = open_training(flags.train, flags.model, *open, turns, adapters);
        signals.hold_back();
        if (!opened) return opened.error();
        training = std::move(*opened);
    }
    auto server = serve::Server::start(flags.server,
                                       {.name = name,
                                        .tokenizer = *text->tokenizer,
                                        .chat_templates = text->chat_templates ? &*text->chat_templates : nullptr,
                                        .special_tokens = text->special_tokens,
                                        .engine = **engine,
                                        .defaults = text->defaults,
                                        .vocabulary = open->loaded.model->spec().vocabulary,
                                        .numeric_class = numeric_class_name(*open),
                                        .adapters = &adapters,
                                        .training = training_status(training.get()),
                                        .describe = description_of(flags.model, *open)},
                                       std::move(*listener));
    if (!server) return server.error();
    fmt::print("{}", welcome_text({.host = flags.listener.host,
                                   .port = (*server)->port(),
                                   .model = name,
                                   .reads_text = text->tokenizer->reads_text(),
                                   .wants_key = !flags.server.api_keys.empty(),
                                   .shows_page = flags.server.page}));
    std::fflush(stdout);

    if (training) training->begin();
    Status verified;
    auto verification = verify_behind(flags, open->loaded, **server, verified);
    signals.wait();
    signals.restore();
    verification.reset();
    if (training) training->dismiss();
    LOG_INFO("stopping: requests in progress have {} to finish, another signal ends at once",
             format_duration(flags.drain_seconds));
    (*server)->stop(flags.drain_seconds);
    if (training) training->end();  // what its steps have made is saved
    return verified;
}

// What the server does when more is asked of it than it can do.
void add_overload_flags(CLI::App& verb, ServeFlags& flags) {
    constexpr int kMost = 1 << 20;
    verb.add_option("--max-waiting", flags.server.max_waiting,
                    "Most sequences that wait while --max-streams run; requests beyond get 429")
        ->check(CLI::Range(0, kMost))
        ->capture_default_str();
    verb.add_option("--max-queue-time", flags.server.max_queue_seconds,
                    "Seconds that a request may wait for its first step before it gets 429; 0: no limit")
        ->check(number_within(0, 1e6))
        ->capture_default_str();
    verb.add_option("--key-streams", flags.server.key_streams,
                    "Most sequences of one API key that run or wait at once; 0: no limit")
        ->check(CLI::Range(0, kMost))
        ->capture_default_str();
    verb.add_option("--key-waiting", flags.server.key_waiting,
                    "Most sequences of one API key without a first token at once; 0: no limit")
        ->check(CLI::Range(0, kMost))
        ->capture_default_str();
}

}  // namespace

void add_serve(CLI::App& app, int& status) {
    auto flags = std::make_shared<ServeFlags>();
    flags->server.version = HONE_VERSION;
    CLI::App* verb = app.add_subcommand("serve", "Serve a model over an OpenAI-compatible HTTP API");
    add_model_or_shape(*verb, flags->model);
    verb->add_option("--verify", flags->verify,
                     "When a pack file's checksums are compared: background (while it serves; after damage every "
                     "request is refused), before "
                     "(then serves) or never")
        ->check(CLI::IsMember({"background", "before", "never"}))
        ->capture_default_str();
    verb->add_option("--host", flags->listener.host, "Address to listen on; 0.0.0.0 for all")->capture_default_str();
    verb->add_option("--port", flags->listener.port, "Port; 0 takes a free one")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();
    verb->add_option("--api-key", flags->server.api_keys,
                     "Key that clients must send; may be repeated (also: HONE_API_KEY)")
        ->envname("HONE_API_KEY")
        ->allow_extra_args(false);
    verb->add_flag("!--no-page", flags->server.page,
                   "Serve the API alone, without the page at / that people chat and look on with");
    verb->add_option("--cors-origin", flags->server.cors_origins,
                     "Web page origin that may use the API from a browser; * for all; may be repeated")
        ->allow_extra_args(false);
    verb->add_option("--name", flags->served_name,
                     "What clients call the model; the folder's or file's name otherwise");
    verb->add_option("--adapter", flags->adapters,
                     "NAME=DIR: a low-rank adapter (Tinker's or Hugging Face PEFT's folder) that requests choose with "
                     "NAME as their model, side by side with the model itself; may be repeated")
        ->allow_extra_args(false);
    verb->add_option(
        "--train", flags->train,
        "[NAME=]RECIPE.toml: a job (hone train) that trains an adapter of the model in the time that requests "
        "leave; each step's version is what NAME (its output folder's name) gives from then on");
    verb->add_flag(
        "--allow-adapter-updates", flags->server.allow_adapter_updates,
        "Let clients change adapters: POST /v1/load_lora_adapter and /v1/unload_lora_adapter. Any folder that "
        "this process may read can be named there, so only for clients that are trusted");
    verb->add_option("--tool-parser", flags->server.tool_parser,
                     "How the model writes tool calls and reasoning (one name for both): auto goes by its chat "
                     "template, none leaves everything in the content")
        ->check(CLI::IsMember(serve::tool_parser_names()))
        ->capture_default_str();
    verb->add_option("--drain", flags->drain_seconds, "Seconds that running requests may take after SIGTERM")
        ->check(number_within(0, 1e6))
        ->capture_default_str();
    add_overload_flags(*verb, *flags);
    verb->add_option("--request-log", flags->server.request_log,
                     "File that gets a line of JSON for every request; - for stderr")
        ->capture_default_str();
    verb->add_option("--max-body", flags->max_body, "Largest request body: 16M, 1G")->capture_default_str();
    verb->add_option("--max-connections", flags->listener.limits.max_connections,
                     "Most open connections; one beyond takes the place of the longest idle")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    verb->add_option("--write-timeout", flags->listener.limits.write_seconds,
                     "Seconds that a client may take to read 64 KiB of its answer before it is dropped; its stream is "
                     "paused meanwhile")
        ->check(number_within(0.01, 1e6))
        ->capture_default_str();
    verb->add_option("--header-timeout", flags->listener.limits.header_seconds,
                     "Seconds in which a client must have sent the head of a request")
        ->check(number_within(0.01, 1e6))
        ->capture_default_str();
    add_engine_flags(*verb, flags->engine);
    add_model_options(*verb, flags->model);
    verb->callback([flags, &status] { status = report(serve_model(*flags)); });
}

}  // namespace hone::cli
