// The request log: what its lines say, and that nothing that happens to its file disturbs the server.
#include "serve/request_log.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>

#include "tests/serve/raw_client.h"
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

namespace json = boost::json;

class RequestLogTest : public ServiceTest {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / fmt::format("hone_log_{}", ::getpid());
        std::filesystem::create_directories(folder_);
        path_ = folder_ / "requests.jsonl";
    }
    void TearDown() override {
        service_ = nullptr;
        std::filesystem::remove_all(folder_);
    }
    static std::vector<json::object> lines_of(const std::filesystem::path& path) {
        std::vector<json::object> lines;
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line).as_object());
        return lines;
    }
    std::shared_ptr<RequestLog> open() {
        auto log = RequestLog::open(path_, "tiny");
        EXPECT_TRUE(log.ok()) << log.error().message;
        return *log;
    }
    // A request as a connection brings it.
    Request with_transfer(Request request, std::string id) {
        request.transfer = handlers_.begin_transfer();
        request.transfer->id = std::move(id);
        request.transfer->method = request.method;
        request.transfer->path = request.path;
        request.transfer->arrived = monotonic_seconds();
        return request;
    }
    std::vector<json::object> wait_for_lines(size_t count) {
        EXPECT_TRUE(eventually([&] { return lines_of(path_).size() >= count; }));
        return lines_of(path_);
    }

    std::filesystem::path folder_, path_;
};

TEST_F(RequestLogTest, TellsWhatWasDone) {
    start({.api_keys = {"a", "b"}}, default_chat_templates(), nullptr, open());
    Request asked = with_transfer(
        request("POST", "/v1/completions", R"({"prompt":["abc","de"],"n":2,"max_tokens":4,"priority":-3})"), "my-id");
    asked.headers.emplace_back("X-Api-Key", "b");
    EXPECT_EQ(ask(std::move(asked)).status, 200);
    const auto lines = wait_for_lines(1);
    ASSERT_EQ(lines.size(), 1u);
    const json::object& line = lines[0];
    const json::object expected{{"id", "my-id"},        {"method", "POST"},    {"path", "/v1/completions"},
                                {"tenant", 2},          {"model", "tiny"},     {"error", nullptr},
                                {"stream", false},      {"sequences", 4},      {"prompt_tokens", 5},
                                {"cached_tokens", 128}, {"output_tokens", 16}, {"finish", "length"}};
    for (const auto& [name, value] : expected) EXPECT_EQ(line.at(name), value) << name;
    EXPECT_EQ(line.at("time").as_string().size(), std::string_view("2025-01-02T03:04:05.678Z").size());
    for (const char* phase : {"intake_s", "decode_s", "ttft_s"}) EXPECT_GE(line.at(phase).as_double(), 0) << phase;
    EXPECT_EQ(json::serialize(line).find("\"b\""), std::string::npos) << "no key";
    EXPECT_EQ(generator_.requests()[0].tenant, 2u);
    EXPECT_EQ(generator_.requests()[0].priority, -3);
}

TEST_F(RequestLogTest, TellsTheErrorThatWasAnsweredAndLeavesOutProbes) {
    start({.api_keys = {"key"}}, default_chat_templates(), nullptr, open());
    auto listener = Listener::bind({.port = 0, .limits = {.body_bytes = 1000, .all_bodies_bytes = 400}});
    ASSERT_TRUE(listener.ok());
    ASSERT_TRUE((*listener)->start(handlers_).ok());
    const auto sent = [](std::string_view line, std::string_view headers = "", std::string_view body = "") {
        return fmt::format("{} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{}", line, body.size(), headers,
                           body);
    };
    constexpr std::string_view kPost = "POST /v1/completions";
    constexpr std::string_view kFine = "X-Api-Key: key\r\nContent-Type: application/json\r\n";
    struct Case {
        std::string request;
        int status;
        const char* error;
    };
    const std::vector<Case> cases{
        {sent("GET /nowhere"), 404, "not_found"},
        {sent("PUT /v1/completions"), 405, "method_not_allowed"},
        {sent(kPost, "Content-Type: application/json\r\n"), 401, "invalid_api_key"},
        {sent(kPost, "X-Api-Key: key\r\nContent-Type: text/plain\r\n"), 415, "unsupported_media_type"},
        {sent(kPost, kFine, std::string(1001, ' ')), 413, "request_too_large"},
        {sent(kPost, kFine, std::string(900, ' ')), 429, "overloaded"},
        {"nonsense\r\n\r\n", 400, "invalid_request_error"},
        {sent("GET /v1/models/other", "X-Api-Key: key\r\n"), 404, "model_not_found"},
        {sent(kPost, kFine, R"({"prompt":5})"), 400, "invalid_type"},
        {sent(kPost, kFine, R"({"prompt":"a","stream":true})"), 200, "server_error"},
    };
    for (size_t i = 0; i < cases.size(); ++i) {
        if (cases[i].status == 200) generator_.fail_next("the engine fell over");
        RawClient client((*listener)->port());
        client.send(sent("GET /health"));
        client.read_until("ok");
        client.send(cases[i].request);
        EXPECT_NE(client.read_until("}}").find("}}"), std::string::npos) << cases[i].error;
        client.close();
        const auto lines = wait_for_lines(i + 1);
        ASSERT_EQ(lines.size(), i + 1);
        EXPECT_EQ(lines[i].at("status"), cases[i].status) << cases[i].error;
        EXPECT_EQ(lines[i].at("error"), cases[i].error);
        EXPECT_EQ(lines[i].contains("prompt_tokens"), cases[i].status == 200);
    }
}

TEST_F(RequestLogTest, ACancelledRequestIsNotedAtItsEnd) {
    start({}, default_chat_templates(), nullptr, open());
    generator_.script("hello", 1, false);
    Call call;
    send(call,
         with_transfer(request("POST", "/v1/completions", R"({"prompt":"a","max_tokens":100,"stream":true})"), "gone"));
    ASSERT_TRUE(eventually([&] { return generator_.told() == 5; }));
    call.go_away();
    const auto lines = wait_for_lines(1);
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0].at("finish"), "abort");
    EXPECT_EQ(lines[0].at("output_tokens"), 5);
}

TEST_F(RequestLogTest, FollowsItsPathWhenTheFileIsRotated) {
    const auto log = open();
    const auto note = [&](const char* id) { RequestLog::new_record(log)->id = id; };
    note("one");
    wait_for_lines(1);
    std::filesystem::rename(path_, folder_ / "old");
    note("two");
    EXPECT_EQ(wait_for_lines(1)[0].at("id"), "two");
    std::filesystem::remove(path_);
    note("three");
    EXPECT_EQ(wait_for_lines(1)[0].at("id"), "three");
    EXPECT_EQ(lines_of(folder_ / "old").size(), 1u);
}

TEST_F(RequestLogTest, LinesThatCannotBeWrittenAreCounted) {
    const auto log = open();
    RequestLog::new_record(log);
    wait_for_lines(1);
    std::filesystem::remove_all(folder_);  // not even a folder to make the file in
    for (int i = 0; i < 3; ++i) RequestLog::new_record(log);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::filesystem::create_directories(folder_);
    RequestLog::new_record(log)->id = "after";
    const auto lines = wait_for_lines(2);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].at("lines_dropped"), 3);
    EXPECT_EQ(lines[1].at("id"), "after");
}

// Of three lines one fits as a whole and one in part, which does not spoil the line after it.
TEST_F(RequestLogTest, AFullDiskCostsOnlyTheLinesThatDoNotFit) {
    const auto log = open();
    RequestLog::new_record(log);
    wait_for_lines(1);
    const auto line_bytes = std::filesystem::file_size(path_);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit full{line_bytes * 5 / 2, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    for (int i = 0; i < 3; ++i) RequestLog::new_record(log);
    EXPECT_TRUE(eventually([&] { return std::filesystem::file_size(path_) == full.rlim_cur; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    RequestLog::new_record(log)->id = "after";
    std::vector<std::string> lines;
    ASSERT_TRUE(eventually([&] {
        lines.clear();
        std::ifstream file(path_);
        for (std::string line; std::getline(file, line);) lines.push_back(line);
        return lines.size() == 5;
    }));
    EXPECT_EQ(json::parse(lines[1]).at("status"), 0);
    EXPECT_EQ(json::parse(lines[3]).at("lines_dropped"), 2);
    EXPECT_EQ(json::parse(lines[4]).at("id"), "after");
}

TEST_F(RequestLogTest, APathThatCannotBeWrittenIsAnError) {
    const auto log = RequestLog::open(folder_ / "no" / "such", "tiny");
    ASSERT_FALSE(log.ok());
    EXPECT_NE(log.error().message.find("no/such"), std::string::npos);
}

TEST(RequestId, IsTheClientsWhereItIsFitToBeRepeated) {
    const auto id_of = [](std::string given) {
        Request head;
        if (!given.empty()) head.headers.emplace_back("x-request-id", given);
        return request_id_of(head);
    };
    for (const std::string fine : {"a", "req_7f-3.b:c/d+e=@", "0123456789abcdef"}) EXPECT_EQ(id_of(fine), fine);
    const std::vector<std::string> unfit = {"", "two words", "quote\"", "line\r\nbreak", "\xff", std::string(129, 'x')};
    for (const std::string& bad : unfit) {
        EXPECT_EQ(id_of(bad).size(), 16u) << bad;
        EXPECT_NE(id_of(bad), id_of(bad));
    }
}

}  // namespace
}  // namespace hone::serve
