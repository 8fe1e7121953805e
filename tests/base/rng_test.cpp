#include "base/rng.h"

#include <gtest/gtest.h>

namespace hone {
namespace {

// Known-answer vectors of the Random123 distribution for Philox4x32-10.
TEST(Philox, KnownAnswers) {
    EXPECT_EQ(philox4x32({0, 0}, {0, 0, 0, 0}), (Philox4x32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
              (Philox4x32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox4x32({0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
              (Philox4x32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(UniformAt, DependsOnEveryPartOfTheKey) {
    const double value = uniform_at(7, 1, 2);
    EXPECT_EQ(value, uniform_at(7, 1, 2));
    EXPECT_NE(value, uniform_at(8, 1, 2));
    EXPECT_NE(value, uniform_at(7, 2, 2));
    EXPECT_NE(value, uniform_at(7, 1, 3));
    EXPECT_NE(value, uniform_at(7 | uint64_t{1} << 40, 1, 2));
}

TEST(UniformAt, IsUniform) {
    int counts[10] = {};
    for (uint64_t i = 0; i < 100'000; i++) counts[static_cast<int>(10 * uniform_at(42, 0, i))]++;
    for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);  // 5 standard deviations
}

}  // namespace
}  // namespace hone
