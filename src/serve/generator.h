// Where generated tokens come from: the engine, or a scripted stand-in in tests. Any thread may call it; nothing here
// blocks.
#pragma once

#include "base/result.h"
#include "engine/engine.h"

namespace hone::serve {

class Generator {
  public:
    virtual ~Generator() = default;

    // As engine::Engine declares them. `check` tells what is the request's fault; what `submit` refuses after it is the
    // server's: no room, or no time left.
    virtual Status check(const engine::Request& request) const = 0;
    virtual Result<engine::RequestId> submit(engine::Request request, engine::EventSink sink) = 0;
    virtual void cancel(engine::RequestId id) = 0;
    virtual void set_paused(engine::RequestId id, bool paused) = 0;
    virtual void set_adapter(engine::RequestId id, std::shared_ptr<const model::Adapter> adapter) = 0;
    virtual engine::EngineMetrics metrics() const = 0;
    virtual int32_t max_context() const = 0;
};

class EngineGenerator final : public Generator {
  public:
    // The engine outlives it.
    explicit EngineGenerator(engine::Engine& engine) : engine_(engine) {}

    Status check(const engine::Request& request) const override { return engine_.check(request); }
    Result<engine::RequestId> submit(engine::Request request, engine::EventSink sink) override {
        return engine_.submit(std::move(request), std::move(sink));
    }
    void cancel(engine::RequestId id) override { engine_.cancel(id); }
    void set_paused(engine::RequestId id, bool paused) override { engine_.set_paused(id, paused); }
    void set_adapter(engine::RequestId id, std::shared_ptr<const model::Adapter> adapter) override {
        engine_.set_adapter(id, std::move(adapter));
    }
    engine::EngineMetrics metrics() const override { return engine_.metrics(); }
    int32_t max_context() const override { return engine_.max_context(); }

  private:
    engine::Engine& engine_;
};

}  // namespace hone::serve
