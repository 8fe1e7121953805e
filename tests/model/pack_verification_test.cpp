#include "model/checkpoint/pack_verification.h"

#include <future>

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
        const BackgroundVerification verification(path_.string(), std::move(loaded.checksums),
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

    TestFolder folder_;
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
    EXPECT_CONTAINS(said, "cannot be read");
}

TEST_F(Verification, OnlyPacksHaveChecksums) {
    EXPECT_TRUE(load(folder_.path / "model").checksums.empty());
    EXPECT_EQ(load(path_).checksums.size(), PackFile::open(path_)->tensors().size());
}

// Tensors of several blocks, and their borders.
TEST(BackgroundVerificationTest, HashesAnyLength) {
    std::vector<std::byte> bytes((size_t{3} << 20) + 7);
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<std::byte>(i * i % 251);
    std::vector<TensorChecksum> tensors;
    for (const size_t size : {size_t{1}, size_t{4096}, size_t{1} << 20, (size_t{1} << 20) + 1, bytes.size()}) {
        const auto part = std::span(bytes).last(size);
        tensors.push_back({"t", part, XXH3_64bits(part.data(), part.size())});
    }
    std::promise<bool> said;
    const BackgroundVerification verification("it", tensors,
                                              [&](const Status& status) { said.set_value(status.ok()); });
    EXPECT_TRUE(said.get_future().get());
}

TEST(BackgroundVerificationTest, RunsAtIdlePriority) {
    std::promise<int> policy;
    const BackgroundVerification verification("it", {},
                                              [&](const Status&) { policy.set_value(sched_getscheduler(0)); });
    EXPECT_EQ(policy.get_future().get(), SCHED_IDLE);
}

TEST(BackgroundVerificationTest, StopsAtOnceAndSaysNothing) {
    const std::vector<std::byte> bytes(size_t{64} << 20);
    const TensorChecksum tensor{"t", bytes, XXH3_64bits(bytes.data(), bytes.size())};
    bool said = false;
    double stopped = 0;
    {
        const BackgroundVerification verification("it", std::vector(100'000, tensor),
                                                  [&](const Status&) { said = true; });
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stopped = monotonic_seconds();
    }
    EXPECT_LT(monotonic_seconds() - stopped, 5);  // of the minutes that it would take
    EXPECT_FALSE(said);
}

}  // namespace
}  // namespace hone::model
