#include "base/atomic_folder.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "tests/temporary_folder.h"

namespace hone {
namespace {

namespace fs = std::filesystem;

class AtomicFolderTest : public testing::Test {
  protected:
    std::vector<std::string> names() const {
        std::vector<std::string> list;
        for (const auto& entry : fs::directory_iterator(parent_.path)) list.push_back(entry.path().filename());
        std::sort(list.begin(), list.end());
        return list;
    }
    // A whole folder with one file.
    Status make(const std::string& text, AtomicFolder::Existing existing = AtomicFolder::Existing::refuse) const {
        auto folder = AtomicFolder::create(path_, existing);
        if (!folder) return folder.error();
        if (const Status written = write_file(folder->temporary() / "file", text); !written) return written;
        return folder->commit();
    }
    std::string content() const { return read_text_file(path_ / "file").value(); }

    TemporaryFolder parent_;
    fs::path path_ = (parent_.path / "out").lexically_normal();
};

TEST_F(AtomicFolderTest, AppearsWholeOrNotAtAll) {
    {
        auto folder = AtomicFolder::create(path_).value();
        ASSERT_TRUE(write_file(folder.temporary() / "file", "half").ok());
        EXPECT_FALSE(fs::exists(path_));
    }
    EXPECT_TRUE(names().empty());
    ASSERT_TRUE(make("whole").ok());
    EXPECT_EQ(names(), std::vector<std::string>{"out"});
    EXPECT_EQ(content(), "whole");
}

TEST_F(AtomicFolderTest, ReplacesOnlyWhereAsked) {
    ASSERT_TRUE(make("first").ok());
    EXPECT_EQ(make("second").error().message, path_.string() + ": is there already");
    EXPECT_EQ(content(), "first");
    const Status replaced = make("third", AtomicFolder::Existing::replace);
    ASSERT_TRUE(replaced.ok()) << replaced.error().message;
    EXPECT_EQ(content(), "third");
    EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

// Another process made it meanwhile.
TEST_F(AtomicFolderTest, DoesNotReplaceWhatAppearedMeanwhile) {
    auto folder = AtomicFolder::create(path_).value();
    fs::create_directory(path_);
    EXPECT_FALSE(folder.commit().ok());
    EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(AtomicFolderTest, LeftoversOfTheKilledGoAndThoseOfTheLivingStay) {
    auto living = AtomicFolder::create(path_).value();
    const pid_t child = fork();
    if (child == 0) {
        auto folder = AtomicFolder::create(path_);
        if (!folder || !write_file(folder->temporary() / "file", "half")) _exit(1);
        raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    ASSERT_EQ(names().size(), 2u);
    ASSERT_EQ(mkdir((parent_.path / ".out.else").c_str(), 0700), 0);
    AtomicFolder::remove_leftovers(path_);
    EXPECT_EQ(names(), (std::vector<std::string>{living.temporary().filename(), ".out.else"}));
    EXPECT_TRUE(living.commit().ok());
}

TEST_F(AtomicFolderTest, Removes) {
    ASSERT_TRUE(make("text").ok());
    ASSERT_TRUE(AtomicFolder::remove(path_.string() + "/").ok());
    EXPECT_TRUE(names().empty());
    EXPECT_FALSE(AtomicFolder::remove(path_).ok());
}

TEST_F(AtomicFolderTest, FoldersAboveItAreMade) {
    const fs::path deep = path_ / "a" / "b" / "";
    ASSERT_TRUE(make_folders(deep).ok());
    EXPECT_TRUE(fs::is_directory(deep));
    EXPECT_TRUE(make_folders(deep).ok());
    ASSERT_TRUE(sync_folder(deep).ok());
    ASSERT_TRUE(write_file(path_ / "file", "").ok());
    EXPECT_EQ(make_folders(path_ / "file" / "below").error().message,
              (path_ / "file").string() + ": cannot be made: File exists");
    EXPECT_EQ(sync_folder(path_ / "gone").error().message,
              (path_ / "gone").string() + ": cannot sync: No such file or directory");
}

TEST_F(AtomicFolderTest, MistakesAreNamed) {
    ASSERT_TRUE(write_file(path_, "a file").ok());
    const auto below = AtomicFolder::create(path_ / "below" / "it");
    ASSERT_FALSE(below.ok());
    EXPECT_NE(below.error().message.find(path_.string()), std::string::npos);
    EXPECT_FALSE(AtomicFolder::create(path_).ok());
    EXPECT_FALSE(AtomicFolder::create(path_, AtomicFolder::Existing::replace).ok());
}

}  // namespace
}  // namespace hone
