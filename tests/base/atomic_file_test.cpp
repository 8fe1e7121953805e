#include "base/atomic_file.h"

#include <csignal>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hone {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public testing::Test {
  protected:
    AtomicFileTest() {
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    ~AtomicFileTest() override { fs::remove_all(folder_); }

    std::vector<std::string> names() const {
        std::vector<std::string> list;
        for (const auto& entry : fs::directory_iterator(folder_)) list.push_back(entry.path().filename());
        return list;
    }
    static std::string create_error(const fs::path& path) {
        const auto file = AtomicFile::create(path);
        return file ? "(created)" : file.error().message;
    }

    fs::path folder_ = fs::path(testing::TempDir()) / fmt::format("hone_atomic_file_{}", getpid());
};

TEST_F(AtomicFileTest, KilledProcessLeavesNothing) {
    const int nameless = ::open(folder_.c_str(), O_TMPFILE | O_RDWR, 0600);
    if (nameless < 0) GTEST_SKIP() << "this file system knows no O_TMPFILE";
    ::close(nameless);
    for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
        const pid_t child = fork();
        if (child == 0) {
            std::signal(signal, SIG_DFL);
            auto file = AtomicFile::create(folder_ / "out");
            if (!file || !file->write("half")) _exit(1);
            raise(signal);
            _exit(2);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
        EXPECT_TRUE(names().empty()) << names()[0];
    }
}

TEST_F(AtomicFileTest, ReplacesAndLeavesOneName) {
    const std::string stale = fmt::format("out.{}.tmp", getpid());
    std::ofstream(folder_ / "out") << "old";
    std::ofstream(folder_ / stale) << "left by an earlier process";
    auto file = AtomicFile::create(folder_ / "out");
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_TRUE(file->write("new").ok());
    const Status committed = file->commit();
    ASSERT_TRUE(committed.ok()) << committed.error().message;
    EXPECT_EQ(names(), std::vector<std::string>{"out"});
    std::string text;
    std::ifstream(folder_ / "out") >> text;
    EXPECT_EQ(text, "new");
    EXPECT_EQ(fs::status(folder_ / "out").permissions() & fs::perms::owner_all,
              fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(AtomicFileTest, WhatIsTheOwnersAloneStaysSo) {
    std::ofstream(folder_ / "out") << "old";
    fs::permissions(folder_ / "out", fs::perms(0644));
    ASSERT_TRUE(write_file(folder_ / "out", "new", 0600).ok());
    EXPECT_EQ(fs::status(folder_ / "out").permissions(), fs::perms(0600));
}

TEST_F(AtomicFileTest, WhatCannotBeWrittenFailsAtOnce) {
    fs::create_directory(folder_ / "folder");
    ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
    const auto before = names();
    const auto expect = [&](const fs::path& path, const char* why) {
        const std::string message = create_error(path);
        EXPECT_EQ(message.find(path.string() + ": "), 0u) << message;
        EXPECT_NE(message.find(why), std::string::npos) << message;
    };
    expect(folder_ / "folder", "is a folder");
    expect(folder_ / "folder" / "", "is a folder");
    expect(folder_ / "new" / "", "is a folder");
    expect(folder_ / "none" / "out", "No such file or directory");
    expect(folder_ / "pipe", "not a regular file");
    expect(folder_ / "pipe" / "out", "Not a directory");
    expect(folder_ / std::string(1000, 'x'), "name too long");
    expect("/dev/null", "not a regular file");
    if (geteuid() != 0) {
        fs::permissions(folder_ / "folder", fs::perms::owner_read | fs::perms::owner_exec);
        expect(folder_ / "folder" / "out", "Permission denied");
    }
    EXPECT_EQ(names(), before);
}

}  // namespace
}  // namespace hone
