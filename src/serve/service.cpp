#include "serve/service.h"

#include <ctime>

#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "serve/http/ascii.h"
#include "serve/openai/field_reader.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr std::string_view kModelPrefix = "/v1/models/", kAssetPrefix = "/assets/";

Response json_response(const json::object& body, int status = 200) {
    return {.status = status, .body = json::serialize(body)};
}

bool is_json(std::string_view content_type) {
    content_type = content_type.substr(0, content_type.find(';'));
    while (!content_type.empty() && content_type.back() == ' ') content_type.remove_suffix(1);
    return equal_ignoring_case(content_type, "application/json");
}

bool path_matches(std::string_view pattern, bool is_prefix, std::string_view path) {
    return is_prefix ? path.starts_with(pattern) && path.size() > pattern.size() : path == pattern;
}

// For metrics, whose names must not be chosen by clients.
std::string_view route_name(std::string_view path) {
    if (path.starts_with(kModelPrefix)) return "/v1/models/{id}";
    return path.starts_with(kAssetPrefix) ? "/assets/{file}" : path;
}

std::string fingerprint(const std::string& version, const std::string& numeric_class) {
    return fmt::format("hone-{}-{}", version, numeric_class);
}

}  // namespace

Service::Service(ServerOptions options, ServiceModel model, std::shared_ptr<RequestLog> log)
    : options_(std::move(options)),
      model_(std::move(model)),
      keys_(options_.api_keys),
      started_(static_cast<int64_t>(std::time(nullptr))),
      log_(std::move(log)),
      admission_(
          std::make_shared<Admission>(AdmissionLimits{.streams = options_.max_streams,
                                                      .waiting = options_.max_waiting,
                                                      .key_streams = options_.key_streams,
                                                      .key_waiting = options_.key_waiting,
                                                      .shares = static_cast<int32_t>(options_.api_keys.size())})),
      metrics_(model_.name),
      rules_{.model = model_.name,
             .adapters = model_.adapters,
             .defaults = model_.defaults,
             .vocabulary = model_.vocabulary,
             .max_context = model_.generator.max_context(),
             .dialect = model_.dialect ? &*model_.dialect : nullptr},
      constraints_(model_.tokenizer, model_.defaults.end_ids, model_.vocabulary),
      intake_(std::make_shared<Workers>(options_.intake_threads)),
      output_(std::make_shared<Workers>(options_.output_threads)),
      adapter_work_(std::make_shared<Workers>(1)),
      context_{.generator = model_.generator,
               .adapters = model_.adapters,
               .tokenizer = model_.tokenizer,
               .metrics = metrics_,
               .failure = failure_,
               .admission = admission_,
               .workers = output_,
               .model = model_.name,
               .fingerprint = fingerprint(options_.version, model_.numeric_class),
               .numeric_class = model_.numeric_class,
               .max_queue_seconds = options_.max_queue_seconds},
      viewers_(model_.generator, model_.steps, model_.engine, model_.name, options_.version) {}

Service::~Service() {
    stop();
}

void Service::begin_drain() {
    draining_ = true;
    viewers_.end();
}

void Service::stop() {
    viewers_.end();
    adapter_work_->stop();
    intake_->stop();
    output_->stop();
}

std::span<const Service::Route> Service::routes() {
    static constexpr Route kRoutes[] = {
        {"GET", "/", false, false, &Service::page_file},
        {"GET", kAssetPrefix.data(), true, false, &Service::page_file},
        {"GET", "/health", false, false, &Service::health},
        {"GET", "/version", false, false, &Service::version},
        {"GET", "/metrics", false, false, &Service::metrics},
        {"GET", "/v1/hone/model", false, true, &Service::describe_model},
        {"GET", "/v1/hone/events", false, true, &Service::events},
        {"GET", "/v1/models", false, true, &Service::list_models},
        {"GET", kModelPrefix.data(), true, true, &Service::show_model},
        {"POST", "/v1/completions", false, true, &Service::completions},
        {"POST", "/v1/chat/completions", false, true, &Service::chat_completions},
        {"POST", "/v1/load_lora_adapter", false, true, &Service::load_adapter},
        {"POST", "/v1/unload_lora_adapter", false, true, &Service::unload_adapter},
        {"POST", "/tokenize", false, true, &Service::tokenize},
        {"POST", "/detokenize", false, true, &Service::detokenize},
    };
    return kRoutes;
}

const Service::Route* Service::find_route(std::string_view path, std::string_view method, std::string* allowed) {
    for (const Route& route : routes()) {
        if (!path_matches(route.path, route.is_prefix, path)) continue;
        const bool is_get = std::string_view(route.method) == "GET";
        if (allowed) *allowed += is_get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
        if (method == route.method || (is_get && method == "HEAD")) return &route;
    }
    return nullptr;
}

HttpHandlers Service::handlers() {
    return {.screen = [this](const Request& head) { return screen(head); },
            .serve = [this](Request request, ExchangePtr exchange) { serve(std::move(request), std::move(exchange)); },
            .error_response =
                [](int status, std::string message) { return error_response(plain_error(status, std::move(message))); },
            .observe =
                [this](std::string_view path, int status) {
                    std::string allowed;
                    find_route(path, "", &allowed);
                    metrics_.http_response(allowed.empty() ? "other" : route_name(path), status);
                },
            .extra_headers = [this](const Request& head) { return cors_headers(head); },
            .begin_transfer = [this] { return RequestLog::new_record(log_); }};
}

std::optional<Response> Service::screen(const Request& head) const {
    std::string allowed;
    const Route* route = find_route(head.path, head.method, &allowed);
    if (head.method == "OPTIONS" && (!allowed.empty() || head.path.empty())) {
        Response response{.status = 204, .content_type = ""};
        response.headers.emplace_back("Allow", allowed.empty() ? "GET, HEAD, POST, OPTIONS" : allowed);
        return response;
    }
    if (allowed.empty())
        return error_response(plain_error(404, fmt::format("there is no {} here", quotable(head.path))));
    if (!route) {
        Response response = error_response(
            plain_error(405, fmt::format("{} does not take {}", quotable(head.path), quotable(head.method))));
        response.headers.emplace_back("Allow", allowed);
        return response;
    }
    if (route->needs_key && !keys_.tenant_of(head))
        return error_response(plain_error(401, "a valid API key is needed: 'Authorization: Bearer KEY'"));
    if (head.method == "POST" && !is_json(head.header("Content-Type")))
        return error_response(plain_error(415, "the body must be JSON, sent with 'Content-Type: application/json'"));
    return std::nullopt;
}

void Service::serve(Request request, ExchangePtr exchange) {
    const Route* route = find_route(request.path, request.method, nullptr);
    if (!route) return exchange->respond(error_response(plain_error(404, "there is nothing here")));
    (this->*route->handler)(std::move(request), std::move(exchange));
}

// For pages of the origins that the owner named; nothing for others.
HeaderList Service::cors_headers(const Request& head) const {
    const std::string_view origin = head.header("Origin");
    if (origin.empty() || options_.cors_origins.empty()) return {};
    const auto& origins = options_.cors_origins;
    const bool any = std::find(origins.begin(), origins.end(), "*") != origins.end();
    if (!any && std::find(origins.begin(), origins.end(), origin) == origins.end()) return {};
    HeaderList headers{{"Access-Control-Allow-Origin", any ? "*" : std::string(origin)}, {"Vary", "Origin"}};
    if (head.method == "OPTIONS") {
        const std::string_view wanted = head.header("Access-Control-Request-Headers");
        headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
        headers.emplace_back("Access-Control-Allow-Headers",
                             wanted.empty() ? "Authorization, Content-Type" : quotable(wanted, 1000));
        headers.emplace_back("Access-Control-Max-Age", "600");
    }
    return headers;
}

void Service::health(Request, ExchangePtr exchange) {
    if (draining_) return exchange->respond(json_response({{"status", "draining"}}, 503));
    if (const auto* failure = failure_.message())
        return exchange->respond(json_response({{"status", "error"}, {"message", *failure}}, 503));
    exchange->respond(json_response({{"status", "ok"}}));
}

void Service::version(Request, ExchangePtr exchange) {
    exchange->respond(json_response({{"version", options_.version}, {"system_fingerprint", context_.fingerprint}}));
}

void Service::metrics(Request, ExchangePtr exchange) {
    const auto training = model_.training ? std::optional(model_.training()) : std::nullopt;
    exchange->respond({.content_type = Metrics::kContentType,
                       .body = metrics_.render(model_.generator.metrics(), adapters(), training)});
}

std::vector<AdapterPtr> Service::adapters() const {
    return model_.adapters ? model_.adapters->list() : std::vector<AdapterPtr>();
}

// The model, or an adapter of it, whose parent it is.
json::object Service::model_json(const AdapterVersion* adapter) const {
    json::object facts{{"numeric_class", model_.numeric_class}};
    if (adapter) facts["adapter"] = adapter_json(*adapter);
    return {{"id", adapter ? adapter->name : model_.name},
            {"object", "model"},
            {"created", adapter ? adapter->published : started_},
            {"owned_by", "hone"},
            {"root", adapter ? adapter->source : model_.name},
            {"parent", adapter ? json::value(model_.name) : json::value(nullptr)},
            {"max_model_len", rules_.max_context},
            {"hone", std::move(facts)}};
}

void Service::list_models(Request, ExchangePtr exchange) {
    json::array data{model_json(nullptr)};
    for (const AdapterPtr& adapter : adapters()) data.push_back(model_json(adapter.get()));
    exchange->respond(json_response({{"object", "list"}, {"data", std::move(data)}}));
}

void Service::show_model(Request request, ExchangePtr exchange) {
    const std::string_view id = std::string_view(request.path).substr(kModelPrefix.size());
    const AdapterPtr adapter = model_.adapters ? model_.adapters->find(id) : nullptr;
    if (!adapter && id != model_.name) return exchange->respond(error_response(unknown_model(id)));
    exchange->respond(json_response(model_json(adapter.get())));
}

}  // namespace hone::serve
