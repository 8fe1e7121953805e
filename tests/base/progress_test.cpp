#include "base/progress.h"

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

TEST(Progress, EndsWithTotalAndRate) {
    testing::internal::CaptureStderr();
    {
        Progress progress("loading", 100, Progress::Unit::bytes);
        progress.advance(100);
    }
    const std::string out = testing::internal::GetCapturedStderr();
    EXPECT_EQ(out.find("loading: 100 B, "), 0u) << out;
    EXPECT_EQ(out.back(), '\n');
}

}  // namespace
}  // namespace hone
