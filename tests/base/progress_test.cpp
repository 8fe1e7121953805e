#include "base/progress.h"

#include <functional>

#include <gtest/gtest.h>

namespace hone {
namespace {

TEST(FormatBytes, PicksTheUnit) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(1023), "1023 B");
    EXPECT_EQ(format_bytes(1536), "1.5 KiB");
    EXPECT_EQ(format_bytes(3.25 * (1 << 30)), "3.2 GiB");
}

TEST(FormatDuration, PicksTheForm) {
    EXPECT_EQ(format_duration(4.53), "4.5 s");
    EXPECT_EQ(format_duration(125), "2:05");
    EXPECT_EQ(format_duration(3723), "1:02:03");
}

// What progress over `total` bytes writes while `work` runs, on a clock that stands still unless moved.
std::string lines_of(uint64_t total, const std::function<void(Progress& progress, double& now)>& work) {
    testing::internal::CaptureStderr();
    {
        double now = 1000;
        Progress progress("loading", total, Progress::Unit::bytes, false, [&] { return now; });
        work(progress, now);
    }
    return testing::internal::GetCapturedStderr();
}

TEST(Progress, EndsWithTotalAndRate) {
    const std::string lines = lines_of(100, [](Progress& progress, double& now) {
        progress.advance(100);
        now += 4;
        progress.finish();
        progress.finish();  // says nothing more
    });
    EXPECT_EQ(lines, "loading: 100 B, 25 B/s, 4.0 s\n");
}

TEST(Progress, TellsPartRateAndTimeLeftEveryFiveSeconds) {
    const std::string lines = lines_of(4096, [](Progress& progress, double& now) {
        now += 4.9;
        progress.advance(512);
        now += 3.1;
        progress.advance(512);  // 8 s: the first line
        now += 4.9;
        progress.advance(1);
        now += 3.1;
        progress.advance(2047);  // 16 s: the second
        progress.finish();
    });
    EXPECT_EQ(lines,
              "loading: 1.0 KiB of 4.0 KiB (25 %), 128 B/s, 24.0 s left\n"
              "loading: 3.0 KiB of 4.0 KiB (75 %), 192 B/s, 5.3 s left\n"
              "loading: 3.0 KiB, 192 B/s, 16.0 s\n");
}

TEST(Progress, UnknownTotalHasNoPart) {
    const std::string lines = lines_of(0, [](Progress& progress, double& now) {
        now += 8;
        progress.advance(1024);
    });
    EXPECT_EQ(lines, "loading: 1.0 KiB, 128 B/s\nloading: stopped at 1.0 KiB\n");
}

TEST(Progress, WorkThatFailedIsNotToldAsFinished) {
    const std::string lines = lines_of(100, [](Progress& progress, double& now) {
        now += 1;
        progress.advance(30);
    });
    EXPECT_EQ(lines, "loading: stopped at 30 B of 100 B\n");
}

TEST(Progress, QuietSaysNothing) {
    testing::internal::CaptureStderr();
    {
        Progress finished("loading", 100, Progress::Unit::bytes, true),
            stopped("loading", 100, Progress::Unit::bytes, true);
        finished.finish();
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace hone
