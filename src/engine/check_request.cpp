#include "engine/check_request.h"

#include <algorithm>

namespace hone::engine {

Status check_request(const Request& request, int32_t vocabulary, int32_t max_context) {
    if (const Status status = request.sampling.validate(); !status) return status;
    if (!(request.max_wait >= 0)) return error("max_wait is {}; it must be 0 (no limit) or more", request.max_wait);
    if (request.prompt.empty()) return error("the prompt is empty; it needs at least one token");
    const int64_t length = std::ssize(request.prompt) + int64_t{request.sampling.max_tokens};
    if (length > max_context) {
        return error("the prompt has {} tokens and max_tokens is {}, but a request may have {} in all",
                     request.prompt.size(), request.sampling.max_tokens, max_context);
    }
    if (request.constraint && request.constraint->vocabulary() != vocabulary) {
        return error("the constraint is for a vocabulary of {}, but the model's is {}",
                     request.constraint->vocabulary(), vocabulary);
    }
    for (size_t i = 0; i < request.prompt.size(); i++) {
        const int32_t token = request.prompt[i];
        if (token < 0 || token >= vocabulary) {
            return error("prompt token {} is {}, outside the vocabulary of {}", i, token, vocabulary);
        }
    }
    for (const auto& [token, addend] : request.sampling.logit_bias) {
        if (token >= vocabulary)
            return error("logit_bias: token {} is outside the vocabulary of {}", token, vocabulary);
    }
    return ok();
}

}  // namespace hone::engine
