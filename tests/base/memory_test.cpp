#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/arena.h"
#include "base/atomic_file.h"
#include "base/huge_pages.h"
#include "base/mapped_file.h"
#include "tests/temporary_folder.h"

namespace hone {
namespace {

size_t files_in(const std::filesystem::path& folder) {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(AtomicFile, AppearsWholeAndReplaces) {
    TemporaryFolder folder;
    const auto path = folder.path / "out.bin";
    for (const std::string text : {"first", "second, longer"}) {
        auto file = AtomicFile::create(path);
        ASSERT_TRUE(file.ok());
        ASSERT_TRUE(file->write("....").ok());
        ASSERT_TRUE(file->write(text).ok());
        ASSERT_TRUE(file->write_at(0, std::as_bytes(std::span("head", 4))).ok());
        EXPECT_EQ(std::filesystem::exists(path), text[0] == 's');
        ASSERT_TRUE(file->commit().ok());
        EXPECT_EQ(*read_text_file(path), "head" + text);
    }
    EXPECT_EQ(files_in(folder.path), 1u);
}

TEST(AtomicFile, LeavesNothingWhenDropped) {
    TemporaryFolder folder;
    {
        auto file = AtomicFile::create(folder.path / "out.bin");
        ASSERT_TRUE(file.ok());
        ASSERT_TRUE(file->write("half").ok());
    }
    EXPECT_EQ(files_in(folder.path), 0u);
}

TEST(AtomicFile, SaysWhereItCannotWrite) {
    const auto file = AtomicFile::create("/nonexistent/folder/out.bin");
    ASSERT_FALSE(file.ok());
    EXPECT_NE(file.error().message.find("/nonexistent/folder/out.bin"), std::string::npos);
}

TEST(MappedFile, ErrorsNameTheFile) {
    for (const char* path : {"/nonexistent", "/"}) {
        const auto file = MappedFile::open(path);
        ASSERT_FALSE(file.ok());
        EXPECT_EQ(file.error().message.find(path), 0u);
    }
}

TEST(MappedFile, MapsAnEmptyFile) {
    TemporaryFolder folder;
    std::ofstream(folder.path / "empty").flush();
    auto file = MappedFile::open(folder.path / "empty");
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE(file->bytes().empty());
}

size_t pages_mapped(std::span<const std::byte> bytes) {
    const int map = ::open("/proc/self/pagemap", O_RDONLY);
    size_t count = 0;
    for (size_t at = 0; at < bytes.size(); at += 4096) {
        uint64_t entry = 0;
        const uintptr_t page = (reinterpret_cast<uintptr_t>(bytes.data()) + at) / 4096;
        EXPECT_EQ(pread(map, &entry, sizeof entry, static_cast<off_t>(page * sizeof entry)), 8);
        count += entry >> 63;
    }
    ::close(map);
    return count;
}

TEST(MappedFile, PagesAreEnteredAndLetGo) {
    TemporaryFolder folder;
    const auto path = folder.path / "pages";
    std::ofstream(path) << std::string(size_t{64} * 4096, 'x');
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file.ok());
    enter_pages(file->bytes());
    EXPECT_EQ(pages_mapped(file->bytes()), 64u);
    done_reading(file->bytes());
    EXPECT_EQ(pages_mapped(file->bytes()), 0u);
    enter_pages(file->bytes().subspan(4096 + 17, 0));
    EXPECT_EQ(pages_mapped(file->bytes()), 0u);
    enter_pages(file->bytes().subspan(4095, 2));  // of two pages, perhaps with neighbours
    EXPECT_EQ(pages_mapped(file->bytes().first(2 * 4096)), 2u);
}

TEST(MappedFile, WhatIsNoLongerThereIsAnErrorToRead) {
    TemporaryFolder folder;
    const auto path = folder.path / "short";
    std::ofstream(path) << std::string(4096, 'x') << std::string(4096, 'y');
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file.ok());
    std::filesystem::rename(path, folder.path / "elsewhere");  // the file that was opened is read, whatever its name
    std::vector<std::byte> part(100);
    ASSERT_TRUE(file->read_at(4096 - 50, part).ok());
    EXPECT_TRUE(part[49] == std::byte{'x'} && part[50] == std::byte{'y'});
    std::filesystem::resize_file(folder.path / "elsewhere", 4096);
    EXPECT_TRUE(file->read_at(4096 - 100, part).ok());
    const Status cut = file->read_at(4096 - 99, part);
    ASSERT_FALSE(cut.ok());
    EXPECT_EQ(cut.error().message, path.string() + ": cut short to fewer than 4097 bytes");
}

TEST(ReadTextFile, RefusesMoreThanTheLimit) {
    TemporaryFolder folder;
    std::ofstream(folder.path / "big") << "12345";
    EXPECT_TRUE(read_text_file(folder.path / "big", 5).ok());
    EXPECT_FALSE(read_text_file(folder.path / "big", 4).ok());
}

constexpr size_t kMiB = size_t{1} << 20;

TEST(Arena, ScopesReleaseAndReuse) {
    Arena arena;
    float* first;
    {
        const Arena::Scope scope(arena);
        first = arena.take<float>(100).data();
        EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % Arena::kAlignment, 0u);
        EXPECT_GE(arena.take<char>(1).data(), reinterpret_cast<char*>(first + 100));
        std::memset(arena.take<char>(10 * kMiB).data(), 1, 10 * kMiB);
    }
    const size_t kept = arena.kept_bytes();
    const Arena::Scope scope(arena);
    EXPECT_EQ(arena.take<float>(100).data(), first);
    arena.take<char>(10 * kMiB);
    EXPECT_EQ(arena.kept_bytes(), kept);
}

TEST(Arena, WhatIsKeptIsWhatWasInUseAtOnceWhateverTheOrderOfSizes) {
    Arena arena;
    for (const size_t size : {3 * kMiB, 40 * kMiB, kMiB, 17 * kMiB, 39 * kMiB}) {
        const Arena::Scope scope(arena);
        const auto outer = arena.take<char>(size);
        std::memset(outer.data(), 1, size);
        for (const size_t inner_size : {size / 2, kMiB, size}) {
            const Arena::Scope inner(arena);
            std::memset(arena.take<char>(inner_size).data(), 2, inner_size);
        }
        EXPECT_EQ(std::ranges::count(outer, 1), static_cast<std::ptrdiff_t>(size));
    }
    EXPECT_EQ(arena.kept_bytes(), 80 * kMiB);
}

TEST(Arena, WithoutMemoryWhatWasTakenStays) {
    Arena arena(5 * kMiB + 100);
    const Arena::Scope scope(arena);
    const auto taken = arena.take<char>(3 * kMiB);
    std::ranges::fill(taken, 'x');
    EXPECT_THROW(arena.take<char>(2 * kMiB + 128), std::bad_alloc);
    EXPECT_THROW(arena.take<char>(size_t{1} << 60), std::bad_alloc);
    std::ranges::fill(arena.take<char>(2 * kMiB + 64), 'y');
    EXPECT_EQ(std::ranges::count(taken, 'x'), static_cast<std::ptrdiff_t>(taken.size()));
}

TEST(Arena, RationedAddressesAreLeftToOthers) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer itself takes terabytes of addresses";
#endif
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
    const rlimit rationed{4096 * kMiB, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_AS, &rationed), 0);
    Arena arena;
    EXPECT_THROW(arena.take<char>(256 * kMiB + 64), std::bad_alloc);
    EXPECT_EQ(arena.take<char>(kMiB).size(), kMiB);
    setrlimit(RLIMIT_AS, &before);
}

TEST(HugeMemory, IsZeroedAndAligned) {
    auto memory = HugeMemory::allocate(size_t{5} << 20);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->data()) % (size_t{2} << 20), 0u);
    for (const std::byte b : memory->bytes()) ASSERT_EQ(b, std::byte{0});
    EXPECT_FALSE(HugeMemory::allocate(~size_t{0} - 100).ok());
}

}  // namespace
}  // namespace hone
