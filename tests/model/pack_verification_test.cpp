#include "model/checkpoint/pack_verification.h"

#include <future>
#include <thread>

#include <sched.h>
#include <xxhash.h>

#include "base/clock.h"
#include "model/checkpoint/pack.h"
#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

class Verification : public testing::Test {
  protected:
    void SetUp() override {
        write_checkpoint(folder_.path / "model", shape("tiny-moe"));
        ASSERT_TRUE(pack_model(folder_.path / "model", path_, {.quiet = true}, test_pool()).ok());
    }

    // What is said of the pack, whose mapping `change` may act behind.
    std::string outcome(const std::function<void()>& change = [] {}) {
        LoadedModel loaded = load(path_);
        change();
        std::promise<Status> said;
        const BackgroundVerification verification(std::move(loaded.checksums),
                                                  [&](Status status) { said.set_value(std::move(status)); });
        const Status status = said.get_future().get();
        return status ? "(it is whole)" : status.error().message;
    }

    void flip_bit(size_t at) {
        std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(at));
        const char byte = static_cast<char>(file.get() ^ 16);
        file.seekp(static_cast<std::streamoff>(at));
        file.put(byte);
    }

    TemporaryFolder folder_;
    const fs::path path_ = folder_.path / "model.hone";
};

TEST_F(Verification, AWholePackIsWhole) {
    EXPECT_EQ(outcome(), "(it is whole)");
}

TEST_F(Verification, OneWrongBitIsFoundWhereverItIs) {
    const PackFile pack = PackFile::open(path_).value();
    for (const size_t index : {size_t{0}, pack.tensors().size() / 2, pack.tensors().size() - 1}) {
        const PackedTensor& tensor = pack.tensors()[index];
        flip_bit(tensor.offset + tensor.bytes - 1);
        EXPECT_EQ(outcome(), fmt::format("{}: tensor '{}' is damaged (wrong checksum); copy the file again, or make it "
                                         "anew with `hone pack`",
                                         path_.string(), tensor.name));
        flip_bit(tensor.offset + tensor.bytes - 1);
    }
    EXPECT_EQ(outcome(), "(it is whole)");
}

TEST_F(Verification, AFileThatIsCutShortIsNotTouched) {
    const std::string said = outcome([&] { fs::resize_file(path_, fs::file_size(path_) / 2 / 4096 * 4096); });
    EXPECT_CONTAINS(said, path_.string() + ": tensor '");
    EXPECT_CONTAINS(said, "is damaged (");
    EXPECT_CONTAINS(said, "cut short");
}

TEST_F(Verification, OnlyPacksHaveChecksums) {
    EXPECT_EQ(load(folder_.path / "model").checksums.file, nullptr);
    EXPECT_EQ(load(path_).checksums.tensors.size(), PackFile::open(path_)->tensors().size());
}

class VerificationOfBytes : public testing::Test {
  protected:
    void SetUp() override {
        for (size_t i = 0; i < content_.size(); i++) content_[i] = static_cast<char>(i * i % 251);
        write_file(folder_.path / "bytes", content_);
        file_ = std::make_shared<const MappedFile>(MappedFile::open(folder_.path / "bytes").value());
    }
    TensorChecksum tensor(size_t offset, size_t bytes) const {
        return {"t", offset, bytes, XXH3_64bits(content_.data() + offset, bytes)};
    }

    TemporaryFolder folder_;
    std::string content_ = std::string((size_t{3} << 20) + 7, 0);
    std::shared_ptr<const MappedFile> file_;
};

// Tensors of several blocks, and their borders.
TEST_F(VerificationOfBytes, HashesAnyLength) {
    std::vector<TensorChecksum> tensors;
    for (const size_t size : {size_t{1}, size_t{4096}, size_t{1} << 20, (size_t{1} << 20) + 1, content_.size()})
        tensors.push_back(tensor(content_.size() - size, size));
    std::promise<bool> said;
    const BackgroundVerification verification({file_, tensors},
                                              [&](const Status& status) { said.set_value(status.ok()); });
    EXPECT_TRUE(said.get_future().get());
}

TEST_F(VerificationOfBytes, RunsAtIdlePriority) {
    std::promise<int> policy;
    const BackgroundVerification verification({file_, {}},
                                              [&](const Status&) { policy.set_value(sched_getscheduler(0)); });
    EXPECT_EQ(policy.get_future().get(), SCHED_IDLE);
}

TEST_F(VerificationOfBytes, EndsAtOnceAndSaysNothing) {
    PackChecksums minutes{file_, std::vector(1'000'000, tensor(0, content_.size()))};
    const std::weak_ptr<const MappedFile> mapping = std::exchange(file_, nullptr);
    bool said = false;
    double ending = 0;
    {
        const BackgroundVerification verification(std::move(minutes), [&](const Status&) { said = true; });
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_FALSE(mapping.expired());
        ending = monotonic_seconds();
    }
    EXPECT_LT(monotonic_seconds() - ending, 1);
    // The thread lets the mapping go when it notices.
    for (int i = 0; i < 6000 && !mapping.expired(); i++) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(mapping.expired());
    EXPECT_FALSE(said);
}

}  // namespace
}  // namespace hone::model
