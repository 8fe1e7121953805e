#include <gtest/gtest.h>

#include "cli/bench/kernel_cases.h"
#include "cli/bench/model_cost.h"
#include "model/checkpoint/random_weights.h"
#include "model/checkpoint/shapes.h"

namespace hone::cli {
namespace {

constexpr std::string_view kProcStat =
    "cpu  1000 1000 1000 1000 1000 1000 1000 1000 0 0\n"
    "cpu0 1 2 4 100 200 8 16 32 1000 1000\n"
    "cpu1 1000 0 0 100 200 0 0 0 0 0\n"
    "cpu10 5 0 0 100 200 0 0 0 0 0\n"
    "intr 11569779 0 0\n";

TEST(ForeignLoad, TicksAreThoseOfOurProcessorsWithoutIdleAndDisk) {
    EXPECT_EQ(cpu_ticks(kProcStat, std::vector{0}).busy, 63);
    EXPECT_EQ(cpu_ticks(kProcStat, std::vector{0}).stolen, 32);
    EXPECT_EQ(cpu_ticks(kProcStat, std::vector{0, 10}).busy, 68);
    EXPECT_EQ(cpu_ticks("", std::vector{0}).busy, 0);
}

TEST(ForeignLoad, IsWhatIsBusyWithoutUs) {
    const LoadReading before{10, 100, 50, 3}, after{12, 104, 53, 3};
    EXPECT_EQ(foreign_share(before, after, 2, 0).likely, 0.25);  // 1 of 2 CPUs * 2 seconds
    const ForeignShare share = foreign_share(before, after, 2, 0.125);
    EXPECT_DOUBLE_EQ(share.least, 0.75 / 4);
    EXPECT_DOUBLE_EQ(share.likely, 0.75 / 4);  // nobody had to wait
    EXPECT_DOUBLE_EQ(share.most, 1.25 / 4);
}

TEST(ForeignLoad, TimeThatOurThreadsWaitedDecidesWithinTheTicks) {
    const LoadReading before{10, 100, 50, 3};
    EXPECT_EQ(foreign_share(before, {11, 102, 52, 3.125}, 1, 0.25).likely, 0.125);
    EXPECT_EQ(foreign_share(before, {11, 102, 52, 5}, 1, 0.25).likely, 0.25);  // they waited for each other
    EXPECT_EQ(foreign_share(before, {11, 101, 52, 5}, 1, 0.25).most, 0);  // more of ours than was busy: nobody else
}

TEST(ForeignLoad, WhatIsStolenCountsAlsoWhereItSeemsToBeOurs) {
    const LoadReading before{10, 100, 50, 3, 7}, after{12, 104, 54, 3, 8};
    EXPECT_EQ(foreign_share(before, after, 2, 0).least, 0.25);
}

TEST(ForeignLoad, ARepetitionCountsByItselfOnlyInAQuietRow) {
    const ForeignShare quiet{0, 0.03, 0.1}, long_and_quiet{0, 0.01, 0.04}, loud{0.1, 0.2, 0.3};
    EXPECT_TRUE(is_clean(quiet, quiet));
    EXPECT_FALSE(is_clean(loud, quiet));
    EXPECT_FALSE(is_clean(quiet, loud));  // too short for its ticks to tell
    EXPECT_TRUE(is_clean(long_and_quiet, loud));
}

TEST(ForeignLoad, AnIntervalOfOurOwnWorkIsMeasured) {
    const ForeignLoad load;
    const LoadReading before = load.read();
    volatile double sum = 0;
    while (load.read().wall < before.wall + 0.05) sum = sum + 1;
    const LoadReading after = load.read();
    EXPECT_GT(after.own - before.own, 0);
    EXPECT_GE(after.busy, before.busy);
    EXPECT_GE(after.waited, before.waited);
}

TEST(Limits, WorkTakesTheLongerOfArithmeticAndMemory) {
    MachineLimits limits;
    limits[Limit::i8] = 100, limits[Limit::bf16] = 50, limits[Limit::f32] = 10, limits[Limit::read] = 20;
    EXPECT_DOUBLE_EQ((Work{100, 50, 10, 0}.seconds(limits)), 3);
    EXPECT_DOUBLE_EQ((Work{100, 50, 10, 40}.seconds(limits)), 3);
    EXPECT_DOUBLE_EQ((Work{100, 50, 10, 80}.seconds(limits)), 4);
    EXPECT_EQ(Work{}.seconds({}), 0);
}

TEST(Limits, OnlyWhatIsNeededIsSampled) {
    ThreadPool pool(1);
    auto meter = LimitMeter::create(pool, *math::runnable_kernel_tables().back());
    ASSERT_TRUE(meter);
    const MachineLimits limits = meter->sample(Work{.bf16_ops = 1});
    EXPECT_GT(limits[Limit::bf16], 0);
    EXPECT_EQ(limits[Limit::i8], 0);
    EXPECT_EQ(limits[Limit::read], 0);
    const MachineLimits medians = meter->medians();
    for (const double rate : medians.rates) EXPECT_GT(rate, 0);
}

TEST(Limits, AreThoseOfCleanRepetitionsWhereThereAreAny) {
    ThreadPool pool(1);
    auto meter = LimitMeter::create(pool, *math::runnable_kernel_tables().back());
    ASSERT_TRUE(meter);
    for (const double rate : {1, 2, 3}) meter->record({.rates = {rate, rate, 0, 0}}, false);
    meter->record({.rates = {7, 0, 0, 0}}, true);
    const MachineLimits medians = meter->medians();
    EXPECT_EQ(medians[Limit::i8], 7);
    EXPECT_EQ(medians[Limit::bf16], 2);
    EXPECT_GT(medians[Limit::f32], 1000);  // nothing recorded: measured now
}

TEST(Stopwatch, RepeatsUntilEnoughRepetitionsAreCleanButNotForEver) {
    ThreadPool pool(1);
    auto meter = LimitMeter::create(pool, *math::runnable_kernel_tables().back());
    ASSERT_TRUE(meter);
    int calls = 0;
    const auto timings = Stopwatch(*meter).time(3, {.f32_ops = 1}, [&] { calls++; });
    EXPECT_EQ(std::ssize(timings), calls);
    const auto clean = std::ranges::count(timings, true, &Timing::is_clean);
    EXPECT_TRUE(clean >= 3 || calls == 6) << clean << " of " << calls;
}

TEST(ModelCost, CountsWhatAPassMultipliesAndReads) {
    ThreadPool pool(1);
    const auto model = model::random_model(*model::shape_config("tiny-moe"), "tiny-moe",
                                           {.weights = model::WeightChoice::int4, .quiet = true}, pool);
    ASSERT_TRUE(model);
    const ModelCost cost = cost_of(*model->model, math::NumericClass::i8g32);
    // 3 layers; hidden 64, q 4 x 32, k and v 2 x 32; 8 experts of 32 of which 2 are chosen; 288 tokens.
    EXPECT_EQ(cost.dense.i8_ops, 3 * 2 * 64 * (128 + 64 + 64 + 128));
    EXPECT_EQ(cost.expert.i8_ops, 3 * 2 * 2 * 3 * 64 * 32);
    EXPECT_EQ(cost.head.i8_ops, 2 * 64 * 288);
    EXPECT_EQ(cost.router.f32_ops, 3 * 2 * 64 * 8);
    EXPECT_EQ(cost.dense.bf16_ops + cost.expert.bf16_ops + cost.head.bf16_ops, 0);
    EXPECT_EQ(cost_of(*model->model, math::NumericClass::i8p32).dense.i8_ops, cost.dense.i8_ops);
    EXPECT_EQ(cost_of(*model->model, math::NumericClass::f32seq).dense.bf16_ops, cost.dense.i8_ops);
    using math::WeightFormat;
    EXPECT_EQ(cost.expert.bytes, 2 * math::packed_bytes(WeightFormat::int4_g32, 32, 64) +
                                     math::packed_bytes(WeightFormat::int4_g32, 64, 32));
    EXPECT_EQ(cost.key_bytes, 3 * 2 * 2 * 32 * 2);
    EXPECT_EQ(cost.attention_ops, 3 * 4 * 4 * 32);

    const PhaseWork work = work_of(
        cost,
        {.passes = 2, .rows = 10, .head_passes = 1, .logits_rows = 3, .experts = 7, .keys_seen = 55, .keys_read = 20});
    const auto at = [&](math::Phase phase) { return work[static_cast<size_t>(phase)]; };
    EXPECT_EQ(at(math::Phase::dense).i8_ops, 10 * cost.dense.i8_ops);
    EXPECT_EQ(at(math::Phase::dense).bytes, 2 * cost.dense.bytes);
    EXPECT_EQ(at(math::Phase::head).i8_ops, 3 * cost.head.i8_ops);
    EXPECT_EQ(at(math::Phase::head).bytes, cost.head.bytes);
    EXPECT_EQ(at(math::Phase::experts).bytes, 7 * cost.expert.bytes);
    EXPECT_EQ(at(math::Phase::attention).bf16_ops, 55 * cost.attention_ops);
    EXPECT_EQ(at(math::Phase::attention).bytes, 20 * cost.key_bytes);
    EXPECT_EQ(at(math::Phase::other).amount(Limit::read), 0);

    MachineLimits limits;
    limits.rates.fill(1);
    double sum = 0;
    for (const Work& phase : work) sum += phase.seconds(limits);
    EXPECT_EQ(seconds_of(work, limits), sum);
    EXPECT_GT(seconds_of(work, limits), sum_of(work).seconds(limits));  // each phase has its own bound
}

TEST(ZooShapes, AreDistinctAndNameWhatIsUnknown) {
    const std::string twice[] = {"qwen3-30b-a3b", "olmoe-1b-7b", "qwen3-30b-a3b"}, unknown[] = {"no-such-shape"};
    const auto shapes = zoo_shapes(twice);
    ASSERT_TRUE(shapes);
    const auto has = [&](const MatrixShape& shape) { return std::ranges::count(shapes->matrices, shape); };
    EXPECT_EQ(has({math::WeightFormat::int4_g32, 2048, 768, false}), 1);
    EXPECT_EQ(has({math::WeightFormat::bf16, 768, 2048, false}), 1);
    EXPECT_EQ(has({math::WeightFormat::f32, 2048, 128, false}), 1);
    EXPECT_EQ(has({math::WeightFormat::int4_g32, 2048, 151936, true}), 1);
    EXPECT_EQ(std::ranges::count(shapes->experts, ExpertShape{math::WeightFormat::int4_g32, 64, 8, 2048, 1024}), 1);
    EXPECT_EQ(std::ranges::count(shapes->heads, HeadShape{32, 4, 128}), 1);
    EXPECT_NE(zoo_shapes(unknown).error().message.find("no-such-shape"), std::string::npos);
}

math::KernelTable fastest() {
    return *math::runnable_kernel_tables().back();
}

std::vector<KernelCase> tiny_cases(const math::KernelTable& table) {
    const std::string names[] = {"tiny-moe"};
    const auto shapes = zoo_shapes(names);
    std::vector<KernelCase> cases;
    for (auto& some : {gemm_cases(table, *shapes), backward_cases(table, *shapes), expert_cases(table, *shapes),
                       attention_cases(table, *shapes), row_cases(table)}) {
        cases.insert(cases.end(), some.begin(), some.end());
    }
    return cases;
}

// A case whose name has `part` in it, on a table of its own.
Result<BenchRow> measure_one(const math::KernelTable& table, const std::string& part) {
    auto stage = KernelStage::create(table, 2, 1);
    if (!stage) return stage.error();
    for (const KernelCase& one : tiny_cases(table)) {
        if (one.name.find(part) != one.name.npos) return one.measure(**stage);
    }
    return error("no case {}", part);
}

TEST(KernelCases, EveryMatrixProductAndPreparationIsThere) {
    const math::KernelTable table = fastest();
    const auto cases = tiny_cases(table);
    const auto expect = [&](const std::string& name) {
        EXPECT_TRUE(std::ranges::any_of(cases, [&](const KernelCase& one) { return one.name.starts_with(name); }))
            << name;
    };
    table.gemm.for_each_name([&](std::string_view kernel) {
        if (kernel.starts_with("prepare_")) expect(fmt::format("kernel/{}/", kernel));
        if (!kernel.starts_with("gemm_")) return;
        for (const int rows : {1, 2, 4, 8, 16, 32, 64, 256, 2048})
            expect(fmt::format("kernel/{}/m{}/64x", kernel, rows));
    });
}

TEST(KernelCases, ARightKernelGivesARow) {
    for (const char* part : {"gemm_bf16_int4g32", "linear_backward_input_int4", "linear_backward_weight", "moe_i8",
                             "attention_decode", "rms_norm"}) {
        const auto row = measure_one(fastest(), part);
        ASSERT_TRUE(row) << row.error().message;
        EXPECT_TRUE(row->value > 0 && row->fraction && *row->fraction > 0) << row->name;
    }
}

TEST(KernelCases, AWrongMatrixProductIsNamed) {
    math::KernelTable table = fastest();
    table.gemm.i8_int4g32 = {"gemm_broken", [](const math::GemmTask& task) {
                                 fastest().gemm.i8_int4g32.run(task);
                                 for (int32_t row = 0; row < task.rows; row++) task.y[row * task.y_stride + 3] += 1e-3f;
                             }};
    for (const char* part : {"gemm_broken", "moe_broken"}) {
        const auto row = measure_one(table, part);
        ASSERT_FALSE(row) << part;
        EXPECT_NE(row.error().message.find("gemm_broken"), std::string::npos) << row.error().message;
    }
}

TEST(KernelCases, AWrongBackwardProductIsNamed) {
    math::KernelTable table = fastest();
    table.gemm.transpose_bf16 = {"transpose_broken", [](const math::TransposeTask& task) {
                                     fastest().gemm.transpose_bf16.run(task);
                                     task.panel[2] ^= std::byte{1};
                                 }};
    const auto row = measure_one(table, "linear_backward_input_bf16");
    ASSERT_FALSE(row);
    EXPECT_NE(row.error().message.find("linear_backward_input_bf16"), std::string::npos) << row.error().message;
    EXPECT_TRUE(measure_one(table, "linear_backward_weight"));
}

TEST(KernelCases, WrongAttentionAndRowsAreNamed) {
    math::KernelTable table = fastest();
    table.attention.finish = {"finish_broken", [](const float* output, float sum, int32_t head_dim, float* y) {
                                  fastest().attention.finish.run(output, sum * 1.001f, head_dim, y);
                              }};
    table.rows.add = {"add_broken", [](const float* y, float* x, int64_t n) { x[n - 1] += y[0]; }};
    EXPECT_FALSE(measure_one(table, "attention_prefill"));
    const auto row = measure_one(table, "add_broken");
    ASSERT_FALSE(row);
    EXPECT_NE(row.error().message.find("add_broken"), std::string::npos);
}

}  // namespace
}  // namespace hone::cli
