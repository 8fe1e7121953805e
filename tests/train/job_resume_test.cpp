// A job that was interrupted ends with the same bits as one that was not, and what makes it another job is refused.
#include <gtest/gtest.h>

#include "tests/train/jobs.h"
#include "train/job.h"

namespace hone::train {
namespace {

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
        const std::string of_four = model::read_file(final / file);
        job.reset();
        run(*jobs.opened(with_steps(8)));
        job = jobs.opened(with_steps(8));
        EXPECT_TRUE(job->is_finished());
        EXPECT_FALSE(job->has_result());
        EXPECT_EQ(model::read_file(final / file), of_four);
        ASSERT_TRUE(job->finish(true));
        EXPECT_TRUE(job->has_result());
        EXPECT_NE(model::read_file(final / file), of_four);
    }
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
        const std::string content = model::read_file(file);
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

// Beginning anew would write over what may be put right.
TEST(Job, DamagedCheckpointsAreNotBegunOver) {
    Jobs jobs;
    const fs::path checkpoints = jobs.path() / "out/checkpoints";
    run(*jobs.opened(recipe("out")), 8);
    for (const char* step : {"step-00000004", "step-00000008"})
        std::ofstream(checkpoints / step / "state.json", std::ios::app) << " ";
    const std::string metrics = model::read_file(jobs.path() / "out/metrics.jsonl");
    const std::string refused = jobs.mistake(recipe("out"));
    EXPECT_EQ(refused.find((jobs.path() / "out").string() +
                           ": no checkpoint in it is whole; put one back that is, choose another output, or start "
                           "anew with --restart. The newest: " +
                           (checkpoints / "step-00000008/state.json").string() + ": damaged"),
              0u)
        << refused;
    EXPECT_TRUE(fs::exists(checkpoints / "step-00000004"));
    EXPECT_EQ(model::read_file(jobs.path() / "out/metrics.jsonl"), metrics);
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
    const std::string metrics = model::read_file(jobs.path() / "out/metrics.jsonl");
    EXPECT_EQ(std::ranges::count(metrics, '\n'), 12 + 3);
    EXPECT_EQ(jobs.opened(recipe("out"), restart)->state().step, 0);
    for (const fs::path& file : kept) EXPECT_FALSE(fs::exists(file)) << file;
}

}  // namespace
}  // namespace hone::train
