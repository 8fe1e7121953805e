// A job in the turns that another leaves: what it publishes is what the job alone makes, to the bit, also where it is
// dismissed in the middle of a step and opened again.
#include "train/background_job.h"

#include <atomic>
#include <fstream>

#include <gtest/gtest.h>

#include "math/kernels/self_test.h"
#include "tests/golden_folder.h"
#include "tests/temporary_folder.h"

namespace hone::train {
namespace {

namespace fs = std::filesystem;

// A host that gives turns of 0.1 ms on a thread of its own, and computes between them.
class Host {
  public:
    Host() {
        thread_ = std::thread([this] {
            ThreadPool pool(2);
            turns.open(pool, [] {});
            while (!ending_) {
                std::atomic<int> tiles = 0;
                pool.parallel_for(4, [&](int64_t, int) { tiles++; });
                EXPECT_EQ(tiles, 4);
                if (turns.wanted()) given += turns.give(1e-4) > 0;
            }
            turns.close();
        });
    }
    ~Host() {
        ending_ = true;
        thread_.join();
    }
    Turns turns;
    std::atomic<int> given = 0;

  private:
    std::atomic<bool> ending_ = false;
    std::thread thread_;
};

class BackgroundJobTest : public testing::Test {
  protected:
    BackgroundJobTest() {
        std::ofstream data(path() / "data.jsonl");
        for (int i = 0; i < 20; i++) data << fmt::format("{{\"tokens\": [{}, 7, {}, 9, {}, 3]}}\n", i, 2 * i, 40 - i);
        ThreadPool pool(2);
        auto opened = model::load_model(model_path(), {.quiet = true}, pool);
        CHECK(opened.ok(), "{}", opened.error().message);
        loaded = std::move(*opened);
    }
    fs::path path() const { return folder_.path; }
    static fs::path model_path() { return golden_folder() / "training/models/moe"; }
    Recipe recipe(const std::string& output, const std::string& train = "") {
        auto recipe = parse_recipe(
            fmt::format("kind = 'sft'\nmodel = '{}'\noutput = '{}'\nseed = 5\n[train]\nsteps = 12\ntokens = 40\n{}\n"
                        "[data]\nfiles = ['data.jsonl']\n[optimiser]\nlearning_rate = 3e-3\n"
                        "[evaluation]\nrecords = 3\nevery = 5\n[checkpoint]\nevery_steps = 0\nevery_minutes = 0\n",
                        model_path().string(), output, train),
            "r.toml", path());
        CHECK(recipe.ok(), "{}", recipe.error().message);
        return std::move(*recipe);
    }
    // The fingerprint of the adapter of a job that runs by itself.
    std::string alone() {
        ThreadPool pool(1);
        auto job = Job::open(recipe("alone"), {.quiet = true}, pool, kernels);
        CHECK(job.ok(), "{}", job.error().message);
        while (!(*job)->is_finished()) CHECK((*job)->advance().ok(), "a step");
        return (*job)->adapter()->fingerprint();
    }

    const math::KernelTable& kernels = *math::runnable_kernel_tables().back();
    model::LoadedModel loaded;

  private:
    TemporaryFolder folder_;
};

TEST_F(BackgroundJobTest, PublishesWhatTheJobAloneMakes) {
    const std::string expected = alone();
    Host host;
    std::mutex mutex;
    std::vector<std::string> versions;
    auto job = BackgroundJob::open(recipe("beside"), loaded, host.turns, kernels, [&](auto adapter) {
        const std::lock_guard lock(mutex);
        versions.push_back(adapter->fingerprint());
    });
    ASSERT_TRUE(job.ok()) << job.error().message;
    EXPECT_EQ(versions.size(), 1u);
    EXPECT_EQ((*job)->status().steps, 12);
    (*job)->begin();
    while ((*job)->status().is_running) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ((*job)->status().step, 12);
    job->reset();
    ASSERT_EQ(versions.size(), 13u);
    EXPECT_EQ(versions.back(), expected);
    EXPECT_GT(host.given, 12);
    EXPECT_TRUE(fs::exists(path() / "beside/final/adapter_model.safetensors"));
}

TEST_F(BackgroundJobTest, ADismissedJobGoesOnWhereItsLastStepEnded) {
    const std::string expected = alone();
    std::string last;
    int64_t step = 0;
    for (int part = 0; step < 12 && part < 100; part++) {
        Host host;
        std::atomic<int> published = 0;
        auto job = BackgroundJob::open(recipe("parts"), loaded, host.turns, kernels, [&](auto adapter) {
            last = adapter->fingerprint();
            published++;
        });
        ASSERT_TRUE(job.ok()) << job.error().message;
        // One more than was published where it was left behind the step.
        ASSERT_GE((*job)->status().step, step) << "part " << part;
        ASSERT_LE((*job)->status().step, step + 1) << "part " << part;
        step = (*job)->status().step;
        (*job)->begin();
        // It is dismissed some turns into a step.
        while ((*job)->status().is_running && published < 3) std::this_thread::yield();
        const int given = host.given;
        while ((*job)->status().is_running && host.given < given + part % 4) std::this_thread::yield();
        job->reset();
        step += published - 1;
    }
    EXPECT_EQ(step, 12);
    EXPECT_EQ(last, expected);
}

TEST_F(BackgroundJobTest, AllWeightsAreNotTrainedWhileOthersReadThem) {
    Host host;
    const auto job =
        BackgroundJob::open(recipe("full", "what = 'full'"), loaded, host.turns, kernels, [](const auto&) {});
    ASSERT_FALSE(job.ok());
    EXPECT_EQ(job.error().message,
              "train.what is \"full\", but requests are answered by the same weights meanwhile; train \"lora\"");
}

}  // namespace
}  // namespace hone::train
