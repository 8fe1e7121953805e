#include "base/thread_pool.h"

#include <numeric>

#include <gtest/gtest.h>
#include <immintrin.h>

#include "base/rng.h"

namespace hone {
namespace {

TEST(ThreadPool, RunsEveryTileOnce) {
    for (const int threads : {1, 2, 3, 5}) {
        ThreadPool pool(threads);
        Random random(1);
        for (int loop = 0; loop < 500; loop++) {
            std::vector<std::atomic<int>> runs(random.below(40));
            pool.parallel_for(static_cast<int64_t>(runs.size()), [&](int64_t tile, int worker) {
                ASSERT_LT(worker, threads);
                runs[static_cast<size_t>(tile)]++;
            });
            for (const auto& count : runs) ASSERT_EQ(count, 1);
        }
    }
}

TEST(ThreadPool, WritesAreVisibleAfterTheLoop) {
    ThreadPool pool(2);
    std::vector<int64_t> values(1000);
    for (int loop = 0; loop < 200; loop++) {
        pool.parallel_for(1000, [&](int64_t tile, int) { values[static_cast<size_t>(tile)] += tile; });
    }
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), 200 * 999 * 1000 / 2);
}

// With more threads than cores some come to a loop when it is over, or when the next has begun.
TEST(ThreadPool, LateWorkersTakeNothingOfAnotherLoop) {
    const int threads = 4 * static_cast<int>(std::thread::hardware_concurrency());
    ThreadPool pool(threads);
    for (uint32_t loop = 0; loop < 3000; loop++) {
        const uint32_t tiles = 2 + loop % 7;
        std::atomic<uint32_t> sum{0};
        pool.parallel_for(tiles, [&](int64_t tile, int) { sum += static_cast<uint32_t>(tile) + loop; });
        ASSERT_EQ(sum, tiles * (tiles - 1) / 2 + tiles * loop);
    }
}

TEST(ThreadPool, SleepsAndWakes) {
    ThreadPool pool(3);
    std::atomic<int> runs{0};
    for (int loop = 0; loop < 5; loop++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        pool.parallel_for(3, [&](int64_t, int) { runs++; });
    }
    EXPECT_EQ(runs, 15);
}

TEST(ThreadPool, WorkersFlushDenormals) {
    constexpr int kThreads = 3;
    constexpr unsigned kDefaultControl = 0x1f80;  // of a thread that never flushed; new threads inherit it
    _mm_setcsr(kDefaultControl);
    ThreadPool pool(kThreads);
    std::atomic<int> arrived{0};
    bool flushes[kThreads] = {};
    pool.parallel_for(kThreads, [&](int64_t, int worker) {
        arrived++;
        while (arrived < kThreads) std::this_thread::yield();  // a tile for each thread: none takes two
        volatile float tiny = 1e-38f;
        volatile float product = tiny * 0.1f;
        flushes[worker] = product == 0.0f;
    });
    for (int worker = 0; worker < kThreads; worker++) EXPECT_TRUE(flushes[worker]) << worker;
}

}  // namespace
}  // namespace hone
