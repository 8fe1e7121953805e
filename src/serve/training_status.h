// How a training job in the server's process stands, for /metrics. Plain values.
#pragma once

#include <cstdint>

namespace hone::serve {

struct TrainingStatus {
    int64_t step = 0, steps = 0;  // done, in all
    int64_t tokens = 0;           // that passed the model
    double loss = 0;              // of the last step
    bool is_running = true;       // neither finished nor failed
    bool has_failed = false;
};

}  // namespace hone::serve
