#include "base/turns.h"

#include <chrono>
#include <numeric>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/rng.h"

namespace hone {
namespace {

void busy(double seconds) {
    for (const double end = monotonic_seconds() + seconds; monotonic_seconds() < end;) {
    }
}

// Gives turns until the guest's thread has ended.
template <class BetweenTurns>
void host_until(Turns& turns, const std::atomic<bool>& ended, double seconds, BetweenTurns between) {
    while (!ended) {
        between();
        if (turns.wanted()) turns.give(seconds);
    }
}

TEST(Turns, EveryTileOnceAndNeverWithTheHost) {
    for (const int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        Turns turns;
        turns.open(pool, [] {});
        std::atomic<bool> ended = false, host_computes = false;
        std::atomic<int> overlaps = 0, turns_given = 0;
        std::vector<int64_t> sums;
        std::thread guest([&] {
            ThreadPool guest_pool(turns);
            EXPECT_EQ(guest_pool.threads(), threads);
            Random random(1);
            for (int stay = 0; stay < 5; stay++) {
                const Visit visit(guest_pool);
                for (int loop = 0; loop < 20; loop++) {
                    std::vector<std::atomic<int>> runs(random.below(40));
                    guest_pool.parallel_for(std::ssize(runs), [&](int64_t tile, int worker) {
                        EXPECT_LT(worker, threads);
                        if (host_computes) overlaps++;
                        busy(20e-6);
                        runs[static_cast<size_t>(tile)]++;
                    });
                    for (const auto& count : runs) EXPECT_EQ(count, 1);
                }
            }
            ended = true;
        });
        host_until(turns, ended, 100e-6, [&] {
            host_computes = true;
            std::atomic<int> tiles = 0;
            pool.parallel_for(4, [&](int64_t, int) { tiles++; });
            EXPECT_EQ(tiles, 4);
            host_computes = false;
            turns_given++;
        });
        guest.join();
        turns.close();
        EXPECT_EQ(overlaps, 0);
        EXPECT_GT(turns_given, 20);
    }
}

TEST(Turns, ALoopStopsWhenTheTimeIsOver) {
    ThreadPool pool(2);
    Turns turns;
    turns.open(pool, [] {});
    std::atomic<bool> ended = false;
    std::atomic<int> tiles = 0, most = 0;
    std::thread guest([&] {
        ThreadPool guest_pool(turns);
        const Visit visit(guest_pool);
        guest_pool.parallel_for(100, [&](int64_t, int) {
            tiles++;
            busy(1e-3);
        });
        ended = true;
    });
    int given = 0;
    while (!ended) {
        if (!turns.wanted()) continue;
        const int before = tiles;
        turns.give(0);  // over before it begins: a tile for each thread
        most = std::max<int>(most, tiles - before);
        given++;
    }
    guest.join();
    turns.close();
    EXPECT_EQ(tiles, 100);
    EXPECT_LE(most, 2);
    EXPECT_GE(given, 50);
}

TEST(Turns, AHostThatSleepsIsWoken) {
    ThreadPool pool(1);
    Turns turns;
    std::atomic<int> calls = 0;
    std::atomic<bool> ended = false;
    std::thread guest([&] {  // comes before the host does
        ThreadPool guest_pool(turns);
        for (int stay = 0; stay < 3; stay++) {
            const Visit visit(guest_pool);
            guest_pool.parallel_for(2, [](int64_t, int) {});
        }
        ended = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    turns.open(pool, [&] {
        calls++;
        calls.notify_all();
    });
    for (int stay = 0; stay < 3; stay++) {
        calls.wait(stay);
        ASSERT_TRUE(turns.wanted());
        EXPECT_LT(turns.give(10), 5);  // until the guest leaves
    }
    guest.join();
    turns.close();
    EXPECT_EQ(calls, 3);
}

TEST(Turns, ALoopOutsideIsAVisitOfItsOwn) {
    ThreadPool pool(2);
    Turns turns;
    turns.open(pool, [] {});
    std::atomic<bool> ended = false;
    std::atomic<int> tiles = 0;
    std::thread guest([&] {
        ThreadPool guest_pool(turns);
        for (int loop = 0; loop < 3; loop++) guest_pool.parallel_for(5, [&](int64_t, int) { tiles++; });
        {
            const Visit visit(guest_pool), inner(guest_pool);
            guest_pool.parallel_for(5, [&](int64_t, int) { tiles++; });
            EXPECT_TRUE(turns.entered());
        }
        EXPECT_FALSE(turns.entered());
        ended = true;
    });
    host_until(turns, ended, 1e-3, [] {});
    guest.join();
    turns.close();
    EXPECT_EQ(tiles, 20);
}

TEST(Turns, ADismissedGuestIsThrownOutWhereItWaits) {
    for (const bool with_host : {false, true}) {
        for (const int given : {0, 1, 3}) {
            ThreadPool pool(2);
            Turns turns;
            if (with_host) turns.open(pool, [] {});
            std::atomic<bool> thrown = false;
            std::thread guest([&] {
                try {
                    ThreadPool guest_pool(turns);
                    const Visit visit(guest_pool);
                    for (;;) guest_pool.parallel_for(8, [](int64_t, int) { busy(1e-4); });
                } catch (const Dismissed&) {
                    thrown = true;
                }
            });
            for (int turn = 0; with_host && turn < given; turn++) {
                while (!turns.wanted()) std::this_thread::yield();
                turns.give(1e-3);
            }
            turns.dismiss();
            guest.join();
            EXPECT_TRUE(thrown);
            EXPECT_FALSE(turns.wanted());
            EXPECT_EQ(turns.give(1), 0);
            if (with_host) turns.close();
        }
    }
}

TEST(Turns, ADismissedGuestFinishesWhatItDoesNotLeaveHalfDone) {
    ThreadPool pool(2);
    Turns turns;
    turns.open(pool, [] {});
    std::atomic<int> tiles = 0;
    std::atomic<bool> ended = false, holds = false;
    std::thread guest([&] {
        ThreadPool guest_pool(turns);
        try {
            const Visit visit(guest_pool);
            {
                const Undivided change(guest_pool);
                holds = true;
                guest_pool.parallel_for(40, [&](int64_t, int) {
                    busy(1e-4);
                    tiles++;
                });
            }
            for (;;) guest_pool.parallel_for(4, [](int64_t, int) { busy(1e-4); });
        } catch (const Dismissed&) {
            ended = true;
        }
    });
    while (!holds) {
        if (turns.wanted()) turns.give(2e-4);
    }
    turns.dismiss();
    host_until(turns, ended, 2e-4, [] {});
    guest.join();
    turns.close();
    EXPECT_EQ(tiles, 40);
}

TEST(Turns, WhoHasNoTurnsToTakeVisitsNobody) {
    ThreadPool pool(1);
    const Visit visit(pool);
    int tiles = 0;
    pool.parallel_for(3, [&](int64_t, int) { tiles++; });
    EXPECT_EQ(tiles, 3);
}

}  // namespace
}  // namespace hone
