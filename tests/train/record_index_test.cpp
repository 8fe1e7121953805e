// Where the records of files lie: ends of lines, blank lines, several files, sizes, changes.
#include <sys/resource.h>

#include "tests/train/training_text.h"

namespace hone::train {

namespace {

std::vector<std::string> lines_of(const RecordIndex& index) {
    std::vector<std::string> lines;
    for (uint64_t i = 0; i < index.size(); ++i) {
        const auto line = index.read(i);
        EXPECT_TRUE(line.ok()) << line.error().message;
        lines.push_back(line ? *line : "");
    }
    return lines;
}

RecordIndex index_of(const std::vector<std::filesystem::path>& files) {
    auto index = RecordIndex::build(files);
    CHECK(index.ok(), "{}", index.error().message);
    return std::move(*index);
}

using Lines = std::vector<std::string>;

}  // namespace

TEST(RecordIndex, FindsLines) {
    const TemporaryFolder folder;
    const auto path = write_file(folder, "a.jsonl", "\xEF\xBB\xBF{\"a\":1}\r\n\n  \t\r\n{\"b\":2}\n{\"c\":3}");
    const RecordIndex index = index_of({path});
    EXPECT_EQ(lines_of(index), (Lines{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"}));
    EXPECT_EQ(index.where(0), path.string() + ":1");
    EXPECT_EQ(index.where(1), path.string() + ":4");
    EXPECT_EQ(index.where(2), path.string() + ":5");
}

TEST(RecordIndex, JoinsFiles) {
    const TemporaryFolder folder;
    const auto a = write_file(folder, "a.jsonl", "1\n2"), none = write_file(folder, "none.jsonl", ""),
               b = write_file(folder, "b.jsonl", "3\n");
    const RecordIndex index = index_of({a, none, b});
    EXPECT_EQ(lines_of(index), (Lines{"1", "2", "3"}));
    EXPECT_EQ(index.where(2), b.string() + ":1");
    EXPECT_EQ(index.bytes(), 5u);
}

TEST(RecordIndex, RefusesWhatIsNoData) {
    const TemporaryFolder folder;
    const auto empty = write_file(folder, "empty.jsonl", ""), blank = write_file(folder, "blank.jsonl", "\n \r\n\n");
    const auto huge = write_file(folder, "huge.jsonl", "{}\n" + std::string(RecordIndex::kLongestLine + 1, 'x') + "\n");
    const auto message = [](const std::filesystem::path& path) {
        const auto index = RecordIndex::build({path});
        return index ? "" : index.error().message;
    };
    EXPECT_EQ(message(empty), empty.string() + ": holds no records");
    EXPECT_EQ(message(blank), blank.string() + ": holds no records");
    EXPECT_EQ(message(huge), huge.string() +
                                 ":2: the line is longer than 64.0 MiB; is this a file of JSON Lines, one "
                                 "record a line?");
    EXPECT_NE(message(folder.path / "missing.jsonl").find("missing.jsonl: cannot open"), std::string::npos);
    EXPECT_NE(message(folder.path), "");
    EXPECT_EQ(RecordIndex::build({}).error().message, "no data files are named");
}

TEST(RecordIndex, HashSaysWhetherDataChanged) {
    const TemporaryFolder folder;
    const auto a = write_file(folder, "a.jsonl", "1\n2\n"), b = write_file(folder, "b.jsonl", "3\n");
    const std::string hash = index_of({a, b}).content_hash();
    EXPECT_EQ(hash.size(), 32u);
    EXPECT_EQ(index_of({a, b}).content_hash(), hash);
    EXPECT_NE(index_of({b, a}).content_hash(), hash);
    EXPECT_NE(index_of({a}).content_hash(), hash);
    const auto moved = write_file(folder, "moved.jsonl", "1\n2\n");
    EXPECT_EQ(index_of({moved, b}).content_hash(), hash);
    write_file(folder, "a.jsonl", "1\n4\n");
    EXPECT_NE(index_of({a, b}).content_hash(), hash);
    // Where a file ends counts too.
    write_file(folder, "a.jsonl", "1\n");
    write_file(folder, "b.jsonl", "2\n3\n");
    EXPECT_NE(index_of({a, b}).content_hash(), hash);
}

TEST(RecordIndex, FileThatWasCutShortIsAnError) {
    const TemporaryFolder folder;
    const auto path = write_file(folder, "a.jsonl", "1\n22222\n");
    const RecordIndex index = index_of({path});
    std::filesystem::resize_file(path, 4);
    EXPECT_EQ(*index.read(0), "1");
    EXPECT_NE(index.read(1).error().message.find("cut short"), std::string::npos);
}

TEST(RecordIndex, MoreFilesThanMayBeOpenAreAnError) {
    const TemporaryFolder folder;
    const std::vector<std::filesystem::path> files(100, write_file(folder, "a.jsonl", "1\n"));
    struct rlimit before {};
    getrlimit(RLIMIT_NOFILE, &before);
    const struct rlimit few { 50, before.rlim_max };
    struct rlimit now {};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0 || getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur != few.rlim_cur)
        GTEST_SKIP() << "this system does not let a process lower its limit of open files";
    const auto index = RecordIndex::build(files);
    setrlimit(RLIMIT_NOFILE, &before);
    ASSERT_FALSE(index.ok());
    EXPECT_NE(index.error().message.find("join files, or raise `ulimit -n`"), std::string::npos)
        << index.error().message;
}

TEST(RecordIndex, HundredThousandLinesAcrossBlocks) {
    const TemporaryFolder folder;
    std::string content;
    for (int i = 0; i < 100'000; ++i) content += fmt::format("{{\"text\":\"{}{}\"}}\n", i, std::string(i % 700, 'x'));
    const auto path = write_file(folder, "large.jsonl", content);
    content = {};
    const auto resident = [] {
        struct rusage usage {};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;  // KiB
    };
    const long before = resident();
    const RecordIndex index = index_of({path});
    EXPECT_LT(resident() - before, 12 << 10);
    ASSERT_EQ(index.size(), 100'000u);
    for (const uint64_t i : {0u, 1u, 699u, 3001u, 54321u, 99'999u}) {
        EXPECT_EQ(*index.read(i), fmt::format("{{\"text\":\"{}{}\"}}", i, std::string(i % 700, 'x')));
        EXPECT_TRUE(index.where(i).ends_with(fmt::format(":{}", i + 1)));
    }
}

}  // namespace hone::train
