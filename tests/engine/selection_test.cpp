#include "engine/decode/selection.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace hone::engine {
namespace {

std::vector<int32_t> sorted(const std::vector<float>& values, size_t count) {
    std::vector<int32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(
        order, [&](int32_t a, int32_t b) { return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)]; });
    order.resize(std::min(count, order.size()));
    return order;
}

TEST(TopSelection, is_the_beginning_of_a_stable_sort) {
    TopSelection selection;
    Random random(1);
    for (int round = 0; round < 200; round++) {
        std::vector<float> values(1 + random.below(5000));
        const uint64_t distinct = 1 + random.below(round % 2 == 0 ? 20 : 100000);  // many ties, or few
        for (float& value : values) value = static_cast<float>(random.below(distinct)) - 10;
        for (const size_t count : {size_t{1}, size_t{5}, values.size() / 3, values.size(), values.size() + 7}) {
            const auto got = selection.select(values, count);
            EXPECT_TRUE(std::ranges::equal(got, sorted(values, count))) << values.size() << " " << count;
        }
    }
}

TEST(TopSelection, orders_signs_zeros_and_infinities) {
    TopSelection selection;
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> values{-0.0f, 0.0f, -infinity, 1, -1, infinity, 0.0f, -0.0f};
    EXPECT_TRUE(std::ranges::equal(selection.select(values, 8), std::vector<int32_t>{5, 3, 0, 1, 6, 7, 4, 2}));
}

TEST(TopSelection, ascending_values_are_the_worst_order_and_right) {
    std::vector<float> values(100000);
    std::iota(values.begin(), values.end(), 0.0f);
    TopSelection selection;
    EXPECT_TRUE(std::ranges::equal(selection.select(values, 3), std::vector<int32_t>{99999, 99998, 99997}));
}

TEST(IndexOfLargest, is_the_lowest_at_ties) {
    EXPECT_EQ(index_of_largest(std::vector<float>{1, 3, 2, 3}), 1);
    EXPECT_EQ(index_of_largest({}), -1);
    Random random(3);
    for (int round = 0; round < 500; round++) {
        std::vector<float> values(1 + random.below(40));
        for (float& value : values) value = -static_cast<float>(random.below(10));
        EXPECT_EQ(index_of_largest(values), sorted(values, 1)[0]);
    }
}

}  // namespace
}  // namespace hone::engine
