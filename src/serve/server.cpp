#include "serve/server.h"

#include <algorithm>

#include "base/log.h"
#include "serve/service.h"

namespace hone::serve {

namespace {

constexpr const char *kByTemplate = "auto", *kNoParser = "none";

std::optional<text::ModelDialect> dialect_of(const std::string& tool_parser, const ServedModel& model) {
    std::optional<text::ModelDialect> found;
    if (tool_parser == kByTemplate) {
        if (model.chat_templates) found = text::ModelDialect::find(*model.chat_templates, model.tokenizer);
    } else if (const text::Dialect* named = text::dialect_named(tool_parser)) {
        found = text::ModelDialect(*named, true, model.tokenizer);
    }
    if (found) LOG_INFO("reasoning and tool calls are read as {} writes them (--tool-parser)", found->dialect().name);
    return found;
}

}  // namespace

std::vector<std::string> tool_parser_names() {
    std::vector<std::string> names{kByTemplate, kNoParser};
    for (const text::Dialect* dialect : text::dialects()) names.emplace_back(dialect->name);
    return names;
}

// In the order of their lives: the listener ends first.
struct Server::Parts {
    EngineGenerator generator;
    std::unique_ptr<Service> service;
    std::unique_ptr<Listener> listener;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
    stop(0);
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, const ServedModel& model,
                                              std::unique_ptr<Listener> listener) {
    if (!model.tokenizer.reads_text())
        LOG_WARN("{} has no tokenizer: prompts are token ids, given to /v1/completions, and answers read like ⟨123⟩",
                 model.name);
    else if (!model.chat_templates)
        LOG_WARN("{} brings no chat template: /v1/chat/completions uses plain ChatML, which it may not know",
                 model.name);
    auto parts = std::make_unique<Parts>(
        Parts{.generator = EngineGenerator(model.engine), .service = {}, .listener = std::move(listener)});
    ServiceModel served{.name = model.name,
                        .numeric_class = model.numeric_class,
                        .tokenizer = model.tokenizer,
                        .chat_templates = model.chat_templates ? *model.chat_templates : default_chat_templates(),
                        .special_tokens = model.special_tokens,
                        .generator = parts->generator,
                        .defaults = model.defaults,
                        .vocabulary = model.vocabulary,
                        .dialect = dialect_of(options.tool_parser, model),
                        .adapters = model.adapters,
                        .training = model.training,
                        .steps = model.engine.steps(),
                        .engine = model.engine.facts(),
                        .describe = model.describe};
    std::vector<int32_t>& ends = served.defaults.end_ids;
    if (const auto end = model.tokenizer.eos(); end && std::find(ends.begin(), ends.end(), *end) == ends.end())
        ends.push_back(*end);
    std::shared_ptr<RequestLog> log;
    if (!options.request_log.empty()) {
        auto opened = RequestLog::open(options.request_log, model.name);
        if (!opened) return opened.error();
        log = *opened;
    }
    parts->service = std::make_unique<Service>(options, std::move(served), std::move(log));
    if (const Status started = parts->listener->start(parts->service->handlers()); !started) return started.error();
    return std::unique_ptr<Server>(new Server(std::move(parts)));
}

uint16_t Server::port() const {
    return parts_->listener->port();
}

void Server::fail(std::string message) {
    parts_->service->fail(std::move(message));
}

void Server::stop(double seconds) {
    parts_->service->begin_drain();
    parts_->listener->stop(seconds);
    parts_->service->stop();
}

}  // namespace hone::serve
