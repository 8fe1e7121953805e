// The loop with pages on disk: what was evicted is read instead of computed, exactly, for whoever may have it.

#include "engine/page_fetcher.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/engine/fake_model.h"
#include "tests/parity/random_requests.h"
#include "tests/parity/random_schedule.h"
#include "tests/temporary_folder.h"

namespace hone::engine {
namespace {

using testing_models::FakeModel;
using testing_models::test_kernels;

class PageFetcherTest : public testing::Test {
  protected:
    PageFetcherTest() { spdlog::set_level(spdlog::level::off); }
    ~PageFetcherTest() override { spdlog::set_level(spdlog::level::info); }

    // A new process over the same folder.
    void start(int32_t pages, LoopOptions options = {}, size_t disk_bytes = 1 << 20) {
        loop.reset();
        auto store = SpillStore::open({folder.path, disk_bytes, "fake"}, model.cache_spec().page_bytes);
        ASSERT_TRUE(store.ok()) << store.error().message;
        loop = std::make_unique<Loop>(model, test_kernels(),
                                      std::move(*PagePool::create(model.cache_spec().page_bytes, pages)),
                                      std::move(options), std::move(*store));
    }
    static Request request_of(size_t length, int32_t kind, std::string salt = {}) {
        Request request{.prompt = std::vector<int32_t>(length, kind), .sampling = {.max_tokens = 2, .seed = 5}};
        for (size_t i = 0; i < length; i++) request.prompt[i] = (kind + static_cast<int32_t>(i % 7)) % 200;
        request.cache_salt = std::move(salt);
        return request;
    }
    // Cached tokens of each; what they got is what they get alone.
    std::vector<int32_t> run(const std::vector<Request>& requests) {
        std::vector<parity::detail::Arrival> arrivals;
        for (const Request& request : requests) {
            arrivals.push_back({.request = request, .wanted = static_cast<int32_t>(arrivals.size())});
        }
        const auto outcomes = parity::detail::run_arrivals(*loop, std::move(arrivals), requests.size());
        std::vector<int32_t> cached;
        for (size_t i = 0; i < requests.size(); i++) {
            const int64_t rows = model.rows;
            const auto alone = parity::run_alone(model, test_kernels(), requests[i]);
            model.rows = rows;  // of the loop only
            EXPECT_EQ(parity::difference(alone, outcomes[i]), "");
            cached.push_back(outcomes[i].cached_tokens);
        }
        EXPECT_EQ(loop->metrics().pages_in_use, 0);
        return cached;
    }
    using Counts = std::vector<int32_t>;

    TemporaryFolder folder;
    FakeModel model{3, 200};
    std::unique_ptr<Loop> loop;
};

TEST_F(PageFetcherTest, evicted_pages_come_back) {
    start(8);
    EXPECT_EQ(run({request_of(300, 1)}), Counts{0});
    EXPECT_EQ(run({request_of(400, 50)}), Counts{0});  // all 8 pages but one
    EXPECT_GE(loop->metrics().evicted_pages, 4u);
    model.rows = 0;
    EXPECT_EQ(run({request_of(300, 1)}), Counts{299});
    EXPECT_EQ(model.rows, 3 * 2);  // the last token of the prompt and the first generated
    EXPECT_GE(loop->metrics().spill.read_pages, 4u);
    EXPECT_EQ(loop->metrics().spill.failures, 0u);
}

TEST_F(PageFetcherTest, the_next_process_goes_on_exactly_there) {
    start(20);
    EXPECT_EQ(run({request_of(300, 1), request_of(90, 50)}), (Counts{0, 0}));
    start(20);
    EXPECT_EQ(loop->metrics().spill.written_pages, 0u);
    EXPECT_EQ(run({request_of(310, 1), request_of(90, 50)}), (Counts{300, 89}));
    EXPECT_EQ(loop->metrics().cached_tokens, 389u);
}

TEST_F(PageFetcherTest, a_disk_too_small_for_all_keeps_what_was_used_last) {
    const auto start_with_room = [&](size_t records) { start(20, {}, 4096 + records * 4096); };
    start_with_room(4);
    run({request_of(300, 1)}), run({request_of(90, 50)});  // five pages and two
    start_with_room(4);
    EXPECT_EQ(run({request_of(90, 50)}), Counts{89});
    EXPECT_EQ(run({request_of(300, 1)}), Counts{128});
}

TEST_F(PageFetcherTest, the_next_process_replaces_what_was_used_least) {
    const auto start_with_room = [&] { start(20, {}, 4096 + 7 * 4096); };
    start_with_room();
    run({request_of(300, 1)}), run({request_of(90, 50)});
    start_with_room();
    run({request_of(90, 120)});
    start_with_room();
    EXPECT_EQ(run({request_of(90, 120), request_of(90, 50), request_of(300, 1)}), (Counts{89, 89, 192}));
}

TEST_F(PageFetcherTest, prompts_that_arrive_together_read_once) {
    start(40);
    run({request_of(300, 1)});
    start(40);
    model.rows = 0;
    EXPECT_EQ(run({request_of(300, 1), request_of(300, 1), request_of(280, 1)}), (Counts{299, 299, 279}));
    EXPECT_EQ(loop->metrics().spill.read_pages, 5u);
    EXPECT_EQ(model.rows, 3 * 3 * 2);
}

TEST_F(PageFetcherTest, salts_share_nothing_on_disk) {
    start(20);
    run({request_of(200, 1, "ann")});
    start(20);
    EXPECT_EQ(run({request_of(200, 1), request_of(200, 1, "bob"), request_of(200, 1, "ann")}), (Counts{0, 0, 199}));
}

TEST_F(PageFetcherTest, a_damaged_page_is_computed) {
    start(20);
    run({request_of(300, 1)});
    loop.reset();
    const auto path = folder.path / "kv-pages.hone";
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    // A byte of each page's rows but the first page's; records are of 4 KiB.
    for (std::streamoff at = 4096 + 4096 + 700; at < static_cast<std::streamoff>(std::filesystem::file_size(path));
         at += 4096) {
        file.seekp(at);
        file.put('x');
    }
    file.close();
    start(20);
    EXPECT_EQ(run({request_of(300, 1)}), Counts{64});
    EXPECT_GE(loop->metrics().spill.failures, 1u);
    EXPECT_EQ(run({request_of(300, 1)}), Counts{299});
}

TEST_F(PageFetcherTest, who_is_cancelled_while_pages_are_read_leaves_nothing) {
    for (int steps = 0; steps < 4; steps++) {
        start(20);
        run({request_of(300, 1)});
        start(20);
        int ended = 0;
        for (const uint64_t id : {1, 2}) {
            Request request = request_of(300, 1);
            loop->add({id}, std::move(request), [&](RequestEvent event) { ended += event.finish.has_value(); });
        }
        for (int i = 0; i < steps; i++) loop->step(), loop->report();
        loop->cancel({1});
        while (!loop->idle()) loop->step(), loop->report();
        loop->report();
        EXPECT_EQ(ended, 2);
        EXPECT_EQ(loop->metrics().pages_in_use, 0);
        EXPECT_GE(loop->metrics().cached_tokens, 299u);
    }
}

TEST_F(PageFetcherTest, a_decoding_sequence_does_not_wait_for_the_disk) {
    start(20);
    run({request_of(300, 1)});
    start(20);
    int tokens = 0;
    Request decoding = request_of(10, 90);
    decoding.sampling.max_tokens = 40;
    loop->add({1}, std::move(decoding), [&](RequestEvent event) { tokens += static_cast<int>(event.tokens.size()); });
    loop->step(), loop->report();
    loop->add({2}, request_of(300, 1), [](RequestEvent) {});
    for (int i = 0; i < 5; i++) {
        const int before = tokens;
        loop->step(), loop->report();
        EXPECT_EQ(tokens, before + 1);
    }
    while (!loop->idle()) loop->step(), loop->report();
}

TEST_F(PageFetcherTest, no_schedule_changes_a_bit) {
    parity::ScheduleStatistics statistics;
    for (uint64_t seed = 1; seed <= 60 && !HasFailure(); seed++) {
        const auto requests = parity::random_requests(seed / 10, model.spec().vocabulary, 500);
        // Every ten seeds share a folder, as processes do.
        const parity::RandomScheduleOptions options{.spill_folder = folder.path / std::to_string(seed / 10)};
        const auto outcomes = parity::run_random_schedule(model, test_kernels(), requests, seed, options, &statistics);
        for (size_t i = 0; i < requests.size(); i++) {
            const auto alone = parity::run_alone(model, test_kernels(), requests[i]);
            EXPECT_EQ(parity::difference(alone, outcomes[i]), "") << "request " << i << ", schedule " << seed;
        }
    }
    EXPECT_GT(statistics.fetched_pages, 30);
    EXPECT_GT(statistics.preemptions, 20);
}

}  // namespace
}  // namespace hone::engine
