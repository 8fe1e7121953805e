// What can be said against a request before it is queued. Pure function, any thread.
#pragma once

#include "engine/engine.h"

namespace hone::engine {

// What a request must satisfy: valid parameters, a prompt of at least one token, ids inside the vocabulary, prompt and
// generated tokens within max_context.
Status check_request(const Request& request, int32_t vocabulary, int32_t max_context);

}  // namespace hone::engine
