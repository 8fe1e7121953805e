#include "serve/viewers.h"

#include <chrono>

#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "serve/http/sse.h"

namespace hone::serve {

namespace json = boost::json;

constexpr auto kPeriod = std::chrono::milliseconds(100);

Viewers::Viewers(Generator& generator, engine::StepTap& steps, const engine::EngineFacts& facts, std::string model,
                 std::string version)
    : generator_(generator),
      steps_(steps),
      facts_(facts),
      model_(std::move(model)),
      version_(std::move(version)),
      view_(monotonic_seconds()),
      thread_([this] { run(); }) {}

Viewers::~Viewers() {
    end();
}

std::optional<ApiError> Viewers::add(ExchangePtr exchange) {
    std::lock_guard lock(mutex_);
    if (ending_) return plain_error(503, "the server is shutting down");
    forget_gone();
    if (viewers_.size() >= kMost) {
        ApiError problem = plain_error(429, fmt::format("{} viewers look on already; close one of them", kMost));
        problem.code = "too_many_viewers";
        problem.retry_after = 10;
        return problem;
    }
    Viewer viewer{.exchange = std::move(exchange), .is_gone = std::make_shared<std::atomic<bool>>(false)};
    viewer.exchange->on_abandoned([gone = viewer.is_gone](Abandoned) { *gone = true; });
    viewer.exchange->begin_stream(
        {.content_type = std::string(kSseContentType), .headers = {{"Cache-Control", "no-store"}}});
    viewer.exchange->write(sse_event(hello(), "hello"));
    viewers_.push_back(std::move(viewer));
    changed_.notify_all();
    return std::nullopt;
}

void Viewers::end() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
        for (const Viewer& viewer : viewers_) viewer.exchange->end();
        viewers_.clear();
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

std::string Viewers::hello() const {
    const engine::EngineMetrics metrics = generator_.metrics();
    const auto target = gap_target_ms(facts_, metrics);
    return json::serialize(json::object{{"version", version_},
                                        {"model", model_},
                                        {"layers", facts_.layers},
                                        {"threads", facts_.threads},
                                        {"pages", facts_.pages},
                                        {"page_tokens", facts_.page_tokens},
                                        {"policy", engine::name_of(facts_.prefill)},
                                        {"gap_target_ms", target ? json::value(*target) : json::value(nullptr)}});
}

void Viewers::forget_gone() {
    std::erase_if(viewers_, [](const Viewer& viewer) { return viewer.is_gone->load(); });
}

void Viewers::tell(const StepView::Event& event) {
    for (Viewer& viewer : viewers_) {
        viewer.missed += event.dropped;
        if (viewer.exchange->is_backed_up()) {
            viewer.missed += event.steps;
            continue;
        }
        if (!event.is_news && viewer.missed == 0 && viewer.was_told) continue;
        viewer.was_told = true;
        viewer.exchange->write(
            sse_event(fmt::format(R"({{"dropped":{},{}}})", std::exchange(viewer.missed, 0), event.fields), "steps"));
    }
}

// Without the lock: it takes a while to write down what many sequences did.
void Viewers::look() {
    try {
        const double now = monotonic_seconds();
        if (!steps_.watched()) {
            steps_.watch(true);
            view_.begin(generator_.metrics(), now);
        }
        steps_.take(batch_);
        const StepView::Event event = view_.next(batch_, generator_.metrics(), facts_, now);
        std::lock_guard lock(mutex_);
        tell(event);
    } catch (const std::bad_alloc&) {
        LOG_WARN("serve: no memory to tell viewers what the engine does; they miss an event");
    }
}

void Viewers::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return ending_ || !viewers_.empty(); });
        while (!viewers_.empty()) {
            lock.unlock();
            look();
            lock.lock();
            changed_.wait_for(lock, kPeriod, [this] { return ending_; });
            forget_gone();
        }
        steps_.watch(false);
        batch_ = {};
        if (ending_) return;
    }
}

}  // namespace hone::serve
