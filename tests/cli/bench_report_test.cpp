#include <filesystem>
#include <fstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "cli/bench/compare.h"
#include "cli/bench/start_rows.h"

namespace hone::cli {
namespace {

std::vector<Repetition> of_values(std::initializer_list<double> values, double limit) {
    std::vector<Repetition> repetitions;
    for (const double value : values) repetitions.push_back({value, limit});
    return repetitions;
}

TEST(Summary, TakesMediansAndTheRangeOfTheMiddleHalf) {
    const auto row = summarise("x", "GB/s", of_values({50, 10, 30, 20, 40, 60, 70, 1000}, 100), 8);
    EXPECT_EQ(row.value, 50);
    EXPECT_EQ(row.limit, 100);
    EXPECT_EQ(row.fraction, 0.5);
    EXPECT_DOUBLE_EQ(row.spread.value(), (0.6 - 0.3) / 0.5);  // 30 40 50 60
    EXPECT_FALSE(row.is_void);
}

TEST(Summary, TheFractionOfACostIsTheLimitOverIt) {
    EXPECT_EQ(summarise("x", "ms", of_values({8}, 2), 1).fraction, 0.25);
}

TEST(Summary, WithoutALimitThereIsNoFraction) {
    const auto row = summarise("x", "ms", of_values({8, 10, 12}, 0), 3);
    EXPECT_EQ(row.value, 10);
    EXPECT_FALSE(row.limit || row.fraction);
    EXPECT_DOUBLE_EQ(row.spread.value(), 0.4);
}

TEST(Summary, OneValueHasNoSpread) {
    EXPECT_FALSE(summarise("x", "GiB", of_values({8}, 0), 1).spread);
    EXPECT_EQ(summarise("x", "GiB", of_values({8, 8}, 0), 2).spread, 0);
}

TEST(Summary, LeavesOutRepetitionsThatOthersDisturbed) {
    auto repetitions = of_values({10, 90, 20, 30}, 100);
    repetitions[1].is_clean = repetitions[3].is_clean = false;
    const auto row = summarise("x", "GB/s", repetitions, 4);
    EXPECT_EQ(row.value, 20);
    EXPECT_FALSE(row.is_void);
}

// Whether a row is void with so many clean repetitions of those that were wanted.
bool is_void(int clean, int wanted) {
    std::vector<Repetition> repetitions(static_cast<size_t>(2 * wanted), {10, 100, false});
    for (int i = 0; i < clean; i++) repetitions[static_cast<size_t>(i)].is_clean = true;
    return summarise("x", "GB/s", repetitions, wanted).is_void;
}

TEST(Summary, IsVoidIfFewerThanHalfOfTheWantedAreCleanOrThanTwoOfSeveral) {
    EXPECT_TRUE(is_void(0, 1));
    EXPECT_FALSE(is_void(1, 1));
    EXPECT_TRUE(is_void(1, 2));
    EXPECT_TRUE(is_void(1, 3));
    EXPECT_FALSE(is_void(2, 3));
    EXPECT_TRUE(is_void(4, 9));
    EXPECT_FALSE(is_void(5, 9));
    EXPECT_TRUE(is_void(4, 10));
    EXPECT_FALSE(is_void(5, 10));
}

TEST(Summary, AVoidRowIsOfAllRepetitions) {
    auto repetitions = of_values({10, 20, 30}, 100);
    for (Repetition& repetition : repetitions) repetition.is_clean = false;
    const auto row = summarise("x", "GB/s", repetitions, 3);
    EXPECT_EQ(row.value, 20);
    EXPECT_TRUE(row.is_void);
}

TEST(Starts, CountIfThePageCacheAndTheLoadWereRight) {
    const ForeignShare quiet{0, 0, 0.01}, loud{0.2, 0.2, 0.3};
    const auto has_void_row = [&](PageCache cache, double cached, const ForeignShare& load) {
        const Start starts[] = {{.first_token = 1, .cached = cached, .load = load}};
        return time_rows("start/m/int4", cache, starts, load).front().is_void;
    };
    EXPECT_FALSE(has_void_row(PageCache::cold, 0, quiet));
    EXPECT_TRUE(has_void_row(PageCache::cold, 0.5, quiet));
    EXPECT_FALSE(has_void_row(PageCache::cold, 0, loud));  // the disk decides
    EXPECT_FALSE(has_void_row(PageCache::warm, 1, quiet));
    EXPECT_TRUE(has_void_row(PageCache::warm, 0.5, quiet));
    EXPECT_TRUE(has_void_row(PageCache::warm, 1, loud));
}

TEST(Starts, RowsAreTheWholeAndItsParts) {
    const Start starts[] = {{.listening = 2, .first_token = 5, .private_bytes = 0x1p21, .load = {}}};
    const auto rows = time_rows("start/m/int4", PageCache::cold, starts, {});
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].name, "start/m/int4/cold");
    EXPECT_EQ(rows[0].value, 5);
    EXPECT_EQ(rows[1].value, 2);
    EXPECT_EQ(rows[2].value, 3);
    EXPECT_EQ(memory_row("start/m/int4", starts).value, 2);
}

TEST(Weights, AreNamedWithAClassThatInt4DoesNotTakeByItself) {
    using math::NumericClass;
    EXPECT_EQ(weights_name(false, false, NumericClass::i8p32), "bf16");
    EXPECT_EQ(weights_name(true, true, NumericClass::i8g32), "int4");
    EXPECT_EQ(weights_name(false, true, NumericClass::i8p32), "int4-experts-i8p32");
    EXPECT_EQ(weights_name(true, false, NumericClass::f32seq), "int4-f32seq");
}

BenchReport example() {
    BenchReport report{.machine = {.processor = "A processor", .isa = "avx2", .cpus = 4, .threads = 3}};
    report.limits[Limit::i8] = 2e12, report.limits[Limit::bf16] = 1e12;
    report.limits[Limit::f32] = 5e11, report.limits[Limit::read] = 5e10;
    report.rows = {{"decode/m/int4/depth0", 50, "tokens/s", 100, 0.5, 0.02, false},
                   {"decode/m/int4/depth0/experts", 6, "ms", 3, 0.5, 0.1, false},
                   {"decode/m/int4/depth0/other", 2, "ms", {}, {}, 0.1, false},
                   {"decode/m/int4/depth01", 7, "tokens/s", 100, 0.07, 0.3, true}};
    return report;
}

TEST(Report, PartsBelongToTheRowAboveThem) {
    const auto rows = example().rows;
    EXPECT_FALSE(whole_of(rows, 0));
    EXPECT_EQ(whole_of(rows, 1), 0u);
    EXPECT_EQ(whole_of(rows, 2), 0u);
    EXPECT_FALSE(whole_of(rows, 3));  // the same beginning, but another word
}

TEST(Report, TheTableIndentsPartsWithTheirShares) {
    const std::string table = to_table(example());
    EXPECT_NE(table.find("int8 2000 GOP/s, bf16 1000 GFLOP/s, fp32 500 GFLOP/s, memory 50.0 GB/s"), table.npos);
    EXPECT_NE(table.find("\n    experts "), table.npos);
    EXPECT_NE(table.find(" 75.0 %\n"), table.npos);
    EXPECT_NE(table.find("VOID\n"), table.npos);
    EXPECT_NE(table.find("\nVOID: "), table.npos);
}

TEST(Report, TheTableSaysNothingOfVoidRowsWhereThereAreNone) {
    BenchReport report = example();
    report.rows.pop_back();
    EXPECT_EQ(to_table(report).find("VOID"), std::string::npos);
}

TEST(Report, TheTableSaysWhereSpreadOrLoadAreUnknown) {
    BenchReport report = example();
    EXPECT_EQ(to_table(report).find("foreign load unknown"), std::string::npos);
    report.machine.tells_load = false;
    report.rows[0].spread.reset();
    const std::string table = to_table(report);
    EXPECT_NE(table.find("foreign load unknown"), table.npos);
    EXPECT_NE(table.find(" 50.0 %       -\n"), table.npos) << table;
    EXPECT_EQ(to_json(report).at("machine").at("foreign_load").as_string(), "unknown");
    EXPECT_TRUE(to_json(report).at("rows").at(0).at("spread").is_null());
}

TEST(Report, JsonHasTheFieldsAndComesBack) {
    const BenchReport report = example();
    const boost::json::object json = to_json(report);
    EXPECT_EQ(json.at("limits").at("int8_gops").as_double(), 2000);
    EXPECT_EQ(json.at("limits").at("dram_gbps").as_double(), 50);
    EXPECT_TRUE(json.at("rows").at(2).at("limit").is_null());

    const auto path = std::filesystem::path(testing::TempDir()) / "bench_report_test.json";
    std::ofstream(path) << boost::json::serialize(json);
    const auto back = read_report(path);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(boost::json::serialize(to_json(*back).at("rows")), boost::json::serialize(json.at("rows")));
    EXPECT_EQ(back->limits.rates, report.limits.rates);
    std::filesystem::remove(path);
}

TEST(Report, WhatIsWrongInAFileIsNamed) {
    const auto path = std::filesystem::path(testing::TempDir()) / "bench_broken_test.json";
    const std::pair<const char*, const char*> cases[] = {
        {"{", "bench_broken_test.json"},
        {"{}", "'rows'"},
        {R"({"rows": [3]})", "row 0"},
        {R"({"rows": [{"value": 1}]})", "'name'"},
        {R"({"rows": [{"name": "a/b"}]})", "'a/b'"},
    };
    for (const auto& [text, named] : cases) {
        std::ofstream(path) << text;
        const auto report = read_report(path);
        ASSERT_FALSE(report) << text;
        EXPECT_NE(report.error().message.find(named), std::string::npos) << report.error().message;
    }
    std::filesystem::remove(path);
    EXPECT_FALSE(read_report(path));
}

TEST(Comparison, IsOfFractionsWhereThereAreAny) {
    const BenchRow now[] = {{"a", 10, "GB/s", 20, 0.5, 0.1, false}};
    const BenchRow then[] = {{"a", 40, "GB/s", 100, 0.4, 0.06, false}};
    const auto row = compare(now, then).rows.at(0);
    EXPECT_DOUBLE_EQ(row.ratio.value(), 1.25);
    EXPECT_DOUBLE_EQ(row.low.value(), 1.25 * 0.92);
    EXPECT_DOUBLE_EQ(row.high.value(), 1.25 * 1.08);
    EXPECT_TRUE(row.is_better());
    EXPECT_FALSE(row.is_worse());
}

TEST(Comparison, ACostThatGrewIsWorse) {
    const BenchRow now[] = {{"a", 10, "ms", {}, {}, 0.1, false}}, then[] = {{"a", 5, "ms", {}, {}, 0.1, false}};
    EXPECT_DOUBLE_EQ(compare(now, then).rows.at(0).ratio.value(), 0.5);
    EXPECT_TRUE(compare(now, then).rows.at(0).is_worse());
}

TEST(Comparison, WithinNoiseNothingIsSaid) {
    const BenchRow now[] = {{"a", 10, "GB/s", {}, {}, 0.2, false}}, then[] = {{"a", 11, "GB/s", {}, {}, 0.1, false}};
    const auto row = compare(now, then).rows.at(0);
    EXPECT_FALSE(row.is_better() || row.is_worse());
}

TEST(Comparison, AVoidRowIsNeitherBetterNorWorse) {
    const BenchRow now[] = {{"a", 10, "GB/s", {}, {}, 0, true}}, then[] = {{"a", 100, "GB/s", {}, {}, 0, false}};
    const auto comparison = compare(now, then);
    EXPECT_FALSE(comparison.rows.at(0).is_worse());
    EXPECT_NE(to_table(comparison).find("void"), std::string::npos);
}

TEST(Comparison, WithoutASpreadOrValuesThereIsNoVerdict) {
    const BenchRow now[] = {{"a", 10, "GiB", {}, {}, {}, false}, {"b", 0, "ms", {}, {}, 0.1, false}};
    const BenchRow then[] = {{"a", 9, "GiB", {}, {}, 0, false}, {"b", 1, "ms", {}, {}, 0.1, false}};
    const auto comparison = compare(now, then);
    EXPECT_EQ(comparison.rows.at(0).ratio, 0.9);
    EXPECT_FALSE(comparison.rows.at(0).is_worse());
    EXPECT_FALSE(comparison.rows.at(1).ratio);
    EXPECT_EQ(to_table(comparison).find("1.000"), std::string::npos);
}

TEST(Comparison, RowsOfOneSideAreNamed) {
    const BenchRow now[] = {{.name = "a", .unit = "ms"}}, then[] = {{.name = "b", .unit = "ms"}};
    const auto comparison = compare(now, then);
    EXPECT_TRUE(comparison.rows.empty());
    EXPECT_EQ(comparison.only_now, std::vector<std::string>{"a"});
    EXPECT_EQ(comparison.only_then, std::vector<std::string>{"b"});
    EXPECT_NE(to_table(comparison).find("only in the file: b"), std::string::npos);
}

TEST(Expectation, FailsUnderHalfOfWhatIsRecorded) {
    const BenchRow recorded[] = {{"a", 1, "GB/s", 1, 0.8, 0, false}, {"b", 1, "GB/s", 1, 0.8, 0, false}};
    const BenchRow rows[] = {{"a", 1, "GB/s", 1, 0.41, 0, false}, {"b", 1, "GB/s", 1, 0.39, 0, false}};
    const Judgement found = judge(rows, recorded);
    EXPECT_EQ(found.judged, 2u);
    ASSERT_EQ(found.short_rows.size(), 1u);
    EXPECT_EQ(found.short_rows[0].name, "b");
    const Status failed = verdict(found, "file");
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("b: 39.0 % of the limit, recorded 80.0 %"), std::string::npos);
    EXPECT_TRUE(verdict(judge({rows, 1}, {recorded, 1}), "file"));
}

TEST(Expectation, JudgesNoUnknownVoidOrUnlimitedRows) {
    const BenchRow recorded[] = {
        {"a", 1, "GB/s", 1, 0.8, 0, false}, {"b", 1, "GB/s", 1, 0.8, 0, false}, {"c", 1, "GB/s", {}, {}, 0, false}};
    const BenchRow rows[] = {{"a", 1, "GB/s", 1, 0.1, 0, true},
                             {"b", 1, "GB/s", {}, {}, 0, false},
                             {"c", 1, "GB/s", 1, 0.1, 0, false},
                             {"d", 1, "GB/s", 1, 0.1, 0, false}};
    const Judgement found = judge(rows, recorded);
    EXPECT_EQ(found.judged, 0u);
    EXPECT_EQ(found.disturbed, std::vector<std::string>{"a"});
    EXPECT_TRUE(found.missing.empty() && found.short_rows.empty());
    EXPECT_TRUE(verdict(found, "file"));  // the machine was too busy to tell
    const Status failed = verdict(judge(std::span(rows).subspan(1, 2), std::span(recorded).subspan(1)), "file");
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("no row was judged by file"), std::string::npos);
}

TEST(Expectation, FailsOnARecordedRowThatIsNotThere) {
    const BenchRow recorded[] = {{"a", 1, "GB/s", 1, 0.8, 0, false}, {"b", 1, "GB/s", 1, 0.8, 0, false}};
    const Judgement found = judge({recorded, 1}, recorded);
    EXPECT_EQ(found.judged, 1u);
    const Status failed = verdict(found, "file");
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("not measured:\n  b"), std::string::npos);
}

}  // namespace
}  // namespace hone::cli
