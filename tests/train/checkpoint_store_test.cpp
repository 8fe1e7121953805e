// Training checkpoints: every bit comes back or the damage is named, whatever happens to the files or the process.
#include "train/checkpoint_store.h"

#include <csignal>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "tests/temporary_folder.h"

namespace hone::train {
namespace {

namespace fs = std::filesystem;
using math::DType;

// A run's state: two tensors of fp32 and one of bytes, a function of its step.
struct RunState {
    std::vector<float> weights = std::vector<float>(15'000), moments = std::vector<float>(77);
    std::vector<uint8_t> flags = std::vector<uint8_t>(13);
    std::string state;

    RunState() = default;
    explicit RunState(int64_t step) : state(fmt::format("{{\"step\": {}}}", step)) {
        Random random(static_cast<uint64_t>(step));
        for (auto* values : {&weights, &moments})
            for (float& value : *values) value = std::bit_cast<float>(random.bits32());  // NaNs and all
        for (uint8_t& flag : flags) flag = static_cast<uint8_t>(random.bits32());
    }
    std::vector<CheckpointTensor> tensors() const {
        return {{"weights", {DType::f32, {150, 100}, std::as_bytes(std::span(weights))}},
                {"moments", {DType::f32, {77}, std::as_bytes(std::span(moments))}},
                {"flags", {DType::u8, {13}, std::as_bytes(std::span(flags))}}};
    }
    std::vector<RestoredTensor> places() {
        return {{"flags", DType::u8, {13}, std::as_writable_bytes(std::span(flags))},
                {"weights", DType::f32, {150, 100}, std::as_writable_bytes(std::span(weights))},
                {"moments", DType::f32, {77}, std::as_writable_bytes(std::span(moments))}};
    }
};

void expect_same(const RunState& a, const RunState& b) {
    const auto of_a = a.tensors(), of_b = b.tensors();
    for (size_t i = 0; i < of_a.size(); i++)
        EXPECT_TRUE(std::ranges::equal(of_a[i].value.bytes, of_b[i].value.bytes)) << of_a[i].name;
    EXPECT_EQ(a.state, b.state);
}

class CheckpointStoreTest : public testing::Test {
  protected:
    CheckpointStore open() {
        auto store = CheckpointStore::open(output_.path);
        CHECK(store.ok(), "{}", store.error().message);
        return std::move(*store);
    }
    static void save(CheckpointStore& store, int64_t step) {
        const RunState run(step);
        const Status saved = store.save(step, run.state, run.tensors());
        ASSERT_TRUE(saved.ok()) << saved.error().message;
    }
    NewestCheckpoint newest() const {
        auto found = newest_checkpoint(output_.path);
        CHECK(found.ok(), "{}", found.error().message);
        return std::move(*found);
    }
    // The newest that is whole is of that step and has its bits.
    void expect_newest(int64_t step) const {
        const NewestCheckpoint found = newest();
        ASSERT_TRUE(found.checkpoint) << (found.damaged.empty() ? "" : found.damaged[0]);
        EXPECT_EQ(found.checkpoint->step(), step);
        RunState run;
        const Status restored = found.checkpoint->restore(run.places());
        ASSERT_TRUE(restored.ok()) << restored.error().message;
        run.state = found.checkpoint->state();
        expect_same(run, RunState(step));
    }
    std::vector<std::string> names() const {
        std::vector<std::string> list;
        for (const auto& entry : fs::directory_iterator(folder_)) list.push_back(entry.path().filename());
        std::sort(list.begin(), list.end());
        return list;
    }
    fs::path of_step(int64_t step) const { return folder_ / fmt::format("step-{:08}", step); }

    TemporaryFolder output_;
    fs::path folder_ = output_.path / "checkpoints";
};

TEST_F(CheckpointStoreTest, EveryBitComesBack) {
    EXPECT_FALSE(newest().checkpoint);
    CheckpointStore store = open();
    EXPECT_FALSE(newest().checkpoint);
    for (const int64_t step : {0, 7, 123'456'789}) {
        save(store, step);
        expect_newest(step);
    }
    EXPECT_EQ(names(), (std::vector<std::string>{".lock", "step-00000000", "step-00000007", "step-123456789"}));
    EXPECT_TRUE(newest().damaged.empty());
}

// As `xxh128sum -c` reads it; that of no bytes is the library's own test vector.
TEST_F(CheckpointStoreTest, TheChecksumsHaveTheFormOfTheCommonTool) {
    CheckpointStore store = open();
    ASSERT_TRUE(store.save(3, "", RunState(3).tensors()).ok());
    const std::string lines = read_text_file(of_step(3) / "checksums.xxh128").value();
    EXPECT_TRUE(lines.starts_with("99aa06d3014798d86001c324468d497f  state.json\n")) << lines;
    EXPECT_TRUE(lines.ends_with("  tensors.safetensors\n")) << lines;
}

TEST_F(CheckpointStoreTest, AStepThatIsSavedAgainIsReplaced) {
    CheckpointStore store = open();
    save(store, 3);
    const RunState other(4);
    ASSERT_TRUE(store.save(3, other.state, other.tensors()).ok());
    EXPECT_EQ(newest().checkpoint->state(), other.state);
    EXPECT_EQ(names(), (std::vector<std::string>{".lock", "step-00000003"}));
}

void write(const fs::path& path, std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

TEST_F(CheckpointStoreTest, AnyDamageIsNoticedAndTheOneBeforeUsed) {
    CheckpointStore store = open();
    save(store, 1);
    Random random(5);
    save(store, 2);
    expect_newest(2);
    const auto expect_damage = [&](const std::string& name, const std::string& what) {
        const NewestCheckpoint found = newest();
        ASSERT_EQ(found.damaged.size(), 1u) << what << " of " << name;
        EXPECT_NE(found.damaged[0].find("step-00000002"), std::string::npos) << found.damaged[0];
        expect_newest(1);
    };
    for (const std::string name : {"state.json", "tensors.safetensors", "checksums.xxh128"}) {
        const fs::path path = of_step(2) / name;
        const std::string sound = read_text_file(path).value();
        const auto damaged = [&](const std::string& what, FunctionRef<void(std::string&)> change) {
            std::string content = sound;
            change(content);
            write(path, content);
            expect_damage(name, what);
        };
        damaged("the end cut off", [](std::string& content) { content.pop_back(); });
        damaged("a byte more", [](std::string& content) { content += ' '; });
        damaged("nothing left", [](std::string& content) { content.clear(); });
        for (int i = 0; i < 100; i++) {
            damaged("a bit", [&](std::string& content) {
                char& byte = content[random.below(content.size())];
                byte = static_cast<char>(byte ^ 1 << random.below(8));
            });
        }
        if (name == "checksums.xxh128")
            damaged("a line", [](std::string& content) { content.erase(0, content.find('\n') + 1); });
        fs::remove(path);
        expect_damage(name, "all");
        fs::create_directory(path);
        expect_damage(name, "a folder in place");
        fs::remove(path);
        write(path, sound);
        expect_newest(2);
    }
    fs::remove_all(of_step(2));
    fs::rename(of_step(1), of_step(2));
    EXPECT_FALSE(newest().checkpoint) << "a folder that was given another step's name";
}

TEST_F(CheckpointStoreTest, NothingIsRestoredUnlessAllOfItFits) {
    CheckpointStore store = open();
    save(store, 1);
    const NewestCheckpoint found = newest();
    const auto expect_error = [&](const std::string& part, FunctionRef<void(std::vector<RestoredTensor>&)> change) {
        RunState run(9);
        auto places = run.places();
        change(places);
        const Status restored = found.checkpoint->restore(places);
        ASSERT_FALSE(restored.ok()) << part;
        EXPECT_NE(restored.error().message.find(part), std::string::npos) << restored.error().message;
        expect_same(run, RunState(9));
    };
    expect_error("has no tensor 'bias'", [](auto& places) { places[2].name = "bias"; });
    expect_error("tensor 'moments' is none of this run's", [](auto& places) { places.pop_back(); });
    expect_error("tensor 'moments' is F32 [77], this run needs F32 [7, 11]", [](auto& places) {
        places[2].shape = {7, 11};
    });
    expect_error("tensor 'moments' is F32 [77], this run needs I32 [77]",
                 [](auto& places) { places[2].dtype = DType::i32; });
}

// A child saves in a loop, telling each step that is saved, until it is killed after `microseconds`; the last step told.
int64_t save_until_killed(const std::string& output, int64_t first, uint64_t microseconds) {
    int pipe_ends[2];
    CHECK(::pipe(pipe_ends) == 0, "no pipe");
    const pid_t child = fork();
    if (child == 0) {
        auto store = CheckpointStore::open(output);
        for (int64_t step = first; store; step++) {
            const RunState run(step);
            if (!store->save(step, run.state, run.tensors()) || !store->prune(2)) _exit(1);
            if (::write(pipe_ends[1], &step, sizeof step) != sizeof step) _exit(2);
        }
        _exit(3);
    }
    ::close(pipe_ends[1]);
    usleep(static_cast<useconds_t>(microseconds));
    ::kill(child, SIGKILL);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "the child ended itself: {}", status);
    int64_t last = first - 1;
    for (int64_t step; ::read(pipe_ends[0], &step, sizeof step) == sizeof step;) last = step;
    ::close(pipe_ends[0]);
    return last;
}

TEST_F(CheckpointStoreTest, AKillAtAnyMomentLosesNoCheckpoint) {
    {
        CheckpointStore store = open();
        save(store, 1);
    }
    Random random(1);
    int64_t last = 1;
    int in_the_middle = 0;
    // Later, where others use the machine and little is saved until then.
    const auto is_shown = [&] { return last > 10 && in_the_middle > 5; };
    for (uint64_t kill = 0; kill < 40 || (kill < 400 && !is_shown()); kill++) {
        last = save_until_killed(output_.path, last + 1, random.below(150'000 * (1 + kill / 40)));
        for (const std::string& name : names()) in_the_middle += name.ends_with(".tmp");
        const NewestCheckpoint found = newest();
        EXPECT_TRUE(found.damaged.empty()) << found.damaged[0];
        ASSERT_TRUE(found.checkpoint);
        EXPECT_TRUE(found.checkpoint->step() == last || found.checkpoint->step() == last + 1)
            << found.checkpoint->step() << " after " << last;
        last = found.checkpoint->step();
        expect_newest(last);
    }
    EXPECT_GT(last, 10);
    EXPECT_GT(in_the_middle, 5);
    open();
    for (const std::string& name : names())
        EXPECT_TRUE(name == ".lock" || name.starts_with("step-")) << name << " is left";
    EXPECT_LE(names().size(), 4u);
}

TEST_F(CheckpointStoreTest, AFullDiskIsAnErrorAndNothingElse) {
    CheckpointStore store = open();
    save(store, 1);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const RunState run(2);
    for (const rlim_t most : {0, 100, 10'000, 60'000}) {
        const rlimit full{most, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &full);
        const Status saved = store.save(2, run.state, run.tensors());
        setrlimit(RLIMIT_FSIZE, &before);
        ASSERT_FALSE(saved.ok()) << most;
        const std::string& message = saved.error().message;
        EXPECT_TRUE(message.starts_with(of_step(2).string() + ": cannot be written: ")) << message;
        EXPECT_NE(message.find("(it takes 58.9 KiB, "), std::string::npos) << message;
        EXPECT_EQ(names(), (std::vector<std::string>{".lock", "step-00000001"}));
        expect_newest(1);
    }
    std::signal(SIGXFSZ, handler);
    save(store, 2);
    expect_newest(2);
}

// Terabytes that are not there: refused before a byte is written.
TEST_F(CheckpointStoreTest, WhatCannotFitIsNotBegun) {
    CheckpointStore store = open();
    const size_t bytes = size_t{1} << 46;
    const std::byte* nowhere = reinterpret_cast<const std::byte*>(size_t{1} << 40);
    const CheckpointTensor huge{"huge", {DType::u8, {int64_t{1} << 46}, {nowhere, bytes}}};
    const Status saved = store.save(1, "{}", std::span(&huge, 1));
    ASSERT_FALSE(saved.ok());
    EXPECT_NE(saved.error().message.find("not enough space (it takes 64.0 TiB"), std::string::npos)
        << saved.error().message;
    EXPECT_EQ(names(), std::vector<std::string>{".lock"});
}

TEST_F(CheckpointStoreTest, PruningKeepsTheNewestAndOneThatIsWhole) {
    const auto steps_left = [&](int64_t from, int64_t to, size_t keep) {
        CheckpointStore store = open();
        for (int64_t step = from; step <= to; step++) save(store, step);
        const Status pruned = store.prune(keep);
        EXPECT_TRUE(pruned.ok()) << pruned.error().message;
        auto left = names();
        left.erase(left.begin());
        return left;
    };
    const std::vector<std::string> last_two = {"step-00000004", "step-00000005"};
    EXPECT_EQ(steps_left(1, 5, 2), last_two);
    EXPECT_EQ(steps_left(1, 0, 2), last_two);
    EXPECT_EQ(steps_left(1, 0, 100), last_two);
    for (int64_t step = 6; step <= 8; step++) {
        save(*std::make_unique<CheckpointStore>(open()), step);
        fs::remove(of_step(step) / "state.json");
    }
    EXPECT_EQ(steps_left(1, 0, 2), (std::vector<std::string>{"step-00000005", "step-00000007", "step-00000008"}));
    EXPECT_EQ(steps_left(9, 9, 1), std::vector<std::string>{"step-00000009"});
}

TEST_F(CheckpointStoreTest, ForeignFilesAreLeftAlone) {
    open();
    const std::vector<std::string> foreign = {"notes.txt",         "step-5",     "step-0000000x",
                                              "step-00000012.bak", ".other.tmp", ".step-00000001.tmp"};
    for (const std::string& name : foreign) fs::create_directory(folder_ / name);
    CheckpointStore store = open();
    for (int64_t step = 1; step <= 3; step++) save(store, step);
    ASSERT_TRUE(store.prune(1).ok());
    expect_newest(3);
    EXPECT_TRUE(newest().damaged.empty());
    for (const std::string& name : foreign) EXPECT_TRUE(fs::exists(folder_ / name)) << name;
    std::ofstream(of_step(3) / "notes.txt") << "mine";
    expect_newest(3);
}

TEST_F(CheckpointStoreTest, OneProcessSavesAndOthersMayRead) {
    CheckpointStore store = open();
    save(store, 1);
    const auto second = CheckpointStore::open(output_.path);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().message,
              folder_.string() + " is in use by another process; give each run its own output folder");
    expect_newest(1);
}

// As another user, since none of this stops root.
TEST_F(CheckpointStoreTest, AFolderThatIsReadOnly) {
    {
        CheckpointStore store = open();
        save(store, 1);
    }
    ASSERT_EQ(::chmod(folder_.c_str(), 0555), 0);
    ASSERT_EQ(::chmod(output_.path.c_str(), 0555), 0);
    const pid_t child = fork();
    if (child == 0) {
        if (::geteuid() == 0 && ::seteuid(65534) != 0) _exit(1);
        const auto store = CheckpointStore::open(output_.path);
        if (store || store.error().message != folder_.string() + ": cannot be written: Permission denied") _exit(2);
        const auto found = newest_checkpoint(output_.path);
        _exit(found && found->checkpoint && found->checkpoint->step() == 1 ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
    ::chmod(output_.path.c_str(), 0755);
    ::chmod(folder_.c_str(), 0755);
    fs::remove_all(folder_);
    std::ofstream(folder_) << "a file";
    EXPECT_FALSE(CheckpointStore::open(output_.path).ok());
    EXPECT_FALSE(newest_checkpoint(output_.path).ok());
}

}  // namespace
}  // namespace hone::train
