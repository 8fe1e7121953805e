// The routes of the server and what each does. Quick ones answer on the I/O thread; those that parse, render or
// tokenise run on the intake workers and hand over to a Generation. Owns the workers; handlers() may be called from any
// thread until stop().
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/admission.h"
#include "serve/answer_constraints.h"
#include "serve/http/listener.h"
#include "serve/openai/api_keys.h"
#include "serve/openai/generation.h"
#include "serve/openai/prompt_building.h"
#include "serve/options.h"
#include "serve/request_log.h"
#include "serve/viewers.h"

namespace hone::serve {

// The model behind the routes. Everything referred to outlives the service.
struct ServiceModel {
    std::string name, numeric_class;
    const text::Tokenizer& tokenizer;
    text::ChatTemplates chat_templates;
    text::SpecialTokens special_tokens;
    Generator& generator;
    GenerationDefaults defaults;
    int32_t vocabulary = 0;
    std::optional<text::ModelDialect> dialect = {};  // how it writes reasoning and tool calls; none: all is content
    Adapters* adapters = nullptr;                    // null: none
    std::function<TrainingStatus()> training = {};   // null: there is no job
    engine::StepTap& steps;                          // of the engine behind the generator
    engine::EngineFacts engine = {};
    std::function<std::string()> describe = {};  // ServedModel's
};

class Service {
  public:
    // Requests are noted in the log, if there is one.
    Service(ServerOptions options, ServiceModel model, std::shared_ptr<RequestLog> log = nullptr);
    ~Service();  // stop()

    // For the listener; the service outlives it.
    HttpHandlers handlers();
    // From here on /health says so and new work is refused; who looks on is told no more.
    void begin_drain();
    // From here on /health says so, new work is refused and running requests end with this message.
    void fail(std::string message) { failure_.set(std::move(message)); }
    // Finishes queued jobs and joins the workers.
    void stop();

  private:
    using Handler = void (Service::*)(Request request, ExchangePtr exchange);
    struct Route {
        const char* method;
        const char* path;
        bool is_prefix, needs_key;
        Handler handler;
    };
    static std::span<const Route> routes();
    // The route of a path and method; `allowed` lists the path's methods, empty for an unknown path.
    static const Route* find_route(std::string_view path, std::string_view method, std::string* allowed);

    std::optional<Response> screen(const Request& head) const;
    void serve(Request request, ExchangePtr exchange);
    HeaderList cors_headers(const Request& head) const;

    void page_file(Request request, ExchangePtr exchange);
    void describe_model(Request request, ExchangePtr exchange);
    void events(Request request, ExchangePtr exchange);
    void health(Request request, ExchangePtr exchange);
    void version(Request request, ExchangePtr exchange);
    void metrics(Request request, ExchangePtr exchange);
    void list_models(Request request, ExchangePtr exchange);
    void show_model(Request request, ExchangePtr exchange);
    void completions(Request request, ExchangePtr exchange);
    void chat_completions(Request request, ExchangePtr exchange);
    void load_adapter(Request request, ExchangePtr exchange);
    void unload_adapter(Request request, ExchangePtr exchange);
    void tokenize(Request request, ExchangePtr exchange);
    void detokenize(Request request, ExchangePtr exchange);

    // What a request that takes room brings along.
    struct Arrival {
        double at = 0;  // monotonic seconds
        uint32_t tenant = 0;
        Place place = {};
        std::shared_ptr<RequestRecord> record = {};
    };
    using Work = std::optional<ApiError> (Service::*)(const boost::json::object& body, ExchangePtr& exchange,
                                                      Arrival& arrival);
    // If there is room, runs `work` on an intake worker with the parsed body; what it returns is answered.
    void admit(Request request, ExchangePtr exchange, Work work);
    std::optional<ApiError> check_capacity(Arrival& arrival);
    std::optional<ApiError> count_sequences(Arrival& arrival, size_t prompts, int32_t choices);
    std::optional<ApiError> complete(const boost::json::object& body, ExchangePtr& exchange, Arrival& arrival);
    std::optional<ApiError> chat(const boost::json::object& body, ExchangePtr& exchange, Arrival& arrival);
    void start_generation(GenerationJob job, ExchangePtr exchange, Arrival& arrival);
    std::optional<ApiError> encode(const boost::json::object& body, ExchangePtr& exchange, Arrival& arrival);
    std::optional<ApiError> decode(const boost::json::object& body, ExchangePtr& exchange, Arrival& arrival);
    std::optional<ApiError> check_listed(size_t tokens, std::string_view field) const;
    using AdapterChange = std::optional<ApiError> (Service::*)(const boost::json::object& body, ExchangePtr& exchange);
    void change_adapters(Request request, ExchangePtr exchange, AdapterChange change);
    std::optional<ApiError> load_named(const boost::json::object& body, ExchangePtr& exchange);
    std::optional<ApiError> unload_named(const boost::json::object& body, ExchangePtr& exchange);
    std::vector<AdapterPtr> adapters() const;
    boost::json::object model_json(const AdapterVersion* adapter) const;
    boost::json::object served_json() const;

    const ServerOptions options_;
    const ServiceModel model_;
    const ApiKeys keys_;
    const int64_t started_;
    const std::shared_ptr<RequestLog> log_;  // may be null
    const std::shared_ptr<Admission> admission_;
    Metrics metrics_;
    RequestRules rules_;
    AnswerConstraints constraints_;
    std::shared_ptr<Workers> intake_, output_, adapter_work_;
    Failure failure_;
    GenerationContext context_;
    std::atomic<bool> draining_{false};
    std::once_flag described_;
    std::string description_;
    Viewers viewers_;
};

}  // namespace hone::serve
