// Jobs from their recipes: each kind learns, a job that was interrupted ends with the same bits as one that was not, and
// what makes it another job is refused.
#include "train/job.h"

#include <fstream>

#include <gtest/gtest.h>

#include "math/kernels/self_test.h"
#include "tests/golden_folder.h"
#include "tests/math/test_context.h"
#include "tests/temporary_folder.h"

namespace hone::train {
namespace {

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
    fs::path path() const { return fs::path(folder_.path()).lexically_normal(); }

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

std::string recipe(const std::string& output, const std::string& head = "kind = 'sft'", const std::string& train = "",
                   const std::string& rest = "") {
    const std::string model = (golden_folder() / "training/models/moe").string();
    return fmt::format(
        "{}\nmodel = '{}'\noutput = '{}'\nseed = 5\n[train]\nsteps = 12\ntokens = 32\n{}\n"
        "[data]\nfiles = ['data.jsonl']\n[optimiser]\nlearning_rate = 3e-3\n[evaluation]\nrecords = 3\nevery = 5\n"
        "[checkpoint]\nevery_steps = 4\n{}",
        head, model, output, train, rest);
}

std::vector<double> run(Job& job, int64_t most = 1 << 20) {
    std::vector<double> losses;
    for (int64_t i = 0; i < most && !job.is_finished(); i++) {
        auto event = job.advance();
        CHECK(event.ok(), "{}", event.error().message);
        losses.push_back(event->step.loss.loss);
    }
    return losses;
}

std::vector<std::vector<float>> values_of(const Job& job) {
    std::vector<std::vector<float>> values;
    for (const Parameter& parameter : job.parameters())
        values.emplace_back(parameter.values.begin(), parameter.values.end());
    return values;
}

void expect_same(const Job& a, const std::vector<std::vector<float>>& expected) {
    for (size_t i = 0; i < expected.size(); i++)
        math::expect_same_bits(a.parameters()[i].values, expected[i], a.parameters()[i].name);
}

std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The metrics without times, which differ from run to run.
std::string metrics_of(const fs::path& output) {
    std::string metrics = text_of(output / "metrics.jsonl"), kept;
    for (size_t at = 0; at < metrics.size();) {
        const size_t seconds = std::min(metrics.find(",\"seconds\":", at), metrics.size());
        kept += metrics.substr(at, seconds - at);
        at = seconds == metrics.size() ? seconds : metrics.find_first_of(",}", seconds + 1);
    }
    return kept;
}

const std::string kTrainings[] = {"", "what = 'full'", "what = 'full'\nqat = 'experts'\naccumulate = 2"};

TEST(Job, TrainsAndLeavesItsResult) {
    Jobs jobs;
    int number = 0;
    for (const std::string& train : kTrainings) {
        const std::string output = fmt::format("out{}", number++);
        const auto job = jobs.opened(recipe(output, "kind = 'sft'", train));
        EXPECT_EQ(job->plan().steps, 12);
        const auto losses = run(*job);
        ASSERT_EQ(losses.size(), 12u);
        EXPECT_LT(losses.back(), losses.front());
        ASSERT_TRUE(job->finish(true));
        EXPECT_TRUE(fs::exists(jobs.path() / output / "final" /
                               (train.empty() ? "adapter_model.safetensors" : "model.safetensors")));
        const std::string metrics = text_of(jobs.path() / output / "metrics.jsonl");
        EXPECT_EQ(std::ranges::count(metrics, '\n'), 12 + 3);
        EXPECT_NE(metrics.find("evaluation_loss"), std::string::npos);
    }
}

TEST(Job, GoesOnWithTheSameBitsWhereverItStopped) {
    for (const std::string& train : kTrainings) {
        Jobs jobs;
        const auto whole = jobs.opened(recipe("whole", "kind = 'sft'", train));
        run(*whole);
        const auto expected = values_of(*whole);
        // Stops behind checkpoints that are a step or more old, with another number of threads, and by itself.
        for (const int64_t steps : {5, 1, 6}) {
            const auto part = jobs.opened(recipe("parts", "kind = 'sft'", train), {.quiet = true}, 1);
            run(*part, steps);
            if (steps == 1) {
                EXPECT_TRUE(part->save());
            }
        }
        auto last = jobs.opened(recipe("parts", "kind = 'sft'", train));
        EXPECT_EQ(last->state().step, 8);
        run(*last);
        expect_same(*last, expected);
        EXPECT_EQ(metrics_of(jobs.path() / "parts"), metrics_of(jobs.path() / "whole"));
        EXPECT_EQ(last->state().best_loss, whole->state().best_loss);
        last.reset();
        const auto again = jobs.opened(recipe("parts", "kind = 'sft'", train));
        EXPECT_TRUE(again->is_finished());
        expect_same(*again, expected);
    }
}

// The estimate has room for what a pass keeps: the inner results of the experts that tokens choose, too.
TEST(Job, EstimatesWhatIsKeptOfExperts) {
    Jobs jobs;
    const std::string text = recipe("out");
    const auto estimate = [&](size_t activation_bytes) {
        return jobs.opened(text, {.only_plan = true, .activation_bytes = activation_bytes, .quiet = true})
            ->plan()
            .memory_bytes;
    };
    const auto job = jobs.opened(text, {.only_plan = true, .quiet = true});
    const model::ModelSpec& spec = job->model().spec();
    size_t inner = 0;  // columns of gate and up of one expert in each layer
    job->model().visit([&](const model::WeightSlot& slot) {
        const bool is_inner = slot.name.ends_with("gate_proj.weight") || slot.name.ends_with("up_proj.weight");
        if (slot.role == model::WeightRole::expert && is_inner) inner += static_cast<size_t>(slot.n);
    });
    inner /= static_cast<size_t>(spec.experts);
    const size_t row =
        inner * static_cast<size_t>(spec.experts_per_token) + static_cast<size_t>((spec.layers + 1) * spec.hidden);
    ASSERT_GT(inner, 0u);
    EXPECT_GE(estimate(size_t{1} << 30) - estimate(0), 32 * sizeof(float) * row);
    EXPECT_EQ(estimate(1000) - estimate(0), 1000u);
}

// A process that is killed between the last checkpoint and its result leaves that of the shorter run.
TEST(Job, AnOlderResultIsNotTheFinishedOne) {
    for (const std::string& train : {kTrainings[0], kTrainings[1]}) {
        Jobs jobs;
        std::string text = recipe("out", "kind = 'sft'", train);
        const fs::path final = jobs.path() / "out/final";
        const auto with_steps = [&](int steps) {
            std::string changed = text;
            return changed.replace(changed.find("steps = 12"), 10, fmt::format("steps = {}", steps));
        };
        auto job = jobs.opened(with_steps(4));
        run(*job);
        EXPECT_FALSE(job->has_result());
        ASSERT_TRUE(job->finish(true));
        EXPECT_TRUE(job->has_result());
        const std::string file = train.empty() ? "adapter_model.safetensors" : "model.safetensors";
        const std::string of_four = text_of(final / file);
        job.reset();
        run(*jobs.opened(with_steps(8)));
        job = jobs.opened(with_steps(8));
        EXPECT_TRUE(job->is_finished());
        EXPECT_FALSE(job->has_result());
        EXPECT_EQ(text_of(final / file), of_four);
        ASSERT_TRUE(job->finish(true));
        EXPECT_TRUE(job->has_result());
        EXPECT_NE(text_of(final / file), of_four);
    }
}

// Ranks and alphas of PEFT's patterns have no place in Tinker's layout.
TEST(Job, ResultsOfAnAdapterWithRanksOfItsOwnAreInPeftsLayout) {
    Jobs jobs;
    const auto first = jobs.opened(recipe("first"));
    run(*first, 2);
    ASSERT_TRUE(first->finish(true));
    auto contents = model::read_adapter(jobs.path() / "first/final");
    ASSERT_TRUE(contents.ok()) << contents.error().message;
    contents->factors[1].alpha = 7;
    ASSERT_TRUE(model::write_adapter(jobs.path() / "mixed", model::AdapterLayout::peft, *contents));
    const auto job = jobs.opened(recipe("out", "kind = 'sft'", "", "[lora]\ninit = 'mixed'\n"));
    run(*job);
    const Status finished = job->finish(true);
    ASSERT_TRUE(finished.ok()) << finished.error().message;
    const auto written = model::read_adapter(jobs.path() / "out/final");
    ASSERT_TRUE(written.ok()) << written.error().message;
    EXPECT_EQ(std::ranges::count(written->factors, 7, &model::AdapterFactors::alpha), 1);
    EXPECT_NE(text_of(jobs.path() / "out/final/adapter_config.json").find("LORA"), std::string::npos);
}

// The teacher is what another job left behind.
TEST(Job, DistillsFromATeacher) {
    Jobs jobs;
    auto teacher = jobs.opened(recipe("teacher", "kind = 'sft'", "what = 'full'"));
    run(*teacher);
    ASSERT_TRUE(teacher->finish(true));
    for (const char* way : {"direction = 'reverse'", "direction = 'mixed'\nalpha = 0.3\ntop_k = 20"}) {
        const std::string distill = fmt::format("[distill]\nteacher = 'teacher/final'\n{}\n", way);
        const auto job = jobs.opened(recipe(fmt::format("out{}", way[13]), "kind = 'distill'", "", distill));
        const auto losses = run(*job);
        EXPECT_LT(losses.back(), 0.5 * losses.front());
    }
    EXPECT_EQ(jobs.mistake(recipe("other", "kind = 'distill'", "", "[distill]\nteacher = 'none'\n")),
              fmt::format("{}: there is no such file or folder", (jobs.path() / "none").string()));
}

TEST(Job, EpochsAreCounted) {
    Jobs jobs;
    std::string text = recipe("out");
    text.replace(text.find("steps = 12"), 10, "epochs = 2");
    auto job = jobs.opened(text);
    EXPECT_GT(job->plan().steps, 5);
    run(*job);
    EXPECT_EQ(job->state().step, job->plan().steps);
    job.reset();
    EXPECT_FALSE(jobs.opened(text, {.restart = true, .quiet = true})->is_finished());
}

TEST(Job, StopsEarlyWhenEvaluationsGetNoBetter) {
    Jobs jobs;
    std::string text = recipe("out");
    text.replace(text.find("every = 5"), 9, "every = 1\npatience = 2");
    text.replace(text.find("learning_rate = 3e-3"), 20, "learning_rate = 0");
    auto job = jobs.opened(text);
    EXPECT_EQ(run(*job).size(), 3u);
    job.reset();
    EXPECT_TRUE(jobs.opened(text)->is_finished());
    text.replace(text.find("patience = 2"), 12, "patience = 4");
    job = jobs.opened(text);
    EXPECT_FALSE(job->is_finished());
    EXPECT_EQ(run(*job).size(), 2u);
    EXPECT_TRUE(job->is_stopped_early());
}

TEST(Job, KeepsTheBestOfEvaluationsThatMayEndIt) {
    Jobs jobs;
    std::string text = recipe("out");
    text.replace(text.find("every = 5"), 9, "every = 1\npatience = 2");
    text.replace(text.find("learning_rate = 3e-3"), 20, "learning_rate = 3e-1");  // soon too far
    const auto job = jobs.opened(text);
    int64_t best = 0;
    while (!job->is_finished()) {
        const auto event = job->advance();
        ASSERT_TRUE(event.ok()) << event.error().message;
        if (event->is_best) best = job->state().step;
    }
    ASSERT_LT(best, job->state().step);
    text.replace(text.find("steps = 12"), 10, fmt::format("steps = {}", best));
    text.replace(text.find("output = 'out'"), 14, "output = 'short'");
    const auto shorter = jobs.opened(text);
    run(*shorter);
    ASSERT_TRUE(shorter->finish(true));
    const fs::path file = "adapter_model.safetensors";
    EXPECT_EQ(text_of(jobs.path() / "out/best" / file), text_of(jobs.path() / "short/final" / file));
}

// JSON has no infinities, and nothing is less than what is no number.
TEST(Job, AnEvaluationThatIsNotFiniteIsNeverTheBest) {
    Jobs jobs;
    std::string text = recipe("out", "kind = 'sft'", "what = 'full'");
    text.replace(text.find("learning_rate = 3e-3"), 20, "learning_rate = 1e9");
    text.replace(text.find("every = 5"), 9, "every = 1\npatience = 3");
    auto job = jobs.opened(text);
    bool was_finite = true;
    while (!job->is_finished()) {
        const auto event = job->advance();
        ASSERT_TRUE(event.ok()) << event.error().message;
        if (std::isfinite(event->evaluation->loss)) continue;
        was_finite = false;
        EXPECT_FALSE(event->is_best);
    }
    ASSERT_FALSE(was_finite);
    EXPECT_TRUE(job->is_stopped_early());
    const std::string metrics = text_of(jobs.path() / "out/metrics.jsonl");
    for (const char* word : {"null", "NaN", "Infinity", "1e99999"})
        EXPECT_EQ(metrics.find(word), std::string::npos) << metrics;
    const auto state = job->state();
    job.reset();
    job = jobs.opened(text);
    EXPECT_EQ(job->state().best_loss, state.best_loss);
    EXPECT_EQ(job->state().evaluations_since_best, 3);
}

TEST(Job, RefusesToGoOnAsAnother) {
    Jobs jobs;
    run(*jobs.opened(recipe("out")), 4);
    const std::string advice = "; set it back, choose another output, or start anew with --restart";
    const std::string output = (jobs.path() / "out").string();
    EXPECT_EQ(jobs.mistake(recipe("out", "kind = 'pretrain'")),
              output + ": kind is \"pretrain\" in the recipe, but was \"sft\" when this job began" + advice);
    EXPECT_EQ(jobs.mistake(recipe("out", "kind = 'sft'", "", "keep = 9\n")), "");
    std::ofstream(jobs.path() / "data.jsonl", std::ios::app) << "{\"tokens\": [3, 4]}\n";
    EXPECT_EQ(jobs.mistake(recipe("out")),
              output + ": the contents of data.files or evaluation.files have changed since this job began" + advice);
    EXPECT_EQ(jobs.opened(recipe("out", "kind = 'pretrain'"), {.restart = true, .quiet = true})->state().step, 0);
}

std::vector<std::string> lines_of(const fs::path& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

void write_lines(const fs::path& path, const std::vector<std::string>& lines) {
    std::ofstream(path) << fmt::format("{}\n", fmt::join(lines, "\n"));
}

std::string with_epochs(std::string text, int epochs) {
    return text.replace(text.find("steps = 12"), 10, fmt::format("epochs = {}", epochs));
}

TEST(Job, ReadsAllDataBeforeItBegins) {
    Jobs jobs;
    const fs::path file = jobs.path() / "data.jsonl";
    const std::vector<std::string> lines = lines_of(file);
    run(*jobs.opened(recipe("begun")), 4);
    for (size_t wrong = 0; wrong < lines.size(); wrong++) {  // of training or of the evaluation
        std::vector<std::string> data = lines;
        data[wrong] = "{\"tokens\": [1, 2000]}";
        write_lines(file, data);
        for (const JobOptions& options : {JobOptions{.quiet = true}, JobOptions{.only_plan = true, .quiet = true},
                                          JobOptions{.restart = true, .quiet = true}}) {
            const auto job = jobs.open(recipe(options.restart ? "begun" : "out"), options);
            ASSERT_FALSE(job.ok());
            EXPECT_NE(job.error().message.find(fmt::format("data.jsonl:{}: ", wrong + 1)), std::string::npos)
                << job.error().message;
        }
    }
    write_lines(file, lines);
    EXPECT_EQ(jobs.opened(recipe("begun"))->state().step, 4);  // what was there is there still
    const auto job = jobs.opened(recipe("out"));
    ASSERT_TRUE(job->plan().survey && job->plan().survey->evaluation);
    EXPECT_EQ(job->plan().survey->training.counts.records, 21u);
    EXPECT_EQ(job->plan().survey->evaluation->counts.records, 3u);
    // A job that goes on has read them.
    EXPECT_FALSE(jobs.opened(recipe("begun"))->plan().survey);
    EXPECT_TRUE(jobs.opened(with_epochs(recipe("begun"), 3))->plan().survey);
}

TEST(Job, NothingToTrainOnIsAnError) {
    Jobs jobs;
    const std::vector<std::string> untrained(24, "{\"tokens\": [3, 4, 5], \"mask\": [0, 0, 0]}");
    write_lines(jobs.path() / "data.jsonl", untrained);
    const std::string why =
        "none of the 21 records has anything to train on: 21 have no token with a weight (0 documents were cut at 32 "
        "tokens), 0 are skipped because they are longer";
    for (const int epochs : {1, 2}) EXPECT_EQ(jobs.mistake(with_epochs(recipe("out"), epochs)), why);
    EXPECT_EQ(jobs.mistake(recipe("out")), why);
    EXPECT_FALSE(fs::exists(jobs.path() / "out/final"));
    // Nor to evaluate on.
    std::string text = recipe("other");
    text.replace(text.find("files = ['data.jsonl']"), 22, "files = ['more.jsonl']");
    text.replace(text.find("records = 3"), 11, "files = ['data.jsonl']");
    write_lines(jobs.path() / "more.jsonl", {"{\"tokens\": [3, 4, 5]}"});
    EXPECT_EQ(jobs.mistake(text).find("evaluation: none of the 24 records has"), 0u) << jobs.mistake(text);
}

TEST(Job, SavesWhereTheDataBreakUnderneath) {
    for (const bool breaks_evaluation : {false, true}) {
        Jobs jobs;
        const fs::path file = jobs.path() / (breaks_evaluation ? "own.jsonl" : "data.jsonl");
        fs::copy_file(jobs.path() / "data.jsonl", jobs.path() / "own.jsonl");
        std::string text = recipe("out");
        text.replace(text.find("every_steps = 4"), 15, "every_steps = 0");
        text.replace(text.find("records = 3"), 11, "files = ['own.jsonl']");
        auto job = jobs.opened(text);
        run(*job, 2);
        const std::string content = text_of(file);
        fs::resize_file(file, 0);
        std::string failure;
        while (failure.empty() && !job->is_finished()) {
            const auto event = job->advance();
            if (!event) failure = event.error().message;
        }
        const int64_t step = job->state().step;
        EXPECT_GE(step, 2);
        EXPECT_NE(failure.find(fmt::format("; step {} is saved, set the data back to go on from it", step)),
                  std::string::npos)
            << failure;
        job.reset();
        std::ofstream(file) << content;
        job = jobs.opened(text);
        EXPECT_EQ(job->state().step, step);
        run(*job);
        EXPECT_TRUE(job->is_finished());
    }
}

TEST(Job, APlanTellsHowFarTheJobIs) {
    Jobs jobs;
    const JobOptions plan{.only_plan = true, .quiet = true};
    const auto begun = jobs.opened(recipe("out"));  // and holds the lock
    EXPECT_EQ(jobs.opened(recipe("out"), plan)->plan().saved_step, 0);
    run(*begun, 5);
    const auto same = jobs.opened(recipe("out"), plan), other = jobs.opened(recipe("out", "kind = 'pretrain'"), plan);
    EXPECT_EQ(same->plan().saved_step, 4);
    EXPECT_EQ(same->plan().refusal, "");
    EXPECT_EQ(other->plan().saved_step, 4);
    EXPECT_NE(other->plan().refusal.find("kind is \"pretrain\" in the recipe"), std::string::npos);
    const auto anew =
        jobs.opened(recipe("out", "kind = 'pretrain'"), {.restart = true, .only_plan = true, .quiet = true});
    EXPECT_EQ(anew->plan().saved_step, 0);
    EXPECT_EQ(anew->plan().refusal, "");
}

// A path may move; what it leads to may not change. The adapter is also the reference.
TEST(Job, TheAdapterToBeginWithIsKnownByItsContents) {
    Jobs jobs;
    auto first = jobs.opened(recipe("first"));
    run(*first, 3);
    ASSERT_TRUE(first->finish(true));
    fs::rename(jobs.path() / "first/final", jobs.path() / "a");
    run(*first, 1);
    ASSERT_TRUE(first->finish(true));
    fs::rename(jobs.path() / "first/final", jobs.path() / "b");
    const auto text = [](const char* init) {
        return recipe("out", "kind = 'sft'", "", fmt::format("[lora]\ninit = '{}'\n", init));
    };
    run(*jobs.opened(text("a")), 4);
    const std::string refused = (jobs.path() / "out").string() +
                                ": the adapter of lora.init is another than when this job began; set it back, choose "
                                "another output, or start anew with --restart";
    EXPECT_EQ(jobs.mistake(text("b")), refused);
    EXPECT_EQ(jobs.mistake(text("")), refused);
    fs::rename(jobs.path() / "a", jobs.path() / "moved");
    EXPECT_EQ(jobs.opened(text("moved"))->state().step, 4);
}

TEST(Job, WhatTokensAreMadeByIsKnownByItsContents) {
    Jobs jobs;
    fs::copy(golden_folder() / "training/models/moe", jobs.path() / "model");
    const std::string golden = (golden_folder() / "training/models/moe").string();
    std::string text = recipe("out");
    text.replace(text.find(golden), golden.size(), "model");
    run(*jobs.opened(text), 4);
    fs::rename(jobs.path() / "model", jobs.path() / "moved");
    text.replace(text.find("model = 'model'"), 15, "model = 'moved'");
    EXPECT_EQ(jobs.mistake(text), "");
    std::ofstream(jobs.path() / "moved/chat_template.jinja") << "{{ messages }}";
    EXPECT_EQ(jobs.mistake(text).find(
                  (jobs.path() / "out").string() +
                  ": the tokenizer or the chat template of model is another than when this job began; set it back"),
              0u)
        << jobs.mistake(text);
}

// What only model and data show to be wrong has its line too.
TEST(Job, MistakesInTheRecipeNameTheLine) {
    Jobs jobs;
    std::string text = recipe("out");
    text.insert(text.find("[evaluation]"), "[schedule]\ndecay = 'linear'\nwarmup_steps = 99\n");
    EXPECT_EQ(jobs.mistake(text),
              "r.toml:15: schedule.warmup_steps 99 and decay_steps 0 are more than the 12 steps of the job");
    EXPECT_EQ(jobs.mistake(recipe("out", "kind = 'sft'", "what = 'full'", "[balance]\nbias_rate = 0.5\n")),
              "r.toml:19: balance.bias_rate is 0.5, but the routers of moe have no correction bias; use "
              "balance.aux_coefficient");
    text = recipe("out");
    text.replace(text.find("tokens = 32"), 11, "tokens = 1000000");
    text.replace(text.find("files = ['data.jsonl']"), 22, "max_tokens = 1000000\nfiles = ['data.jsonl']");
    const std::string too_long = jobs.mistake(text);
    EXPECT_EQ(too_long.find("r.toml:10: data.max_tokens is 1000000, but the model takes at most "), 0u) << too_long;
    text.replace(text.find("data.jsonl"), 10, "none.jsonl");
    EXPECT_EQ(jobs.mistake(text),
              "r.toml:11: data.files names " + (jobs.path() / "none.jsonl").string() + ": there is no such file");
}

// Beginning anew would write over what may be put right.
TEST(Job, DamagedCheckpointsAreNotBegunOver) {
    Jobs jobs;
    const fs::path checkpoints = jobs.path() / "out/checkpoints";
    run(*jobs.opened(recipe("out")), 8);
    for (const char* step : {"step-00000004", "step-00000008"})
        std::ofstream(checkpoints / step / "state.json", std::ios::app) << " ";
    const std::string metrics = text_of(jobs.path() / "out/metrics.jsonl");
    const std::string refused = jobs.mistake(recipe("out"));
    EXPECT_EQ(refused.find((jobs.path() / "out").string() +
                           ": no checkpoint in it is whole; put one back that is, choose another output, or start "
                           "anew with --restart. The newest: " +
                           (checkpoints / "step-00000008/state.json").string() + ": damaged"),
              0u)
        << refused;
    EXPECT_TRUE(fs::exists(checkpoints / "step-00000004"));
    EXPECT_EQ(text_of(jobs.path() / "out/metrics.jsonl"), metrics);
    EXPECT_EQ(jobs.opened(recipe("out"), {.restart = true, .quiet = true})->state().step, 0);
    EXPECT_FALSE(fs::exists(checkpoints / "step-00000004"));
}

TEST(Job, AMistakeInTheRecipeOfARestartCostsNothing) {
    Jobs jobs;
    auto job = jobs.opened(recipe("out"));
    run(*job);
    ASSERT_TRUE(job->finish(true));
    job.reset();
    const JobOptions restart{.restart = true, .quiet = true};
    const fs::path kept[] = {jobs.path() / "out/final/adapter_model.safetensors",
                             jobs.path() / "out/checkpoints/step-00000012/state.json"};
    std::string late = recipe("out");  // what is known only when all is open
    late.insert(late.find("[evaluation]"), "[schedule]\ndecay = 'linear'\nwarmup_steps = 99\n");
    for (const std::string& text :
         {late, recipe("out", "kind = 'sft'", "what = 'full'", "[balance]\nbias_rate = 1\n")}) {
        EXPECT_FALSE(jobs.open(text, restart).ok());
        for (const fs::path& file : kept) EXPECT_TRUE(fs::exists(file)) << file;
    }
    const std::string metrics = text_of(jobs.path() / "out/metrics.jsonl");
    EXPECT_EQ(std::ranges::count(metrics, '\n'), 12 + 3);
    EXPECT_EQ(jobs.opened(recipe("out"), restart)->state().step, 0);
    for (const fs::path& file : kept) EXPECT_FALSE(fs::exists(file)) << file;
}

TEST(Job, AGradientThatIsNeverFiniteEndsIt) {
    Jobs jobs;
    std::string text = recipe("out", "kind = 'sft'", "what = 'full'");
    text.replace(text.find("learning_rate = 3e-3"), 20, "learning_rate = 1e9");
    text.erase(text.find("[evaluation]"), text.find("[checkpoint]") - text.find("[evaluation]"));
    const auto job = jobs.opened(text);
    std::string failure;
    while (failure.empty() && !job->is_finished()) {
        auto event = job->advance();
        if (!event) failure = event.error().message;
    }
    EXPECT_EQ(job->state().skipped, 5);
    EXPECT_EQ(failure,
              "step 6: the gradient was not finite in 5 steps in a row; lower optimiser.learning_rate, or set "
              "optimiser.grad_clip_norm, and start again with --restart");
}

TEST(Job, BeginsFromRandomWeightsOfItsSeed) {
    Jobs jobs;
    fs::create_directory(jobs.path() / "shape");
    fs::copy_file(golden_folder() / "training/models/moe/config.json", jobs.path() / "shape/config.json");
    std::string text = recipe("a", "kind = 'pretrain'");
    text.erase(text.find("model = "), text.find("output = ") - text.find("model = "));
    text += "[architecture]\nconfig = 'shape/config.json'\n";
    const auto a = jobs.opened(text, {.only_plan = true, .quiet = true}),
               b = jobs.opened(text, {.only_plan = true, .quiet = true}, 1);
    expect_same(*a, values_of(*b));
    double squares = 0, count = 0;
    for (const Parameter& parameter : a->parameters()) {
        if (!parameter.decays) {
            for (const float value : parameter.values) EXPECT_EQ(value, 1.0f);
            continue;
        }
        for (const float value : parameter.values) squares += double{value} * double{value}, count++;
    }
    EXPECT_NEAR(std::sqrt(squares / count), 0.02, 0.0005);
    EXPECT_FALSE(fs::exists(jobs.path() / "a"));
    const auto job = jobs.opened(text);
    const auto losses = run(*job);
    EXPECT_LT(losses.back(), losses.front());
}

}  // namespace
}  // namespace hone::train
