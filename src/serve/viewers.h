// Those who look on while the engine works: streams of /v1/hone/events. Owns a thread that tells all of them the same,
// some times a second; while nobody looks on it sleeps, and nothing is recorded. The engine never waits for it, nor it for
// a viewer: who does not read misses events, and is told how many steps those had. add and end are for any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "serve/generator.h"
#include "serve/http/exchange.h"
#include "serve/openai/api_error.h"
#include "serve/step_view.h"

namespace hone::serve {

class Viewers {
  public:
    static constexpr size_t kMost = 16;

    // Everything referred to outlives it. `model`, `version`: for the first event.
    Viewers(Generator& generator, engine::StepTap& steps, const engine::EngineFacts& facts, std::string model,
            std::string version);
    ~Viewers();  // end()

    // The exchange becomes a stream of events; or why it does not: too many look on (429), or end() was called (503).
    std::optional<ApiError> add(ExchangePtr exchange);
    // Ends all streams and joins the thread.
    void end();

  private:
    struct Viewer {
        ExchangePtr exchange;
        std::shared_ptr<std::atomic<bool>> is_gone;
        bool was_told = false;  // how things stand
        uint64_t missed = 0;    // steps
    };

    void run();
    void look();
    void tell(const StepView::Event& event);  // with the lock
    void forget_gone();
    std::string hello() const;

    Generator& generator_;
    engine::StepTap& steps_;
    const engine::EngineFacts facts_;
    const std::string model_, version_;
    StepView view_;  // the thread's, as the batch
    engine::StepTap::Batch batch_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::vector<Viewer> viewers_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace hone::serve
