// A service over the golden byte tokenizer and a scripted generator, called without sockets.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <variant>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "serve/service.h"
#include "tests/serve/eventually.h"
#include "tests/serve/scripted_generator.h"

namespace hone::serve {

// What came back for one request.
struct Answer {
    int status = 0;
    std::string content_type, body;
    HeaderList headers;
    bool complete = false;

    boost::json::value json() const { return boost::json::parse(body); }
    // The data of a stream's events.
    std::vector<std::string> events() const {
        std::vector<std::string> out;
        for (size_t begin = 0, end; (end = body.find("\n\n", begin)) != std::string::npos; begin = end + 2)
            out.push_back(body.substr(begin, end - begin));
        for (std::string& event : out) {
            EXPECT_TRUE(event.starts_with("data: ")) << event;
            event.erase(0, 6);
        }
        return out;
    }
};

// A part of an answer, by names and places.
inline const boost::json::value& at(const boost::json::value& value,
                                    std::initializer_list<std::variant<const char*, size_t>> path) {
    const boost::json::value* here = &value;
    for (const auto& step : path) {
        if (const auto* key = std::get_if<const char*>(&step)) {
            here = &here->as_object().at(*key);
        } else {
            here = &here->as_array().at(std::get<size_t>(step));
        }
    }
    return *here;
}

// A client that waits for its answer, and may go away.
class Call {
  public:
    explicit Call(size_t queue_limit = size_t{1} << 20)
        : exchange_(std::make_shared<Exchange>(queue_limit, [this] { wake(); })) {}
    ~Call() { exchange_->detach(); }

    ExchangePtr handle() { return Exchange::handle_of(exchange_); }
    void go_away() { exchange_->abandon(Abandoned::client_gone); }
    void server_stops() { exchange_->abandon(Abandoned::server_stopping); }

    // Everything until the answer is complete or `enough` is in the body.
    const Answer& wait(std::string_view enough = {}) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        const auto is_enough = [&] {
            return answer_.complete || (!enough.empty() && answer_.body.find(enough) != std::string::npos);
        };
        std::unique_lock lock(mutex_);
        while (!is_enough()) {
            lock.unlock();
            take();
            lock.lock();
            if (!woken_ && !is_enough() && woke_.wait_until(lock, deadline) == std::cv_status::timeout) break;
            woken_ = false;
        }
        return answer_;
    }

  private:
    void take() {
        while (auto output = exchange_->take()) {
            if (output->head) {
                answer_.status = output->head->status;
                answer_.content_type = output->head->content_type;
                answer_.headers = output->head->headers;
            }
            answer_.body += output->bytes;
            answer_.complete = output->complete;
            if (output->broken) break;
        }
    }
    void wake() {
        std::lock_guard lock(mutex_);
        woken_ = true;
        woke_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable woke_;
    bool woken_ = false;
    Answer answer_;
    std::shared_ptr<Exchange> exchange_;
};

class ServiceTest : public ::testing::Test {
  protected:
    void start(ServerOptions options = {}, text::ChatTemplates templates = default_chat_templates(),
               std::unique_ptr<text::Tokenizer> other_tokenizer = nullptr, std::shared_ptr<RequestLog> log = nullptr,
               std::string_view dialect = {}) {
        tokenizer_ = std::move(other_tokenizer);
        if (!tokenizer_) {
            auto tokenizer = text::Tokenizer::load(std::filesystem::path(HONE_TESTS_DIR) / "golden/models/qwen3_moe");
            ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
            tokenizer_ = std::move(tokenizer).value();
        }
        options.version = "1.2.3";
        std::optional<text::ModelDialect> spoken;
        if (!dialect.empty()) spoken = text::ModelDialect(*text::dialect_named(dialect), true, *tokenizer_);
        service_ = std::make_unique<Service>(options,
                                             ServiceModel{.name = "tiny",
                                                          .numeric_class = "f32seq",
                                                          .tokenizer = *tokenizer_,
                                                          .chat_templates = std::move(templates),
                                                          .special_tokens = {},
                                                          .generator = generator_,
                                                          .defaults = {.end_ids = {2}},
                                                          .vocabulary = 288,
                                                          .dialect = std::move(spoken),
                                                          .adapters = adapters_,
                                                          .steps = steps_,
                                                          .engine = engine_facts_,
                                                          .describe = describe_},
                                             std::move(log));
        handlers_ = service_->handlers();
    }

    static Request request(std::string method, std::string path, std::string body = "") {
        return {.method = std::move(method),
                .path = std::move(path),
                .query = {},
                .headers = {{"Content-Type", "application/json"}},
                .body = std::move(body)};
    }
    void send(Call& call, Request request) {
        if (auto refused = handlers_.screen(request)) return call.handle()->respond(std::move(*refused));
        handlers_.serve(std::move(request), call.handle());
    }
    Answer ask(Request request) {
        Call call;
        send(call, std::move(request));
        return call.wait();
    }
    Answer post(std::string path, std::string body) { return ask(request("POST", std::move(path), std::move(body))); }

    ScriptedGenerator generator_;
    Adapters* adapters_ = nullptr;  // set before start(), as what follows
    engine::EngineFacts engine_facts_{.layers = 4, .threads = 2, .max_streams = 8, .pages = 100, .page_tokens = 64};
    std::function<std::string()> describe_;
    engine::StepTap steps_;
    std::unique_ptr<text::Tokenizer> tokenizer_;
    std::unique_ptr<Service> service_;
    HttpHandlers handlers_;
};

}  // namespace hone::serve
