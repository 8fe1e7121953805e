#include "engine/cache/page_pool.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace hone::engine {
namespace {

constexpr size_t kBytes = 256;

std::span<std::byte> bytes_of(PagePool& pool, int32_t page) {
    return {pool.data() + static_cast<size_t>(page) * kBytes, kBytes};
}

TEST(PagePool, counts_pages_by_what_keeps_them) {
    auto pool = std::move(*PagePool::create(kBytes, 3));
    EXPECT_EQ(pool.free(), 3);
    const int32_t a = *pool.take(), b = *pool.take();
    EXPECT_NE(a, b);
    EXPECT_EQ(pool.in_use(), 2);
    pool.retain(a);
    pool.release(a);
    EXPECT_EQ(pool.references(a), 1);
    pool.set_cached(a, true);
    pool.release(a);
    EXPECT_EQ(pool.cached_only(), 1);
    EXPECT_EQ(pool.in_use(), 1);
    pool.retain(a);  // a hit
    EXPECT_EQ(pool.cached_only(), 0);
    pool.release(a);
    pool.set_cached(a, false);  // evicted
    pool.release(b);
    EXPECT_EQ(pool.free(), 3);
    EXPECT_EQ(pool.in_use(), 0);
}

TEST(PagePool, an_empty_pool_gives_nothing) {
    auto pool = std::move(*PagePool::create(kBytes, 1));
    EXPECT_TRUE(pool.take().has_value());
    EXPECT_FALSE(pool.take().has_value());
}

TEST(PagePool, a_page_is_zero_whenever_it_is_handed_out) {
    auto pool = std::move(*PagePool::create(kBytes, 2));
    for (int round = 0; round < 4; round++) {
        const int32_t page = *pool.take();
        EXPECT_TRUE(std::ranges::all_of(bytes_of(pool, page), [](std::byte b) { return b == std::byte{0}; }));
        std::ranges::fill(bytes_of(pool, page), std::byte{0xff});
        pool.release(page);
    }
}

TEST(PagePoolDeath, misuse_aborts) {
    auto pool = std::move(*PagePool::create(kBytes, 1));
    EXPECT_DEATH(pool.release(0), "references");
    EXPECT_DEATH(pool.retain(0), "page 0 is free");
    EXPECT_DEATH(pool.retain(1), "page 1 of 1");
}

TEST(PagePool, sizes_that_cannot_be_had_are_an_error) {
    const auto pool = PagePool::create(size_t{1} << 40, 1 << 20);
    ASSERT_FALSE(pool.ok());
    EXPECT_NE(pool.error().message.find("1048576 pages"), std::string::npos);
}

}  // namespace
}  // namespace hone::engine
