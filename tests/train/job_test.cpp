// Jobs from their recipes: each kind learns, tells how far it is, ends when it should, and names what is wrong.
#include "train/job.h"

#include <gtest/gtest.h>

#include "tests/train/jobs.h"

namespace hone::train {
namespace {

std::string with_epochs(std::string text, int epochs) {
    return text.replace(text.find("steps = 12"), 10, fmt::format("epochs = {}", epochs));
}

void write_lines(const fs::path& path, const std::vector<std::string>& lines) {
    std::ofstream(path) << fmt::format("{}\n", fmt::join(lines, "\n"));
}

std::vector<std::string> lines_of(const fs::path& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

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
        const std::string metrics = model::read_file(jobs.path() / output / "metrics.jsonl");
        EXPECT_EQ(std::ranges::count(metrics, '\n'), 12 + 3);
        EXPECT_NE(metrics.find("evaluation_loss"), std::string::npos);
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
    EXPECT_NE(model::read_file(jobs.path() / "out/final/adapter_config.json").find("LORA"), std::string::npos);
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
    EXPECT_EQ(model::read_file(jobs.path() / "out/best" / file), model::read_file(jobs.path() / "short/final" / file));
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
    const std::string metrics = model::read_file(jobs.path() / "out/metrics.jsonl");
    for (const char* word : {"null", "NaN", "Infinity", "1e99999"})
        EXPECT_EQ(metrics.find(word), std::string::npos) << metrics;
    const auto state = job->state();
    job.reset();
    job = jobs.opened(text);
    EXPECT_EQ(job->state().best_loss, state.best_loss);
    EXPECT_EQ(job->state().evaluations_since_best, 3);
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
