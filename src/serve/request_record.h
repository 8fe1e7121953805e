// What is known of one request when it is over: the connection's part (Transfer) and the handler's. Each part is written
// by its owner alone; who lets go of the record last has the whole (RequestLog).
#pragma once

#include <cstdint>
#include <string>

#include "serve/http/message.h"

namespace hone::serve {

// When a sequence came how far, in monotonic seconds; 0: it did not.
struct SequenceTimes {
    double arrived = 0;    // the request, at the server
    double submitted = 0;  // to the engine, its prompt tokenised
    double scheduled = 0;  // in a step for the first time
    double first_token = 0;
    double last_token = 0;
};

struct RequestRecord final : Transfer {
    uint32_t tenant = 0;  // number of the API key, from 1; 0: keys are not used, or none was right

    // Of requests for generation.
    int32_t sequences = 0;  // prompts times choices; 0: it did not come to generation
    bool stream = false;
    std::string adapter;  // that it named as its model, if it did, and the newest version that computed of it
    uint64_t adapter_version = 0;
    std::string stream_error;  // code of the error that a stream ended with, which its head could not tell
    int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
    std::string finish;   // why each sequence ended, in their order, each reason once: "stop", "stop,length"
    SequenceTimes times;  // the first sequence's begin, the last one's end
};

}  // namespace hone::serve
