#include "serve/openai/api_error.h"

#include <boost/json/serialize.hpp>

namespace hone::serve {

namespace json = boost::json;

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

json::object error_body(const ApiError& error) {
    return {{"error", json::object{{"message", error.message},
                                   {"type", error.type},
                                   {"param", text_or_null(error.param)},
                                   {"code", text_or_null(error.code)}}}};
}

Response error_response(const ApiError& error) {
    Response response{.status = error.status, .body = json::serialize(error_body(error))};
    response.error = error.code.empty() ? error.type : error.code;
    if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (error.status == 429 || error.status == 503)
        response.headers.emplace_back("Retry-After", std::to_string(error.retry_after));
    return response;
}

ApiError plain_error(int status, std::string message) {
    ApiError error{.status = status, .message = std::move(message)};
    if (status >= 500) error.type = "server_error";
    if (status == 401) error.code = "invalid_api_key";
    if (status == 404) error.code = "not_found";
    if (status == 405) error.code = "method_not_allowed";
    if (status == 413) error.code = "request_too_large";
    if (status == 415) error.code = "unsupported_media_type";
    if (status == 429) error.type = "rate_limit_error", error.code = "overloaded";
    if (status == 503) error.code = "unavailable";
    return error;
}

ApiError out_of_memory() {
    return plain_error(503, "the server has not the memory for this request; try again later");
}

}  // namespace hone::serve
