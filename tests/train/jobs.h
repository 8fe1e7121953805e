// Jobs on a golden model, with data, recipes and outputs in a folder of their own.
#pragma once

#include <fstream>

#include "math/kernels/self_test.h"
#include "tests/golden_folder.h"
#include "tests/math/test_context.h"
#include "tests/model/checkpoint_files.h"
#include "tests/temporary_folder.h"
#include "train/job.h"

namespace hone::train {

namespace fs = std::filesystem;

// A folder with data, recipes and outputs of jobs on a golden model.
class Jobs {
  public:
    Jobs() {
        std::ofstream data(path() / "data.jsonl");
        for (int i = 0; i < 24; i++) {
            data << "{\"tokens\": [";
            for (int j = 0; j < 8 + i % 5; j++) data << (j ? ", " : "") << (3 + (i * 7 + j * 5) % 60);
            data << "]}\n";
        }
    }
    fs::path path() const { return folder_.path.lexically_normal(); }

    Result<std::unique_ptr<Job>> open(const std::string& text, const JobOptions& options = {.quiet = true},
                                      int threads = 2) {
        auto recipe = parse_recipe(text, "r.toml", path());
        if (!recipe) return recipe.error();
        pools_.push_back(std::make_unique<ThreadPool>(threads));
        return Job::open(std::move(*recipe), options, *pools_.back(), *math::runnable_kernel_tables().back());
    }
    std::unique_ptr<Job> opened(const std::string& text, const JobOptions& options = {.quiet = true}, int threads = 2) {
        auto job = open(text, options, threads);
        CHECK(job.ok(), "{}", job.error().message);
        return std::move(*job);
    }
    std::string mistake(const std::string& text) {
        const auto job = open(text);
        return job ? "" : job.error().message;
    }

  private:
    TemporaryFolder folder_;
    std::vector<std::unique_ptr<ThreadPool>> pools_;
};

inline std::string recipe(const std::string& output, const std::string& head = "kind = 'sft'",
                          const std::string& train = "", const std::string& rest = "") {
    const std::string model = (golden_folder() / "training/models/moe").string();
    return fmt::format(
        "{}\nmodel = '{}'\noutput = '{}'\nseed = 5\n[train]\nsteps = 12\ntokens = 32\n{}\n"
        "[data]\nfiles = ['data.jsonl']\n[optimiser]\nlearning_rate = 3e-3\n[evaluation]\nrecords = 3\nevery = 5\n"
        "[checkpoint]\nevery_steps = 4\n{}",
        head, model, output, train, rest);
}

inline std::vector<double> run(Job& job, int64_t most = 1 << 20) {
    std::vector<double> losses;
    for (int64_t i = 0; i < most && !job.is_finished(); i++) {
        auto event = job.advance();
        CHECK(event.ok(), "{}", event.error().message);
        losses.push_back(event->step.loss.loss);
    }
    return losses;
}

inline std::vector<std::vector<float>> values_of(const Job& job) {
    std::vector<std::vector<float>> values;
    for (const Parameter& parameter : job.parameters())
        values.emplace_back(parameter.values.begin(), parameter.values.end());
    return values;
}

inline void expect_same(const Job& a, const std::vector<std::vector<float>>& expected) {
    for (size_t i = 0; i < expected.size(); i++)
        math::expect_same_bits(a.parameters()[i].values, expected[i], a.parameters()[i].name);
}

// The metrics without times, which differ from run to run.
inline std::string metrics_of(const fs::path& output) {
    std::string metrics = model::read_file(output / "metrics.jsonl"), kept;
    for (size_t at = 0; at < metrics.size();) {
        const size_t seconds = std::min(metrics.find(",\"seconds\":", at), metrics.size());
        kept += metrics.substr(at, seconds - at);
        at = seconds == metrics.size() ? seconds : metrics.find_first_of(",}", seconds + 1);
    }
    return kept;
}

inline const std::string kTrainings[] = {"", "what = 'full'", "what = 'full'\nqat = 'experts'\naccumulate = 2"};

}  // namespace hone::train
