#include "base/result.h"

#include <gtest/gtest.h>

namespace hone {
namespace {

Result<int> half(int x) {
    if (x % 2) return error("{} is odd", x);
    return x / 2;
}

TEST(Result, HoldsTheValueOrTheReason) {
    EXPECT_EQ(*half(8), 4);
    EXPECT_FALSE(half(7));
    EXPECT_EQ(half(7).error().message, "7 is odd");
    EXPECT_EQ(half(7).error().within("config.json").message, "config.json: 7 is odd");
}

TEST(Result, MovesOutOfATemporary) {
    auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(3); };
    const std::unique_ptr<int> value = std::move(*make());
    EXPECT_EQ(*value, 3);
}

TEST(ResultDeathTest, ValueOfAFailureAborts) {
    EXPECT_DEATH((void)half(7).value(), "7 is odd");
}

TEST(CheckDeathTest, NamesConditionAndValues) {
    const int rows = 3;
    EXPECT_DEATH(CHECK_EQ(rows, 4), "rows == 4.*3 against 4");
}

}  // namespace
}  // namespace hone
