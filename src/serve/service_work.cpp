// The routes that run on the intake workers: parsing, templates, tokenising.
#include <algorithm>

#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "serve/openai/field_reader.h"
#include "serve/service.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

// Handlers that are called without a connection have no record; nobody reads what is noted then.
std::shared_ptr<RequestRecord> record_of(const Request& request) {
    if (request.transfer) return std::static_pointer_cast<RequestRecord>(request.transfer);
    return RequestLog::new_record(nullptr);
}

}  // namespace

// Before anything is spent on a request.
std::optional<ApiError> Service::check_capacity(Arrival& arrival) {
    if (draining_) return plain_error(503, "the server is shutting down");
    if (const auto* failure = failure_.message()) return plain_error(503, *failure);
    auto refused = admission_->enter(arrival.tenant, arrival.place);
    if (refused) metrics_.refused(refused->code);
    return refused;
}

// Once it is known how many they are.
std::optional<ApiError> Service::count_sequences(Arrival& arrival, size_t prompts, int32_t choices) {
    auto refused = arrival.place.resize(static_cast<int32_t>(prompts) * choices);
    if (refused && refused->status == 429) metrics_.refused(refused->code);
    return refused;
}

void Service::admit(Request request, ExchangePtr exchange, Work work) {
    const auto arrival = std::make_shared<Arrival>(Arrival{.at = monotonic_seconds(), .record = record_of(request)});
    arrival->tenant = arrival->record->tenant = keys_.tenant_of(request).value_or(0);
    if (const auto problem = check_capacity(*arrival)) return exchange->respond(error_response(*problem));
    auto body = std::make_shared<std::string>(std::move(request.body));
    intake_->post([this, work, arrival, body, reservation = std::move(request.reservation),
                   exchange = std::move(exchange)]() mutable {
        try {
            json::value parsed;
            std::optional<ApiError> problem = parse_json_object(*body, parsed);
            *body = std::string();
            if (!problem) problem = (this->*work)(parsed.get_object(), exchange, *arrival);
            if (problem) exchange->respond(error_response(*problem));
        } catch (const std::bad_alloc&) {
            if (exchange) exchange->respond(error_response(out_of_memory()));
        }
        reservation = nullptr;
    });
}

void Service::completions(Request request, ExchangePtr exchange) {
    admit(std::move(request), std::move(exchange), &Service::complete);
}

void Service::chat_completions(Request request, ExchangePtr exchange) {
    admit(std::move(request), std::move(exchange), &Service::chat);
}

void Service::start_generation(GenerationJob job, ExchangePtr exchange, Arrival& arrival) {
    job.arrived = arrival.at;
    job.tenant = arrival.tenant;
    job.place = std::move(arrival.place);
    job.record = std::move(arrival.record);
    Generation::start(context_, std::move(job), std::move(exchange));
}

void Service::tokenize(Request request, ExchangePtr exchange) {
    admit(std::move(request), std::move(exchange), &Service::encode);
}

void Service::detokenize(Request request, ExchangePtr exchange) {
    admit(std::move(request), std::move(exchange), &Service::decode);
}

std::optional<ApiError> Service::complete(const json::object& body, ExchangePtr& exchange, Arrival& arrival) {
    CompletionRequest request;
    if (auto problem = parse_completion_request(body, rules_, request)) return problem;
    if (auto problem = count_sequences(arrival, request.prompts.size(), request.choices)) return problem;
    GenerationJob job{.endpoint = Endpoint::completions, .request = {}, .prompts = {}};
    size_t longest = 0, together = 0;  // the longest sets the limit that prompts of one request share
    for (CompletionPrompt& prompt : request.prompts) {
        const auto* text = std::get_if<PromptText>(&prompt);
        PromptTokens tokens;
        if (!text) {
            tokens = std::move(std::get<PromptTokens>(prompt));
        } else if (auto problem = encode_prompt(model_.tokenizer, *text, request.add_special_tokens, tokens)) {
            return problem;
        }
        job.prompts.push_back(std::move(tokens));
        if (job.prompts.back().empty()) return empty_prompt("prompt");
        longest = std::max(longest, job.prompts.back().size());
        together += job.prompts.back().size();
    }
    if (auto problem = fit_context(request, longest, rules_, "prompt")) return problem;
    if (auto problem = check_answer_size(request, job.prompts.size(), together, rules_)) return problem;
    if (auto problem = constraints_.constrain(request, job.constraint)) return problem;
    job.request = std::move(static_cast<GenerationRequest&>(request));
    start_generation(std::move(job), std::move(exchange), arrival);
    return std::nullopt;
}

std::optional<ApiError> Service::chat(const json::object& body, ExchangePtr& exchange, Arrival& arrival) {
    ChatCompletionRequest request;
    if (auto problem = parse_chat_request(body, rules_, request)) return problem;
    if (auto problem = count_sequences(arrival, 1, request.choices)) return problem;
    PromptTokens tokens;
    request.prompt.special_tokens = model_.special_tokens;
    if (auto problem = encode_chat(model_.chat_templates, model_.tokenizer, request.prompt, tokens)) return problem;
    if (request.reading.dialect)
        request.reading.in_reasoning = opens_reasoning(*request.reading.dialect, request.prompt, tokens);
    if (auto problem = fit_context(request, tokens.size(), rules_, "messages")) return problem;
    if (auto problem = check_answer_size(request, 1, tokens.size(), rules_)) return problem;
    GenerationJob job{.endpoint = Endpoint::chat, .request = {}, .prompts = {}};
    if (auto problem = constraints_.constrain(request, job.constraint)) return problem;
    job.request = std::move(static_cast<GenerationRequest&>(request));
    job.prompts.push_back(std::move(tokens));
    start_generation(std::move(job), std::move(exchange), arrival);
    return std::nullopt;
}

// What is told token by token is bounded: it takes up to a hundred bytes each until the client has read it.
std::optional<ApiError> Service::check_listed(size_t tokens, std::string_view field) const {
    constexpr size_t kMostListed = 1 << 18;
    const size_t most = std::max(kMostListed, static_cast<size_t>(rules_.max_context));
    if (tokens <= most) return std::nullopt;
    ApiError problem = plain_error(413, fmt::format("'{}': has {} tokens; at most {} at once", field, tokens, most));
    problem.param = field;
    return problem;
}

// vLLM's: {"prompt"} or {"messages"} to {"count", "max_model_len", "tokens", "token_strs"}.
std::optional<ApiError> Service::encode(const json::object& body, ExchangePtr& exchange, Arrival&) {
    AdapterPtr adapter;  // changes no token
    if (auto problem = choose_model(body, rules_, adapter)) return problem;
    FieldReader fields(body);
    const bool is_chat = fields.find("messages") != nullptr;
    const bool add_special_tokens = fields.flag("add_special_tokens").value_or(true);
    const bool with_texts = fields.flag("return_token_strs").value_or(false);
    PromptTokens tokens;
    if (is_chat) {
        text::ChatRequest prompt;
        if (auto problem = parse_chat_prompt(body, prompt)) return problem;
        prompt.special_tokens = model_.special_tokens;
        if (auto problem = encode_chat(model_.chat_templates, model_.tokenizer, prompt, tokens)) return problem;
    } else {
        const auto text = fields.text("prompt");
        if (!text) fields.refuse("prompt", "is missing; give 'prompt' or 'messages'", "missing_required_parameter");
        if (text) {
            if (auto problem = encode_prompt(model_.tokenizer, *text, add_special_tokens, tokens)) return problem;
        }
    }
    if (!fields.ok()) return fields.failure();
    if (auto problem = check_listed(tokens.size(), is_chat ? "messages" : "prompt")) return problem;
    json::object out{{"count", tokens.size()},
                     {"max_model_len", rules_.max_context},
                     {"tokens", json::array(tokens.begin(), tokens.end())}};
    if (with_texts) {
        json::array texts;
        for (const int32_t token : tokens) texts.emplace_back(model_.tokenizer.token_text(token));
        out["token_strs"] = std::move(texts);
    }
    exchange->respond({.body = json::serialize(out)});
    return std::nullopt;
}

// vLLM's: {"tokens"} to {"prompt"}.
std::optional<ApiError> Service::decode(const json::object& body, ExchangePtr& exchange, Arrival&) {
    AdapterPtr adapter;  // changes no token
    if (auto problem = choose_model(body, rules_, adapter)) return problem;
    FieldReader fields(body);
    if (!fields.find("tokens")) fields.refuse("tokens", "is missing", "missing_required_parameter");
    const std::vector<int32_t> tokens = fields.integers("tokens", 0, model_.vocabulary - 1);
    const bool skip_special_tokens = fields.flag("skip_special_tokens").value_or(false);
    if (!fields.ok()) return fields.failure();
    if (auto problem = check_listed(tokens.size(), "tokens")) return problem;
    exchange->respond(
        {.body = json::serialize(json::object{{"prompt", model_.tokenizer.decode(tokens, skip_special_tokens)}})});
    return std::nullopt;
}

}  // namespace hone::serve
