// A generator for tests: each sequence gets the tokens of a script, on a thread of its own, when the test says so.
// Records what was asked of it. Byte tokens as the golden tokenizer has them: id 3 + byte.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "serve/generator.h"

namespace hone::serve {

inline std::vector<int32_t> byte_tokens(std::string_view text) {
    std::vector<int32_t> out;
    for (const char byte : text) out.push_back(3 + static_cast<unsigned char>(byte));
    return out;
}

// Allocations of this thread do not fail (allocation_failure_test.cpp): the test's own, and the generator's outside sinks.
inline thread_local bool never_out_of_memory = false;

class ScriptedGenerator final : public Generator {
  public:
    ScriptedGenerator() : thread_([this] { run(); }) {}
    ~ScriptedGenerator() override {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

    // The text that every sequence gets, `per_event` bytes an event; after it the end-of-sequence id if `ends` is set,
    // else the sequence waits.
    void script(std::string text, size_t per_event = 1, bool ends = true) {
        std::lock_guard lock(mutex_);
        text_ = std::move(text), per_event_ = per_event, ends_ = ends;
    }
    // More text for the sequences that wait.
    void continue_with(const std::string& text) {
        std::lock_guard lock(mutex_);
        for (auto& [id, sequence] : running_) sequence.text += text;
        changed_.notify_all();
    }
    void fail_next(std::string message) {
        std::lock_guard lock(mutex_);
        failure_ = std::move(message);
    }

    Status check(const engine::Request&) const override {
        std::lock_guard lock(mutex_);
        return fault_.empty() ? ok() : Status(error("{}", fault_));
    }
    Result<engine::RequestId> submit(engine::Request request, engine::EventSink sink) override {
        std::unique_lock lock(mutex_);
        if (request.prompt == held_prompt_) changed_.wait(lock, [&] { return held_prompt_.empty(); });
        if (!refusal_.empty()) return error("{}", refusal_);
        const engine::RequestId id{++last_id_};
        requests_.push_back(request);
        running_[id] = {.request = std::move(request), .sink = std::move(sink), .text = text_};
        changed_.notify_all();
        return id;
    }
    void cancel(engine::RequestId id) override {
        std::lock_guard lock(mutex_);
        if (running_.contains(id)) cancelled_.insert(id);
        changed_.notify_all();
    }
    // Only noted.
    void set_paused(engine::RequestId id, bool paused) override {
        std::lock_guard lock(mutex_);
        paused ? (void)paused_.insert(id) : (void)paused_.erase(id);
    }
    // The next token on.
    void set_adapter(engine::RequestId id, std::shared_ptr<const model::Adapter> adapter) override {
        std::lock_guard lock(mutex_);
        const auto found = running_.find(id);
        if (found != running_.end()) found->second.request.adapter = std::move(adapter);
        ++moved_;
    }
    engine::EngineMetrics metrics() const override {
        std::lock_guard lock(mutex_);
        engine::EngineMetrics metrics;
        metrics.running = static_cast<int32_t>(running_.size());
        metrics.waiting = waiting_;
        metrics.requests_cancelled = cancellations_;
        return metrics;
    }
    int32_t max_context() const override { return 1000; }

    std::vector<engine::Request> requests() const {
        std::lock_guard lock(mutex_);
        return requests_;
    }
    // Times that set_adapter was called.
    size_t moved() const {
        std::lock_guard lock(mutex_);
        return moved_;
    }
    // Events that went to sinks.
    size_t told() const {
        std::lock_guard lock(mutex_);
        return told_;
    }
    size_t paused() const {
        std::lock_guard lock(mutex_);
        return paused_.size();
    }
    size_t cancellations() const {
        std::lock_guard lock(mutex_);
        return cancellations_;
    }
    void set_waiting(int32_t waiting) {
        std::lock_guard lock(mutex_);
        waiting_ = waiting;
    }
    // What submit says from here on; what check says.
    void refuse(std::string message) {
        std::lock_guard lock(mutex_);
        refusal_ = std::move(message);
    }
    void find_fault(std::string message) {
        std::lock_guard lock(mutex_);
        fault_ = std::move(message);
    }
    // Whoever submits that prompt waits until another, or none, is held.
    void hold_submission(std::vector<int32_t> prompt) {
        {
            std::lock_guard lock(mutex_);
            held_prompt_ = std::move(prompt);
        }
        changed_.notify_all();
    }

  private:
    struct Sequence {
        engine::Request request;
        engine::EventSink sink;
        std::string text;
        size_t next = 0;
        bool begun = false;
    };

    static engine::TokenRecord record(int32_t token, size_t position, int32_t top) {
        engine::TokenRecord out{.token = token, .raw_logprob = -0.1f * static_cast<float>(position + 1)};
        out.processed_logprob = out.raw_logprob * 2;
        out.rank = 1;
        for (int32_t i = 0; i < top; ++i)
            out.top.push_back({.token = 3 + 'a' + i, .logprob = -0.5f - static_cast<float>(i)});
        return out;
    }

    // The next event of a sequence; nothing if it waits.
    std::optional<engine::RequestEvent> next_event(engine::RequestId id, Sequence& sequence) {
        const engine::SamplingParams& sampling = sequence.request.sampling;
        engine::RequestEvent event{.request = id};
        event.seed = sampling.seed.value_or(0);
        event.adapter = sequence.request.adapter;
        if (cancelled_.contains(id)) {
            event.finish = engine::FinishReason::cancelled;
            return event;
        }
        if (!failure_.empty()) {
            event.finish = engine::FinishReason::error;
            event.message = std::exchange(failure_, {});
            return event;
        }
        if (!std::exchange(sequence.begun, true)) {
            event.cached_tokens = 64;
            if (sampling.prompt_logprobs >= 0)
                for (size_t i = 1; i < sequence.request.prompt.size(); ++i)
                    event.prompt_logprobs.push_back(record(sequence.request.prompt[i], i, sampling.prompt_logprobs));
        }
        const size_t limit = static_cast<size_t>(sampling.max_tokens);
        if (limit == 0) {
            event.finish = engine::FinishReason::length;
            return event;
        }
        for (size_t i = 0; i < per_event_ && sequence.next < std::min(limit, sequence.text.size());
             ++i, ++sequence.next)
            event.tokens.push_back(record(3 + static_cast<unsigned char>(sequence.text[sequence.next]), sequence.next,
                                          sampling.top_logprobs));
        if (sequence.next >= limit) {
            event.finish = engine::FinishReason::length;
        } else if (sequence.next >= sequence.text.size() && ends_) {
            event.tokens.push_back(record(2, sequence.next++, sampling.top_logprobs));
            event.finish = engine::FinishReason::stop;
            event.stop_token = 2;
        } else if (event.tokens.empty()) {
            return std::nullopt;
        }
        return event;
    }

    // As the engine does: a sink that throws loses its request.
    static bool deliver(const engine::EventSink& sink, engine::RequestEvent event) {
        never_out_of_memory = false;
        bool fine = true;
        try {
            sink(std::move(event));
        } catch (const std::exception&) {
            fine = false;
        }
        never_out_of_memory = true;
        return fine;
    }

    void run() {
        never_out_of_memory = true;
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            bool progressed = false;
            for (auto it = running_.begin(); it != running_.end();) {
                const engine::RequestId id = it->first;
                auto event = next_event(id, it->second);
                const bool finished = event && event->finish.has_value();
                if (finished && event->finish == engine::FinishReason::cancelled) ++cancellations_;
                if (!event) {
                    ++it;
                    continue;
                }
                progressed = true;
                const engine::EventSink sink = it->second.sink;
                lock.unlock();
                const bool fell_over = !deliver(sink, std::move(*event));
                lock.lock();
                ++told_;
                it = finished ? running_.erase(it) : std::next(it);  // who sees nothing running sees every event told
                if (fell_over && !finished) cancelled_.insert(id);
            }
            if (!progressed) changed_.wait_for(lock, std::chrono::milliseconds(1));
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::string text_ = "hello", failure_, refusal_, fault_;
    std::vector<int32_t> held_prompt_;
    size_t per_event_ = 1;
    bool ends_ = true, stopping_ = false;
    uint64_t last_id_ = 0;
    size_t cancellations_ = 0, moved_ = 0, told_ = 0;
    int32_t waiting_ = 0;
    std::vector<engine::Request> requests_;
    std::map<engine::RequestId, Sequence> running_;
    std::set<engine::RequestId> cancelled_, paused_;
    std::thread thread_;
};

}  // namespace hone::serve
