// vLLM's routes that change what adapters are served. They have a thread of their own: reading an adapter takes seconds,
// which requests for generation do not wait.
#include <boost/json/serialize.hpp>

#include "base/log.h"
#include "serve/openai/field_reader.h"
#include "serve/service.h"

namespace hone::serve {

namespace json = boost::json;

void Service::load_adapter(Request request, ExchangePtr exchange) {
    change_adapters(std::move(request), std::move(exchange), &Service::load_named);
}

void Service::unload_adapter(Request request, ExchangePtr exchange) {
    change_adapters(std::move(request), std::move(exchange), &Service::unload_named);
}

void Service::change_adapters(Request request, ExchangePtr exchange, AdapterChange change) {
    if (!options_.allow_adapter_updates || !model_.adapters)
        return exchange->respond(error_response(
            plain_error(404, "adapters cannot be changed here; start the server with --allow-adapter-updates")));
    if (draining_) return exchange->respond(error_response(plain_error(503, "the server is shutting down")));
    adapter_work_->post([this, change, body = std::move(request.body), reservation = std::move(request.reservation),
                         exchange = std::move(exchange)]() mutable {
        try {
            json::value parsed;
            std::optional<ApiError> problem = parse_json_object(body, parsed);
            if (!problem) problem = (this->*change)(parsed.get_object(), exchange);
            if (problem) exchange->respond(error_response(*problem));
        } catch (const std::bad_alloc&) {
            exchange->respond(error_response(out_of_memory()));
        }
        reservation = nullptr;
    });
}

// {"lora_name", "lora_path"} to {"status", "name", "version", "fingerprint"}.
std::optional<ApiError> Service::load_named(const json::object& body, ExchangePtr& exchange) {
    FieldReader fields(body);
    const auto name = fields.text("lora_name"), folder = fields.text("lora_path");
    for (const char* field : {"lora_name", "lora_path"})
        if (!fields.find(field)) fields.refuse(field, "is missing", "missing_required_parameter");
    if (!fields.ok()) return fields.failure();
    const Result<AdapterPtr> loaded = model_.adapters->load(*name, *folder);
    if (!loaded) {
        LOG_WARN("adapter '{}' was not loaded: {}", quotable(*name), loaded.error().message);
        return ApiError{.message = loaded.error().message, .param = "lora_path", .code = "invalid_value"};
    }
    LOG_INFO("adapter '{}' is version {} ({})", quotable(*name), (*loaded)->version, (*loaded)->weights->fingerprint());
    json::object answer = adapter_json(**loaded);
    answer["status"] = "ok";
    exchange->respond({.body = json::serialize(answer)});
    return std::nullopt;
}

// {"lora_name"} to {"status"}.
std::optional<ApiError> Service::unload_named(const json::object& body, ExchangePtr& exchange) {
    FieldReader fields(body);
    const auto name = fields.text("lora_name");
    if (!name) fields.refuse("lora_name", "is missing", "missing_required_parameter");
    if (!fields.ok()) return fields.failure();
    if (!model_.adapters->remove(*name)) {
        ApiError problem = plain_error(404, fmt::format("there is no adapter '{}'", quotable(*name)));
        problem.param = "lora_name";
        return problem;
    }
    LOG_INFO("adapter '{}' is no longer served", quotable(*name));
    exchange->respond({.body = json::serialize(json::object{{"status", "ok"}})});
    return std::nullopt;
}

}  // namespace hone::serve
