#include "base/populate_ahead.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/huge_pages.h"

namespace hone {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

size_t resident_bytes(std::span<const std::byte> memory) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages(memory.size() / page);
    EXPECT_EQ(mincore(const_cast<std::byte*>(memory.data()), memory.size(), pages.data()), 0);
    size_t resident = 0;
    for (const unsigned char flags : pages) resident += (flags & 1) ? page : 0;
    return resident;
}

void wait_for(const PopulateAhead& populate, size_t bytes) {
    for (const double end = monotonic_seconds() + 30; populate.populated() < bytes && monotonic_seconds() < end;)
        usleep(1000);
    ASSERT_GE(populate.populated(), bytes);
}

TEST(PopulateAhead, commits_nothing_before_the_first_mark_and_then_up_to_its_distance) {
    const HugeMemory memory = std::move(*HugeMemory::allocate(64 * kMiB));
    PopulateAhead populate(memory.bytes(), 16 * kMiB);
    EXPECT_EQ(resident_bytes(memory.bytes()), 0u);
    populate.mark(3 * kMiB);
    wait_for(populate, 18 * kMiB);
    EXPECT_GE(resident_bytes(memory.bytes()), 16 * kMiB);
    EXPECT_LE(resident_bytes(memory.bytes()), 22 * kMiB);
    populate.mark(1000 * kMiB);  // beyond the end: all of it is taken to be in use
}

TEST(PopulateAhead, leaves_what_is_written_as_it_is) {
    const HugeMemory memory = std::move(*HugeMemory::allocate(32 * kMiB));
    std::memset(memory.data(), 7, memory.size());
    PopulateAhead populate(memory.bytes(), memory.size());
    populate.mark(1);
    wait_for(populate, memory.size());
    for (size_t i = 0; i < memory.size(); i += 4096) ASSERT_EQ(memory.data()[i], std::byte{7});
}

TEST(PopulateAhead, ends_at_once_in_the_middle) {
    const HugeMemory memory = std::move(*HugeMemory::allocate(4096 * kMiB));
    const double started = monotonic_seconds();
    {
        PopulateAhead populate(memory.bytes(), memory.size());
        populate.mark(1);
    }
    EXPECT_LT(resident_bytes(memory.bytes()), memory.size() / 2);
    EXPECT_LT(monotonic_seconds() - started, 5);
}

}  // namespace
}  // namespace hone
