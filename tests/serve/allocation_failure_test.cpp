// Memory that runs out at any one moment of a request's life: every allocation of the workers, of sinks on the engine's
// thread, of the request log and of a connection whose client leaves fails once. The request ends with an answer or a cut stream, and the next one is served as before.
// Not under AddressSanitizer, whose allocator these functions would stand beside.
#ifndef __SANITIZE_ADDRESS__

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>

#include "base/log.h"
#include "tests/serve/service_fixture.h"

namespace {

std::atomic<int64_t> left_until_failure{-1};  // negative: none fails

}  // namespace

// Not inlined: GCC takes the pair for a mismatch where it sees one half.
__attribute__((noinline)) void* operator new(size_t size) {
    if (!hone::serve::never_out_of_memory && left_until_failure.load(std::memory_order_relaxed) >= 0 &&
        left_until_failure.fetch_sub(1) == 0)
        throw std::bad_alloc();
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}

__attribute__((noinline)) void operator delete(void* memory) noexcept {
    std::free(memory);
}

__attribute__((noinline)) void operator delete(void* memory, size_t) noexcept {
    std::free(memory);
}

namespace hone::serve {
namespace {

class AllocationFailureTest : public ServiceTest {
  protected:
    void SetUp() override {
        never_out_of_memory = true;
        path_ = std::filesystem::temp_directory_path() / fmt::format("hone_memory_{}.jsonl", ::getpid());
        auto log = RequestLog::open(path_, "tiny");
        ASSERT_TRUE(log.ok());
        log_ = *log;
        start({}, default_chat_templates(), nullptr, log_);
        generator_.script("hello");
        ASSERT_TRUE(start_logging("off").ok());
    }
    void TearDown() override {
        left_until_failure = -1;
        never_out_of_memory = false;
        ASSERT_TRUE(start_logging("warn").ok());
        service_ = nullptr;
        log_ = nullptr;
        std::filesystem::remove(path_);
    }
    Request noted(Request request) {
        request.transfer = handlers_.begin_transfer();
        request.transfer->path = request.path;
        return request;
    }

    // Fails the request's allocations one after the other; how many there were.
    int fail_each(const std::string& path, const std::string& body) {
        for (int failing = 0;; ++failing) {
            Call call;
            left_until_failure = failing;
            send(call, noted(request("POST", path, body)));
            const Answer answer = call.wait();
            const bool failed = left_until_failure.exchange(-1) < 0;
            EXPECT_TRUE(answer.complete) << failing << ": " << answer.body;
            EXPECT_TRUE(answer.status == 200 || answer.status == 500 || answer.status == 503) << answer.status;
            EXPECT_TRUE(eventually([&] { return generator_.metrics().running == 0; })) << failing;
            if (!failed || HasFailure()) return failing;
        }
    }
    // Lines of the request log, and those that it says are missing.
    size_t lines_told() const {
        size_t told = 0;
        std::ifstream file(path_);
        for (std::string line; std::getline(file, line);) {
            const auto parsed = boost::json::parse(line).as_object();
            told += parsed.contains("lines_dropped") ? parsed.at("lines_dropped").to_number<size_t>() : 1;
        }
        return told;
    }
    std::string stable(std::string body) {  // without what differs from answer to answer
        boost::json::value answer = boost::json::parse(body);
        for (const char* field : {"id", "created", "hone"}) answer.as_object().erase(field);
        return boost::json::serialize(answer);
    }

    std::filesystem::path path_;
    std::shared_ptr<RequestLog> log_;
};

TEST_F(AllocationFailureTest, EndsTheRequestOnly) {
    const std::string whole = R"({"prompt":["ab","c"],"n":2,"logprobs":2,"max_tokens":20})";
    const std::string before = stable(post("/v1/completions", whole).body);
    EXPECT_GT(fail_each("/v1/completions", whole), 200);
    EXPECT_EQ(stable(post("/v1/completions", whole).body), before);
    EXPECT_GT(fail_each("/v1/chat/completions",
                        R"({"messages":[{"role":"user","content":"hi"}],"n":2,"stream":true,"max_tokens":20})"),
              200);
    EXPECT_EQ(stable(post("/v1/completions", whole).body), before);
    EXPECT_GT(fail_each("/tokenize", R"({"prompt":"abc"})"), 5);
}

TEST_F(AllocationFailureTest, AClientThatLeavesIsNoticed) {
    generator_.script("hello", 1, false);
    for (int failing = 0;; ++failing) {
        const size_t told = generator_.told();
        Call call;
        send(call, noted(request("POST", "/v1/completions", R"({"prompt":"a","stream":true,"max_tokens":100})")));
        ASSERT_TRUE(eventually([&] { return generator_.told() == told + 5; })) << failing;
        left_until_failure = failing;
        never_out_of_memory = false;
        call.go_away();
        never_out_of_memory = true;
        generator_.continue_with("x");  // what was not noticed is with the next event
        EXPECT_TRUE(eventually([&] { return generator_.metrics().running == 0; })) << failing;
        const bool failed = left_until_failure.exchange(-1) < 0;
        if (HasFailure()) return;
        if (failed) continue;
        EXPECT_GT(failing, 2);
        break;
    }
}

// What cannot be written is counted as soon as something can.
TEST_F(AllocationFailureTest, CostsLinesOfTheRequestLogOnly) {
    size_t noted = 0;
    for (int failing = 0;; ++failing) {
        left_until_failure = failing;
        RequestLog::new_record(log_);
        ++noted;
        EXPECT_TRUE(eventually([&] { return left_until_failure < 0 || lines_told() == noted; }));
        if (left_until_failure.exchange(-1) < 0) continue;
        EXPECT_GT(failing, 20);
        break;
    }
    EXPECT_EQ(lines_told(), noted);
}

}  // namespace
}  // namespace hone::serve

#endif  // __SANITIZE_ADDRESS__
