// The engine with its own thread: messages, waiting, cancelling, draining, metrics.

#include "engine/engine.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "tests/engine/fake_model.h"

namespace hone::engine {
namespace {

using testing_models::FakeModel;
using testing_models::test_kernels;

// Collects a request's events from the engine thread.
class Mail {
  public:
    EventSink sink() {
        return [this](RequestEvent event) {
            const std::lock_guard lock(mutex_);
            for (TokenRecord& token : event.tokens) tokens_.push_back(token.token);
            EXPECT_FALSE(finish_.has_value()) << "an event after the last";
            finish_ = event.finish;
            changed_.notify_all();
        };
    }
    FinishReason wait() {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return finish_.has_value(); }));
        return finish_.value_or(FinishReason::error);
    }
    bool finished() {
        const std::lock_guard lock(mutex_);
        return finish_.has_value();
    }
    void wait_for_tokens(size_t count) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return tokens_.size() >= count; }));
    }
    std::vector<int32_t> tokens() {
        const std::lock_guard lock(mutex_);
        return tokens_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<int32_t> tokens_;
    std::optional<FinishReason> finish_;
};

class EngineTest : public testing::Test {
  protected:
    EngineTest() { spdlog::set_level(spdlog::level::warn); }
    ~EngineTest() override { spdlog::set_level(spdlog::level::info); }

    std::unique_ptr<Engine> start(EngineOptions options = {}) {
        if (options.kv_bytes == 0) options.kv_bytes = 100 * model.cache_spec().page_bytes;
        if (options.threads == 0) options.threads = 2;
        auto engine = Engine::create(model, test_kernels(), options);
        EXPECT_TRUE(engine.ok());
        return std::move(*engine);
    }
    static Request request_of(size_t prompt, int32_t max_tokens, int32_t first = 1) {
        Request request;
        for (size_t i = 0; i < prompt; i++) request.prompt.push_back((first + static_cast<int32_t>(i)) % 200);
        request.sampling = {.max_tokens = max_tokens, .seed = 1};
        return request;
    }

    FakeModel model{3, 200};
};

TEST_F(EngineTest, serves_a_request) {
    auto engine = start();
    Mail mail;
    ASSERT_TRUE(engine->submit(request_of(70, 20), mail.sink()).ok());
    EXPECT_EQ(mail.wait(), FinishReason::length);
    EXPECT_EQ(mail.tokens().size(), 20u);
    const EngineMetrics metrics = engine->metrics();
    EXPECT_EQ(metrics.requests_submitted, 1u);
    EXPECT_EQ(metrics.requests_finished, 1u);
    EXPECT_EQ(metrics.prompt_tokens, 70u);
    EXPECT_EQ(metrics.generated_tokens, 20u);
    EXPECT_EQ(metrics.pages_in_use, 0);
    EXPECT_EQ(metrics.pages_total, 100);
    EXPECT_EQ(metrics.running + metrics.waiting, 0);
    EXPECT_GT(metrics.busy_seconds, 0);
}

TEST_F(EngineTest, many_threads_may_submit_cancel_and_look) {
    auto engine = start({.kv_bytes = 12 * model.cache_spec().page_bytes, .max_batch = 6});
    Mail reference;
    ASSERT_TRUE(engine->submit(request_of(100, 30, 7), reference.sink()).ok());
    reference.wait();
    std::vector<std::thread> threads;
    std::atomic<int> cancelled = 0, finished = 0;
    for (int thread = 0; thread < 4; thread++) {
        threads.emplace_back([&, thread] {
            Random random(static_cast<uint64_t>(thread));
            for (int i = 0; i < 25; i++) {
                Mail mail;
                const auto id = engine->submit(request_of(100, 30, 7), mail.sink());
                ASSERT_TRUE(id.ok());
                if (random.below(3) == 0) {
                    mail.wait_for_tokens(random.below(10));
                    engine->cancel(*id);
                }
                (mail.wait() == FinishReason::cancelled ? cancelled : finished)++;
                const auto tokens = mail.tokens(), expected = reference.tokens();
                EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), expected.begin()));
                EXPECT_LE(engine->metrics().running, 6);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(cancelled + finished, 100);
    EXPECT_GT(finished, 20);
    EXPECT_EQ(engine->metrics().pages_in_use, 0);
    EXPECT_EQ(engine->metrics().requests_cancelled, static_cast<uint64_t>(cancelled));
}

TEST_F(EngineTest, an_idle_engine_sleeps) {
    auto engine = start();
    Mail mail;
    ASSERT_TRUE(engine->submit(request_of(10, 2), mail.sink()).ok());
    mail.wait();
    const uint64_t steps = engine->metrics().steps;
    timespec before{}, after{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const double used =
        static_cast<double>(after.tv_sec - before.tv_sec) + 1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
    EXPECT_LT(used, 0.1);
    EXPECT_EQ(engine->metrics().steps, steps);
}

TEST_F(EngineTest, metrics_and_submit_do_not_wait_for_a_step) {
    auto engine = start();
    model.layer_microseconds = 100'000;
    Mail mail;
    ASSERT_TRUE(engine->submit(request_of(10, 2), mail.sink()).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // in a layer now
    const double started = monotonic_seconds();
    for (int i = 0; i < 100; i++) EXPECT_EQ(engine->metrics().requests_finished, 0u);
    Mail second;
    ASSERT_TRUE(engine->submit(request_of(10, 1), second.sink()).ok());
    EXPECT_LT(monotonic_seconds() - started, 0.15);  // a step takes 0.3
    model.layer_microseconds = 0;
    mail.wait();
    second.wait();
}

TEST_F(EngineTest, cancelling_during_a_step_ends_the_request_with_it) {
    auto engine = start();
    model.layer_microseconds = 20'000;
    Mail mail;
    const auto id = engine->submit(request_of(10, 1000), mail.sink());
    mail.wait_for_tokens(1);
    engine->cancel(*id);
    const double started = monotonic_seconds();
    EXPECT_EQ(mail.wait(), FinishReason::cancelled);
    EXPECT_LT(monotonic_seconds() - started, 5);
    EXPECT_EQ(engine->metrics().pages_in_use, 0);
    EXPECT_LT(mail.tokens().size(), 100u);  // of 1000
    engine->cancel({999});                  // unknown
}

TEST_F(EngineTest, pauses_while_others_run_and_ends_while_paused) {
    auto engine = start();
    Mail reader, other, never;
    // Of its own accord, so that no thread has to be quicker than the engine.
    const auto paused_by_its_first_event = [&](Mail& mail) {
        return [&engine, sink = mail.sink(), once = true](RequestEvent event) mutable {
            if (std::exchange(once, false)) engine->set_paused(event.request, true);
            sink(std::move(event));
        };
    };
    const auto id = engine->submit(request_of(10, 500), paused_by_its_first_event(reader));
    ASSERT_TRUE(engine->submit(request_of(10, 500), paused_by_its_first_event(never)).ok());
    ASSERT_TRUE(engine->submit(request_of(10, 500), other.sink()).ok());
    EXPECT_EQ(other.wait(), FinishReason::length);
    EXPECT_EQ(engine->metrics().paused, 2);
    EXPECT_FALSE(reader.finished());
    engine->set_paused(*id, false);
    EXPECT_EQ(reader.wait(), FinishReason::length);
    EXPECT_EQ(reader.tokens(), other.tokens());
    engine.reset();
    EXPECT_EQ(never.wait(), FinishReason::cancelled);
}

TEST_F(EngineTest, the_destructor_cancels_everything) {
    Mail mails[3];
    {
        auto engine = start();
        for (Mail& mail : mails) ASSERT_TRUE(engine->submit(request_of(10, 3000), mail.sink()).ok());
    }
    for (Mail& mail : mails) EXPECT_TRUE(mail.finished());
}

TEST_F(EngineTest, takes_no_requests_while_it_is_destroyed) {
    auto engine = start();
    Engine& ending = *engine;
    Mail late;
    std::string refusal;
    ASSERT_TRUE(engine
                    ->submit(request_of(10, 3000),
                             [&](RequestEvent event) {
                                 if (!event.finish) return;
                                 const auto refused = ending.submit(request_of(10, 1), late.sink());
                                 if (!refused.ok()) refusal = refused.error().message;
                             })
                    .ok());
    engine.reset();
    EXPECT_EQ(refusal, "the engine is shutting down and takes no new requests");
    EXPECT_FALSE(late.finished());
}

TEST_F(EngineTest, a_sink_may_submit_and_cancel) {
    auto engine = start();
    Mail second;
    std::atomic<bool> submitted = false;
    Mail first;
    const EventSink inner = first.sink();
    ASSERT_TRUE(engine
                    ->submit(request_of(10, 1000),
                             [&](RequestEvent event) {
                                 if (!submitted.exchange(true)) {
                                     EXPECT_TRUE(engine->submit(request_of(20, 3), second.sink()).ok());
                                     engine->cancel(event.request);
                                 }
                                 inner(std::move(event));
                             })
                    .ok());
    EXPECT_EQ(second.wait(), FinishReason::length);
    EXPECT_EQ(first.wait(), FinishReason::cancelled);
}

TEST_F(EngineTest, refuses_what_can_never_fit) {
    auto engine = start({.kv_bytes = 4 * model.cache_spec().page_bytes + 100});
    EXPECT_EQ(engine->max_context(), 256);
    Mail mail;
    EXPECT_TRUE(engine->submit(request_of(200, 56), mail.sink()).ok());
    const auto refused = engine->submit(request_of(200, 57), mail.sink());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().message,
              "the prompt has 200 tokens and max_tokens is 57, but a request may have 256 in all");
    mail.wait();
}

TEST_F(EngineTest, a_full_queue_refuses) {
    auto engine = start();
    model.layer_microseconds = 1000;
    std::atomic<int> ended = 0;
    const EventSink count = [&](RequestEvent event) { ended += event.finish == FinishReason::cancelled; };
    int accepted = 0;
    std::string refusal;
    while (refusal.empty() && accepted < 20000) {
        const auto id = engine->submit(request_of(1, 3000), count);
        if (id.ok())
            accepted++;
        else
            refusal = id.error().message;
    }
    EXPECT_EQ(accepted, 16384);
    EXPECT_EQ(refusal, "the queue is full: 16384 requests with 16384 prompt tokens wait or run; try again later");
    engine.reset();
    EXPECT_EQ(ended, accepted);
}

TEST_F(EngineTest, options_are_checked) {
    const auto message = [&](EngineOptions options) {
        return Engine::create(model, test_kernels(), options).error().message;
    };
    EXPECT_EQ(message({.threads = -1}), "threads is -1; it must be 0 (every usable CPU) or more");
    EXPECT_EQ(message({.max_batch = 0}), "max_batch is 0; it must be at least 1");
    EXPECT_EQ(message({.token_budget = -1}), "token_budget is -1; it must be 0 (what suits the policy) or more");
    EXPECT_EQ(message({.token_gap = {.factor_percent = -1}}), "token_gap is 0 ms, -1 %; neither may be negative");
    EXPECT_EQ(message({.kv_bytes = 100}), "cache memory of 100 B holds no page; a page of 64 tokens takes 1.5 KiB");
    EXPECT_NE(message({.kv_bytes = size_t{1} << 60}).find("but the machine has"), std::string::npos);
}

TEST(EngineOptions, the_cache_leaves_room_for_mapped_weights) {
    constexpr size_t kGiB = size_t{1} << 30;
    EXPECT_EQ(default_cache_bytes(20 * kGiB, 0), 10 * kGiB);
    EXPECT_EQ(default_cache_bytes(20 * kGiB, 12 * kGiB), 4 * kGiB);
    EXPECT_EQ(default_cache_bytes(16 * kGiB, 15 * kGiB), 2 * kGiB);
    EXPECT_EQ(default_cache_bytes(16 * kGiB, 100 * kGiB), 2 * kGiB);
    EXPECT_EQ(default_cache_bytes(0, 5 * kGiB), 2 * kGiB);
}

TEST_F(EngineTest, takes_no_more_memory_than_a_full_batch_can_use) {
    auto engine =
        std::move(*Engine::create(model, test_kernels(), {.threads = 1, .max_batch = 3, .max_context = 1000}));
    EXPECT_EQ(engine->max_context(), 1000);
    EXPECT_EQ(engine->metrics().pages_total, 3 * 16);
}

}  // namespace
}  // namespace hone::engine
