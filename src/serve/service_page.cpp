// The routes of the page: its files, and what it shows of the model and of the engine's steps.
#include <boost/json/serialize.hpp>

#include "serve/http/sse.h"
#include "serve/openai/answer_format.h"
#include "serve/page.h"
#include "serve/service.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

json::value token_json(const text::Tokenizer& tokenizer, std::optional<int32_t> id) {
    if (!id) return nullptr;
    return json::object{{"id", *id}, {"text", tokenizer.token_text(*id)}};
}

json::object tokenizer_json(const text::Tokenizer& tokenizer) {
    json::array special;
    for (const text::AddedToken& token : tokenizer.added_tokens())
        if (tokenizer.is_special(token.id)) special.push_back(token_json(tokenizer, token.id));
    return {{"reads_text", tokenizer.reads_text()},
            {"vocabulary", tokenizer.vocabulary_size()},
            {"bos", token_json(tokenizer, tokenizer.bos())},
            {"eos", token_json(tokenizer, tokenizer.eos())},
            {"special", std::move(special)}};
}

json::value gap_json(const engine::EngineFacts& facts) {
    if (facts.prefill != engine::PrefillPolicy::automatic) return nullptr;
    if (facts.token_gap.milliseconds > 0) return json::object{{"milliseconds", facts.token_gap.milliseconds}};
    if (facts.token_gap.factor_percent == 0) return nullptr;
    return json::object{{"factor", static_cast<double>(facts.token_gap.factor_percent) / 100}};
}

}  // namespace

void Service::page_file(Request request, ExchangePtr exchange) {
    const PageFile* file = options_.page ? find_page_file(page_files(), request.path) : nullptr;
    if (!file)
        return exchange->respond(
            error_response(plain_error(404, fmt::format("there is no {} here", quotable(request.path)))));
    exchange->respond(page_answer(*file, request));
}

// What is the engine's, the tokenizer's and the adapters'; the rest is the model's own description.
json::object Service::served_json() const {
    const engine::EngineFacts& facts = model_.engine;
    json::array adapters;
    for (const AdapterPtr& adapter : this->adapters()) {
        json::object one = adapter_json(*adapter);
        one["bytes"] = adapter->weights->bytes();
        one["published"] = adapter->published;
        one["source"] = adapter->source;
        adapters.push_back(std::move(one));
    }
    return {{"name", model_.name},
            {"version", options_.version},
            {"system_fingerprint", context_.fingerprint},
            {"numeric_class", model_.numeric_class},
            {"engine", json::object{{"threads", facts.threads},
                                    {"pages", facts.pages},
                                    {"page_tokens", facts.page_tokens},
                                    {"page_bytes", facts.page_bytes},
                                    {"max_context", rules_.max_context},
                                    {"max_streams", facts.max_streams},
                                    {"policy", engine::name_of(facts.prefill)},
                                    {"token_gap", gap_json(facts)}}},
            {"tokenizer", tokenizer_json(model_.tokenizer)},
            {"dialect", model_.dialect ? json::value(model_.dialect->dialect().name) : json::value(nullptr)},
            {"adapters", std::move(adapters)}};
}

// On an intake worker: the description of a large model has megabytes, which are made once.
void Service::describe_model(Request, ExchangePtr exchange) {
    intake_->post([this, exchange = std::move(exchange)] {
        try {
            std::call_once(described_, [this] { description_ = model_.describe ? model_.describe() : "{}"; });
            std::string body = json::serialize(served_json());
            if (description_.size() > 2) {  // the fields of both
                body.back() = ',';
                body.append(description_, 1);
            }
            exchange->respond({.body = std::move(body)});
        } catch (const std::bad_alloc&) {
            exchange->respond(error_response(out_of_memory()));
        }
    });
}

void Service::events(Request request, ExchangePtr exchange) {
    if (request.method == "HEAD") return exchange->respond({.content_type = std::string(kSseContentType)});
    if (const auto refused = viewers_.add(exchange)) {
        if (refused->status == 429) metrics_.refused(refused->code);
        exchange->respond(error_response(*refused));
    }
}

}  // namespace hone::serve
