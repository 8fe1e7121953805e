// Refusals as OpenAI clients read them: {"error": {"message", "type", "param", "code"}} with a fitting HTTP status.
// Plain values.
#pragma once

#include <optional>
#include <string>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "serve/http/message.h"

namespace hone::serve {

struct ApiError {
    int status = 400;
    std::string message;
    std::string type = "invalid_request_error";
    std::string param = {};  // the field at fault; empty: none
    std::string code = {};   // a word for programs; empty: none
    int retry_after = 1;     // seconds, told with 429 and 503
};

boost::json::value text_or_null(const std::string& text);  // null where it is empty
boost::json::object error_body(const ApiError& error);
Response error_response(const ApiError& error);

// The error of an HTTP status that needs no more than a sentence: type and code follow from the status.
ApiError plain_error(int status, std::string message);
// Of a request that there is no memory for (503).
ApiError out_of_memory();

}  // namespace hone::serve
