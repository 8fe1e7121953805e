// Any bytes over a real Connection, screened as the service screens them: whatever a client sends, the connection answers
// in HTTP and ends after the client's last byte.
#include <cstdlib>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "serve/http/connection.h"
#include "serve/http/sse.h"
#include "serve/service.h"

namespace hone::serve {
namespace {

using tcp = boost::asio::ip::tcp;

// Nothing gets as far as the engine here.
class NoGenerator final : public Generator {
  public:
    Status check(const engine::Request&) const override { return ok(); }
    Result<engine::RequestId> submit(engine::Request, engine::EventSink) override { return error("no engine"); }
    void cancel(engine::RequestId) override {}
    void set_paused(engine::RequestId, bool) override {}
    void set_adapter(engine::RequestId, std::shared_ptr<const model::Adapter>) override {}
    engine::EngineMetrics metrics() const override { return {}; }
    int32_t max_context() const override { return 1000; }
};

// Answers at once: the body, or a stream of it.
void answer(Request request, const ExchangePtr& exchange) {
    if (request.path != "/v1/chat/completions") return exchange->respond({.body = std::move(request.body)});
    exchange->begin_stream({.content_type = std::string(kSseContentType)});
    exchange->write(sse_event(request.body));
    exchange->end();
}

class Target {
  public:
    Target() {
        CHECK(start_logging("off").ok(), "log level");
        tokenizer_ = text::Tokenizer::of_ids(288).value();
        service_ = std::make_unique<Service>(
            ServerOptions{
                .api_keys = {"key"}, .cors_origins = {"http://web"}, .intake_threads = 1, .output_threads = 1},
            ServiceModel{.name = "tiny",
                         .numeric_class = "f32seq",
                         .tokenizer = *tokenizer_,
                         .chat_templates = default_chat_templates(),
                         .special_tokens = {},
                         .generator = generator_,
                         .defaults = {},
                         .vocabulary = 288,
                         .steps = steps_});
        context_.handlers = service_->handlers();
        context_.handlers.serve = [](Request request, ExchangePtr exchange) { answer(std::move(request), exchange); };
        context_.limits.header_bytes = 4096;
        context_.limits.body_bytes = 8192;
        context_.limits.all_bodies_bytes = 8192;
    }

    void run(std::string_view bytes) {
        int ends[2];
        CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
        CHECK(::send(ends[1], bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()), "send");
        ::shutdown(ends[1], SHUT_WR);
        boost::asio::io_context io;
        tcp::socket socket(boost::asio::make_strand(io));
        socket.assign(tcp::v4(), ends[0]);
        std::make_shared<Connection>(std::move(socket), context_)->start();
        std::string got;
        for (int turns = 0; !context_.connections.empty(); ++turns) {
            CHECK(turns < 20'000, "a connection that does not end");
            io.run_one_for(std::chrono::milliseconds(1));
            char piece[4096];
            for (ssize_t count; (count = ::recv(ends[1], piece, sizeof piece, 0)) > 0;)
                got.append(piece, static_cast<size_t>(count));
        }
        ::close(ends[1]);
        CHECK(got.empty() || got.starts_with("HTTP/1.1 "), "an answer that is no HTTP: {}", got.substr(0, 40));
        CHECK_EQ(context_.body_bytes->load(), size_t{0});
    }

  private:
    NoGenerator generator_;
    engine::StepTap steps_;
    std::unique_ptr<text::Tokenizer> tokenizer_;
    std::unique_ptr<Service> service_;
    ConnectionContext context_;
};

}  // namespace
}  // namespace hone::serve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static hone::serve::Target target;
    constexpr size_t kMost = 16 << 10;
    target.run({reinterpret_cast<const char*>(data), std::min(size, kMost)});
    return 0;
}
