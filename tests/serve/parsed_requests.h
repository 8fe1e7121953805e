// Requests for a model of 288 tokens, parsed from their fields.
#pragma once

#include <boost/json/parse.hpp>

#include "serve/openai/field_reader.h"
#include "serve/openai/requests.h"

namespace hone::serve {

namespace json = boost::json;

inline RequestRules rules() {
    RequestRules rules{.model = "tiny", .vocabulary = 288, .max_context = 1000};
    rules.defaults.end_ids = {2};
    return rules;
}

struct Parsed {
    std::optional<ApiError> problem;
    CompletionRequest completion;
    ChatCompletionRequest chat;
};

inline Parsed parse_completion(std::string_view fields) {
    Parsed out;
    json::value body;
    out.problem = parse_json_object(
        fmt::format(R"({{"model":"tiny","prompt":"hi"{}{}}})", fields.empty() ? "" : ",", fields), body);
    if (!out.problem) out.problem = parse_completion_request(body.get_object(), rules(), out.completion);
    return out;
}

inline Parsed parse_chat(std::string_view fields) {
    Parsed out;
    json::value body;
    out.problem =
        parse_json_object(fmt::format(R"({{"model":"tiny","messages":[{{"role":"user","content":"hi"}}]{}{}}})",
                                      fields.empty() ? "" : ",", fields),
                          body);
    if (!out.problem) out.problem = parse_chat_request(body.get_object(), rules(), out.chat);
    return out;
}

}  // namespace hone::serve
