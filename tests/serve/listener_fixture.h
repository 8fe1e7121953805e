// The HTTP server over loopback with a small handler.
#pragma once

#include <atomic>

#include <gtest/gtest.h>

#include "serve/http/listener.h"
#include "serve/http/sse.h"
#include "tests/serve/eventually.h"
#include "tests/serve/raw_client.h"

namespace hone::serve {

// Routes: /echo answers with the body; /hold keeps the exchange for the test; /drop forgets it; /refused is refused by
// its head.
class ListenerTest : public ::testing::Test {
  protected:
    void start(HttpLimits limits = {}) {
        auto bound = Listener::bind({.port = 0, .limits = limits});
        ASSERT_TRUE(bound.ok()) << bound.error().message;
        listener_ = std::move(bound).value();
        const Status started = listener_->start(
            {.screen = [](const Request& head) -> std::optional<Response> {
                 if (head.path != "/refused") return std::nullopt;
                 return Response{.status = 403, .body = "no"};
             },
             .serve = [this](Request request, ExchangePtr exchange) { serve(std::move(request), std::move(exchange)); },
             .error_response =
                 [](int status, std::string message) { return Response{.status = status, .body = std::move(message)}; },
             .observe =
                 [this](std::string_view, int status) {
                     last_status_ = status;
                     if (lacks_memory_.exchange(false)) throw std::bad_alloc();
                 }});
        ASSERT_TRUE(started.ok()) << started.error().message;
    }
    void TearDown() override { held_ = nullptr; }
    void let_go_of_the_body() {
        std::lock_guard lock(mutex_);
        reservation_ = nullptr;
    }

    void serve(Request request, ExchangePtr exchange) {
        if (request.path == "/echo") return exchange->respond({.content_type = "text/plain", .body = request.body});
        if (request.path == "/drop") return;
        exchange->on_abandoned([this](Abandoned why) { abandoned_ = static_cast<int>(why); });
        if (request.path == "/stream") exchange->begin_stream({.content_type = std::string(kSseContentType)});
        std::lock_guard lock(mutex_);
        held_ = std::move(exchange);
        reservation_ = std::move(request.reservation);
        is_held_ = true;
    }
    ExchangePtr held() {
        EXPECT_TRUE(eventually([&] { return is_held_.load(); }));
        std::lock_guard lock(mutex_);
        return held_;
    }

    std::atomic<int> abandoned_{-1}, last_status_{0};
    std::atomic<bool> is_held_{false}, lacks_memory_{false};
    std::mutex mutex_;
    ExchangePtr held_;
    std::shared_ptr<void> reservation_;  // of the body held
    std::unique_ptr<Listener> listener_;
};

inline std::string post(std::string_view path, std::string_view body, std::string_view headers = "") {
    return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(), headers,
                       body);
}

}  // namespace hone::serve
