// Pages on disk: found again by tokens, also by the next process; whatever happens to the file is a page less.

#include "engine/cache/spill_store.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/rng.h"
#include "tests/temporary_folder.h"

namespace hone::engine {
namespace {

constexpr size_t kPageBytes = 7 * 1024;  // a record of 8 KiB

std::vector<int32_t> tokens_of(int32_t token, int32_t count = kPageTokens) {
    return std::vector<int32_t>(static_cast<size_t>(count), token);
}

std::vector<std::byte> page_of(int32_t seed) {
    Random random(static_cast<uint64_t>(seed));
    std::vector<std::byte> page(kPageBytes);
    for (std::byte& byte : page) byte = static_cast<std::byte>(random.below(256));
    return page;
}

class SpillStoreTest : public testing::Test {
  protected:
    SpillStoreTest() { spdlog::set_level(spdlog::level::off); }
    ~SpillStoreTest() override { spdlog::set_level(spdlog::level::info); }

    void open(size_t records = 100, const std::string& identity = "model 1") {
        store.reset();
        auto opened = SpillStore::open({folder, 4096 + records * 8192, identity}, kPageBytes);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        store = std::move(*opened);
    }
    // Waits for what was asked for.
    void settle() {
        const auto& metrics = store->metrics();
        for (int i = 0; i < 2000 && settled(metrics) < asked; i++) {
            store->wait();
            store->collect([&](uint64_t ticket, auto, auto page) { answers[ticket].assign(page.begin(), page.end()); });
        }
        ASSERT_EQ(settled(metrics), asked);
    }
    static uint64_t settled(const SpillMetrics& metrics) {
        return metrics.written_pages + metrics.read_pages + metrics.failures;
    }
    bool keep(const PathId& parent, int32_t token, int32_t count = kPageTokens) {
        const uint64_t pages = store->metrics().pages;
        const bool kept = store->keep(parent, tokens_of(token, count), page_of(token));
        asked += kept && store->metrics().pages > pages;
        return kept;
    }
    // Reads the page back: empty if it is not there or not whole.
    std::vector<std::byte> read(const PathId& parent, int32_t token, int32_t count = kPageTokens) {
        const auto match = store->longest(parent, tokens_of(token, count));
        if (match.common < count) return {};
        store->read(match, ++ticket);
        asked++;
        settle();
        return answers[ticket];
    }
    std::filesystem::path file() const { return folder + "/kv-pages.hone"; }
    void flip_byte(std::streamoff offset) {
        std::fstream stream(file(), std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(offset);
        const char byte = static_cast<char>(stream.get() ^ 1);
        stream.seekp(offset);
        stream.put(byte);
    }

    const PathId root = root_path("");
    const TemporaryFolder temporary;
    const std::string folder = temporary.path;
    std::unique_ptr<SpillStore> store;
    std::map<uint64_t, std::vector<std::byte>> answers;
    uint64_t ticket = 0, asked = 0;
};

TEST_F(SpillStoreTest, gives_back_what_it_was_given) {
    open();
    const PathId below = page_path(root, tokens_of(1));
    EXPECT_TRUE(keep(root, 1));
    EXPECT_TRUE(keep(below, 2, 37));
    EXPECT_EQ(read(root, 1), page_of(1));
    EXPECT_EQ(read(below, 2, 37), page_of(2));
    EXPECT_EQ(store->longest(below, tokens_of(2)).common, 37);
    EXPECT_EQ(store->longest(root, tokens_of(2)).common, 0);
    EXPECT_EQ(store->longest(root_path("salt"), tokens_of(1)).common, 0);
    EXPECT_TRUE(keep(root, 1));  // is there: nothing is written
    EXPECT_TRUE(keep(below, 2, 20));
    EXPECT_EQ(store->metrics().written_pages, 2u);
    keep(below, 2, 50);  // in place of its beginning
    EXPECT_EQ(store->metrics().pages, 2u);
    EXPECT_EQ(store->metrics().read_bytes, 2 * 8192u);
}

TEST_F(SpillStoreTest, the_next_process_finds_them) {
    open();
    for (int32_t token = 0; token < 20; token++) keep(root, token);
    open();
    asked = 0;
    EXPECT_EQ(store->metrics().pages, 20u);
    for (int32_t token = 0; token < 20; token++) EXPECT_EQ(read(root, token), page_of(token));
}

TEST_F(SpillStoreTest, another_identity_page_size_or_version_finds_nothing) {
    open();
    keep(root, 1);
    open(100, "model 2");
    EXPECT_EQ(store->metrics().pages, 0u);
    EXPECT_EQ(std::filesystem::file_size(file()), 4096u);
    keep(root, 1);
    store.reset();
    auto other = SpillStore::open({folder, 1 << 20, "model 2"}, kPageBytes / 2);
    ASSERT_TRUE(other.ok());
    EXPECT_EQ((*other)->metrics().pages, 0u);
    other->reset();
    flip_byte(8);  // the version
    open(100, "model 2");
    EXPECT_EQ(store->metrics().pages, 0u);
}

TEST_F(SpillStoreTest, a_flipped_byte_anywhere_is_a_miss) {
    for (const std::streamoff offset : {0, 5, 9, 41, 60, 303, 305, 313, 512, 3000, 512 + 7 * 1024 - 1}) {
        open(100, std::to_string(offset));
        asked = 0;
        keep(root, 1), keep(root, 2);
        settle();
        store.reset();
        flip_byte(4096 + offset);
        open(100, std::to_string(offset));
        asked = 0;
        EXPECT_TRUE(read(root, 1).empty()) << offset;
        EXPECT_EQ(store->longest(root, tokens_of(1)).common, 0) << offset;
        EXPECT_EQ(read(root, 2), page_of(2)) << offset;
        EXPECT_TRUE(keep(root, 1));  // its place is used again
        EXPECT_EQ(read(root, 1), page_of(1)) << offset;
    }
}

TEST_F(SpillStoreTest, a_flipped_byte_is_seen_while_it_runs) {
    open();
    keep(root, 1);
    settle();
    flip_byte(4096 + 700);
    EXPECT_TRUE(read(root, 1).empty());
    EXPECT_EQ(store->metrics().failures, 1u);
    EXPECT_EQ(store->metrics().pages, 0u);
}

TEST_F(SpillStoreTest, a_file_cut_short_has_fewer_pages) {
    open();
    for (int32_t token = 0; token < 3; token++) keep(root, token);
    store.reset();
    std::filesystem::resize_file(file(), 4096 + 2 * 8192 + 100);
    open();
    asked = 0;
    EXPECT_EQ(store->metrics().pages, 2u);
    std::filesystem::resize_file(file(), 4096 + 8192 + 4000);  // under our hands
    EXPECT_TRUE(read(root, 1).empty());
    EXPECT_EQ(read(root, 0), page_of(0));
}

TEST_F(SpillStoreTest, the_least_recently_used_make_room) {
    open(4);
    for (int32_t token = 0; token < 4; token++) keep(root, token);
    EXPECT_EQ(read(root, 0), page_of(0));
    for (int32_t token = 4; token < 6; token++) {
        EXPECT_TRUE(store->keep(root, tokens_of(token), page_of(token)));
        asked++;
    }
    settle();
    EXPECT_EQ(read(root, 0), page_of(0));
    EXPECT_TRUE(read(root, 1).empty());
    EXPECT_TRUE(read(root, 2).empty());
    EXPECT_EQ(read(root, 5), page_of(5));
    EXPECT_LE(std::filesystem::file_size(file()), 4096 + 4 * 8192u);
    open(2);  // a smaller one keeps what it has room for
    EXPECT_LE(std::filesystem::file_size(file()), 4096 + 2 * 8192u);
}

TEST_F(SpillStoreTest, a_page_stays_while_the_next_process_has_use_for_those_after_it) {
    open(4);
    for (const int32_t token : {1, 2, 3}) keep(root, token);
    const PathId below = page_path(root, tokens_of(1));
    keep(below, 4);
    open(4);
    asked = 0;
    EXPECT_TRUE(store->keep(root, tokens_of(5), page_of(5)));
    asked++;
    EXPECT_EQ(read(root, 1), page_of(1));
    EXPECT_EQ(read(below, 4), page_of(4));
    EXPECT_EQ(read(root, 3), page_of(3));
    EXPECT_TRUE(read(root, 2).empty());
}

TEST_F(SpillStoreTest, the_next_process_lets_go_of_a_conversation_from_its_end) {
    open(3);
    const PathId below = page_path(root, tokens_of(1)), end = page_path(below, tokens_of(2));
    keep(root, 1), keep(below, 2), keep(end, 3);
    open(3);
    asked = 0;
    EXPECT_TRUE(keep(root, 4));
    asked = 1;
    EXPECT_EQ(read(root, 1), page_of(1));
    EXPECT_EQ(read(below, 2), page_of(2));
    EXPECT_TRUE(read(end, 3).empty());
}

TEST_F(SpillStoreTest, a_disk_that_does_not_keep_pace_loses_pages_only) {
    open(100'000);
    const std::vector<std::byte> page(kPageBytes);
    int kept = 0;
    while (store->keep(root, tokens_of(kept), page)) ASSERT_LT(++kept, 100'000);
    EXPECT_FALSE(store->can_keep());
    EXPECT_GE(kept, 4096);  // with nobody collecting, what is done counts as under way
    store->wait();
    store->collect([](auto&&...) {});
    EXPECT_TRUE(store->can_keep());
}

TEST_F(SpillStoreTest, a_full_disk_stops_writing_and_nothing_else) {
    open();
    keep(root, 1);
    settle();
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit full{4096 + 8192 + 100, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    keep(root, 2);
    settle();
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    EXPECT_EQ(store->metrics().failures, 1u);
    EXPECT_FALSE(store->keep(root, tokens_of(3), page_of(3)));
    EXPECT_FALSE(store->keeps());
    EXPECT_TRUE(read(root, 2).empty());
    EXPECT_EQ(read(root, 1), page_of(1));
    open();  // until the next start
    asked = 0;
    EXPECT_EQ(read(root, 1), page_of(1));
    EXPECT_TRUE(read(root, 2).empty());
    EXPECT_TRUE(keep(root, 3));
}

TEST_F(SpillStoreTest, mistakes_are_named) {
    const auto message = [](const std::string& where, size_t bytes) {
        auto opened = SpillStore::open({where, bytes, "model"}, kPageBytes);
        return opened.ok() ? std::string() : opened.error().message;
    };
    EXPECT_NE(message(folder, 5000).find("holds no page; a page of 64 tokens takes 8.0 KiB"), std::string::npos);
    EXPECT_NE(message("/proc/nowhere", 1 << 20).find("/proc/nowhere"), std::string::npos);
    open();
    EXPECT_NE(message(folder, 1 << 20).find("in use by another process"), std::string::npos);
    store.reset();
    EXPECT_EQ(message(folder + "/made/of/need", 1 << 20), "");
}

}  // namespace
}  // namespace hone::engine
