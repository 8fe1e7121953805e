#include "cli/bench/load/load_summary.h"

#include <filesystem>
#include <fstream>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/bench/load/energy.h"
#include "cli/bench/load/interference_rows.h"
#include "cli/bench/load/soak_rows.h"
#include "cli/bench/load/sse_reader.h"

namespace hone::cli {
namespace {

std::vector<std::string> events_of(const std::string& text, size_t piece) {
    SseReader reader;
    std::vector<std::string> events;
    for (size_t at = 0; at < text.size(); at += piece)
        EXPECT_TRUE(reader.feed(std::string_view(text).substr(at, piece),
                                [&](std::string_view data) { events.emplace_back(data); }));
    return events;
}

TEST(Sse, IsSplitTheSameHoweverItsBytesArrive) {
    const std::string text =
        "data: one\n\n: a comment\n\ndata:two\r\n\r\nevent: x\ndata: three\ndata:  four\n\ndata\n\ndata: unfinished\n";
    const std::vector<std::string> expected = {"one", "two", "three\n four"};
    for (size_t piece = 1; piece <= text.size(); piece++) EXPECT_EQ(events_of(text, piece), expected) << piece;
}

TEST(Sse, RefusesALineWithoutEnd) {
    SseReader reader;
    const std::string megabyte(1 << 20, 'x');
    int fed = 0;
    while (fed < 100 && reader.feed(megabyte, [](std::string_view) {})) fed++;
    EXPECT_EQ(fed, 16);
}

TEST(Record, ReadsChunksOfCompletionsAndChats) {
    StreamRecord record;
    take_event(record, R"({"choices":[{"text":"a","token_ids":[5,6],"logprobs":{"token_logprobs":[-1.5,-2]}}]})", 1);
    take_event(record, R"({"choices":[{"text":"","finish_reason":null}]})", 2);    // a token without text yet
    take_event(record, R"({"choices":[{"text":"","finish_reason":"stop"}]})", 3);  // none
    take_event(record,
               R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,)"
               R"("prompt_tokens_details":{"cached_tokens":4}}})",
               4);
    EXPECT_FALSE(record.has_end);
    take_event(record, "[DONE]", 5);
    EXPECT_TRUE(record.has_end && record.error.empty());
    EXPECT_EQ(record.arrivals, (std::vector<double>{1, 2}));
    EXPECT_EQ(record.tokens, 3);
    EXPECT_EQ(record.token_ids, (std::vector<int32_t>{5, 6}));
    EXPECT_EQ(record.logprobs, (std::vector<double>{-1.5, -2}));
    EXPECT_EQ(record.prompt_tokens, 7);
    EXPECT_EQ(record.cached_tokens, 4);
    EXPECT_EQ(record.output_tokens(), 3);

    StreamRecord chat;
    take_event(chat, R"({"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]})", 1);
    take_event(chat, R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})", 2);
    take_event(chat, R"({"choices":[{"delta":{"content":"x"}}]})", 3);
    EXPECT_EQ(chat.arrivals, (std::vector<double>{2, 3}));
}

TEST(Record, NotesErrorsOfTheStream) {
    StreamRecord told, broken;
    take_event(told, R"({"error":{"message":"no room","code":503}})", 1);
    EXPECT_NE(told.error.find("no room"), std::string::npos);
    take_event(broken, "nonsense", 1);
    EXPECT_NE(broken.error.find("nonsense"), std::string::npos);
}

TEST(Record, FindsTheMessageOfAnAnswer) {
    EXPECT_EQ(error_message(R"({"error":{"message":"a"}})"), "a");
    EXPECT_EQ(error_message(R"({"message":"b"})"), "b");
    EXPECT_EQ(error_message(R"({"detail":"c"})"), "c");
    EXPECT_EQ(error_message(R"({"error":"d"})"), "d");
    EXPECT_EQ(error_message("<html>"), "<html>");
    EXPECT_EQ(error_message(""), "(no message)");
    EXPECT_LT(error_message(std::string(5000, 'x')).size(), 400u);
}

TEST(Spreads, InterpolatePercentiles) {
    const LatencySpread spread = spread_over({40, 10, 30, 20});
    EXPECT_EQ(spread.mean, 25);
    EXPECT_EQ(spread.p50, 25);
    EXPECT_DOUBLE_EQ(spread.p90, 37);
    EXPECT_DOUBLE_EQ(spread.p99, 39.7);
    EXPECT_EQ(spread.max, 40);
    EXPECT_EQ(spread_over({3}).p99, 3);
    EXPECT_EQ(spread_over({}).count, 0u);
}

LoadedRequest request(double arrival, double sent, std::vector<double> arrivals, double ended) {
    LoadedRequest out{.planned = {.arrival = arrival, .prompt_tokens = 10, .output_tokens = 3}};
    out.record.sent = 100 + sent;
    for (const double at : arrivals) out.record.arrivals.push_back(100 + at);
    out.record.tokens = std::ssize(arrivals);
    out.record.ended = 100 + ended;
    out.record.status = 200;
    out.record.is_done = out.record.has_end = true;
    return out;
}

LoadRun three_and_a_failure() {
    LoadRun run{.started = 100, .ended = 110, .requests = {}};
    run.requests.push_back(request(0, 0, {1, 1.5, 2}, 2.5));     // first token 1 s, gaps of 0.5 s
    run.requests.push_back(request(1, 1, {1.5, 1.75, 4}, 4));    // first token 0.5 s, a gap of 2.25 s
    run.requests.push_back(request(2, 3, {7, 7.25, 7.5}, 7.5));  // sent a second late, first token 4 s
    run.requests.push_back(request(3, 3, {}, 3.5));
    run.requests.back().record.status = 503;
    run.requests.back().record.error = "too many";
    return run;
}

TEST(Summary, SaysWhatUsersSee) {
    const LoadSummary summary = summarise(three_and_a_failure(), {});
    EXPECT_EQ(summary.successful, 3);
    EXPECT_EQ(summary.failed, 1);
    ASSERT_EQ(summary.failures.count(503), 1u);
    EXPECT_EQ(summary.failures.at(503).message, "too many");
    EXPECT_EQ(summary.input_tokens, 30);
    EXPECT_EQ(summary.output_tokens, 9);
    EXPECT_DOUBLE_EQ(summary.ttft.max, 4);
    EXPECT_DOUBLE_EQ(summary.ttft.p50, 1);
    EXPECT_EQ(summary.gap.count, 6u);
    EXPECT_DOUBLE_EQ(summary.gap.max, 2.25);
    EXPECT_DOUBLE_EQ(summary.tpot.max, 1.25);
    EXPECT_DOUBLE_EQ(summary.e2e.max, 4.5);
    EXPECT_DOUBLE_EQ(summary.late.max, 1);
    EXPECT_FALSE(summary.goodput);
}

TEST(Summary, GoodputNeedsTheFirstTokenAndEveryGap) {
    const LoadRun run = three_and_a_failure();
    EXPECT_EQ(summarise(run, {.ttft = 2, .gap = {}}).goodput, 0.5);
    EXPECT_EQ(summarise(run, {.ttft = {}, .gap = 1}).goodput, 0.5);
    EXPECT_EQ(summarise(run, {.ttft = 2, .gap = 1}).goodput, 0.25);
    EXPECT_EQ(summarise(run, {.ttft = 9, .gap = 9}).goodput, 0.75);  // the failure counts against it
}

TEST(Summary, IsWrittenForPeopleAndForPrograms) {
    const LoadRun run = three_and_a_failure();
    const LatencyTargets targets{.ttft = 2, .gap = {}};
    const LoadSummary summary = summarise(run, targets);
    const std::string table = to_table(summary, targets);
    EXPECT_NE(table.find("3 requests succeeded, 1 failed, in 10.00 s"), std::string::npos);
    EXPECT_NE(table.find("1 times status 503: too many"), std::string::npos);
    EXPECT_NE(table.find("goodput: 50.0 %"), std::string::npos);
    const auto json = to_json(summary, targets);
    EXPECT_EQ(json.at("ttft_ms").as_object().at("max").to_number<double>(), 4000);
    EXPECT_EQ(json.at("goodput").as_double(), 0.5);
    EXPECT_EQ(json.at("targets_ms").as_object().at("ttft").to_number<double>(), 2000);
    EXPECT_TRUE(json.at("targets_ms").as_object().at("gap").is_null());
    const auto requests = requests_json(run);
    ASSERT_EQ(requests.size(), 4u);
    const auto& second = requests[1].as_object();
    EXPECT_EQ(boost::json::serialize(second.at("gaps_ms")), "[2.5E2,2.25E3]");
    EXPECT_EQ(second.at("arrival").as_double(), 1);
    EXPECT_EQ(requests[3].as_object().at("error").as_string(), "too many");
    EXPECT_TRUE(requests[3].as_object().at("ttft_ms").is_null());
}

TEST(Energy, IsTheSumOfPackagesAndMemoryAndCountersMayRunOver) {
    namespace fs = std::filesystem;
    const fs::path root = fs::temp_directory_path() / fmt::format("hone_rapl_{}", ::getpid());
    const auto zone = [&](const char* folder, const char* name, double energy) {
        fs::create_directories(root / folder);
        std::ofstream(root / folder / "name") << name << "\n";
        std::ofstream(root / folder / "energy_uj") << fmt::format("{:.0f}\n", energy);
        std::ofstream(root / folder / "max_energy_range_uj") << "10000000\n";
    };
    EXPECT_FALSE(EnergyMeter::open(root).ok());
    zone("intel-rapl:0", "package-0", 9e6);
    zone("intel-rapl:0:0", "core", 1e6);
    zone("intel-rapl:0:1", "dram", 1e6);
    zone("intel-rapl-mmio:0", "package-0", 9e6);
    auto meter = EnergyMeter::open(root);
    ASSERT_TRUE(meter.ok());
    zone("intel-rapl:0", "package-0", 2e6);  // 3 J more, past its end
    zone("intel-rapl:0:0", "core", 3e6);
    zone("intel-rapl:0:1", "dram", 1.5e6);
    meter->sample();
    EXPECT_DOUBLE_EQ(meter->joules(), 3.5);
    fs::remove_all(root);
}

StreamRecord stream(double first, double gap, int count) {
    StreamRecord record;
    for (int i = 0; i < count; i++) record.arrivals.push_back(first + gap * i);
    return record;
}

TEST(Interference, CountsGapsThatOverlapTheWindow) {
    const StreamRecord a = stream(0, 1, 20), b = stream(0.5, 1, 20);
    const StreamRecord* both[] = {&a, &b};
    const StreamGaps window = stream_gaps(both, {{4.75, 8.75}});
    EXPECT_EQ(window.gaps.count, 10u);
    EXPECT_EQ(window.gaps.max, 1);
    EXPECT_EQ(window.tokens_per_second, 2);
    EXPECT_EQ(window.steps, 4);
    const StreamGaps windows = stream_gaps(both, {{4.75, 8.75}, {10.75, 12.75}});
    EXPECT_EQ(windows.gaps.count, 16u);
    EXPECT_EQ(windows.tokens_per_second, 2);
    EXPECT_EQ(windows.steps, 6);
}

InterferenceRow row(const std::string& name, double gap, double max, double ttft, double idle) {
    InterferenceRow row{.policy = {.name = name, .flags = {}, .gap_of = {}}};
    row.undisturbed.gaps.p50 = 0.03;
    row.during.gaps.p50 = gap;
    row.during.gaps.max = max;
    row.during.steps = 100;
    row.ttft = ttft;
    row.idle_ttft = idle;
    row.is_void = false;
    return row;
}

TEST(Interference, JudgesPoliciesAndLeavesVoidOnesAlone) {
    std::vector<InterferenceRow> rows = {row("chunked-512", 0.8, 1, 22, 20), row("chunked-128", 0.2, 0.3, 26, 20),
                                         row("layered", 0.4, 0.5, 23, 20), row("auto", 0.06, 0.07, 32, 20),
                                         row("auto-off", 1, 1, 21.5, 20)};
    EXPECT_NEAR(chunked_ttft_at(rows, 0.4).value(), 24, 1e-9);  // half-way in the logarithm
    EXPECT_EQ(chunked_ttft_at(rows, 0.1), 26);
    EXPECT_FALSE(chunked_ttft_at(rows, 0.9));
    const auto verdict = [&](const char* policy, const char* bar) -> std::optional<bool> {
        for (const InterferenceBar& one : interference_bars(rows))
            if (one.policy == policy && one.bar.starts_with(bar)) return one.holds;
        ADD_FAILURE() << policy << " has no bar " << bar;
        return std::nullopt;
    };
    EXPECT_EQ(verdict("auto", "longest gap"), true);
    EXPECT_EQ(verdict("auto", "first token <="), true);  // 32 of 1.5 * 20 + 100 * 0.03
    EXPECT_EQ(verdict("auto", "first token before"), false);
    EXPECT_EQ(verdict("layered", "first token before"), true);
    EXPECT_EQ(verdict("auto-off", "first token <="), false);
    const auto missed = missed_among(interference_bars(rows));
    ASSERT_EQ(missed.size(), 2u);
    EXPECT_TRUE(missed[0].starts_with("auto: first token before that of chunked")) << missed[0];
    EXPECT_TRUE(missed[1].starts_with("auto-off: first token <= 1.05 x idle, s: ")) << missed[1];
    rows[3].during.gaps.max = 0.08;
    rows[3].ttft = 34;
    EXPECT_EQ(verdict("auto", "longest gap"), false);
    EXPECT_EQ(verdict("auto", "first token <="), false);
    rows[3].is_void = true;
    EXPECT_EQ(verdict("auto", "longest gap"), std::nullopt);
    EXPECT_EQ(missed_among(interference_bars(rows)).size(), 1u);  // of auto-off
    EXPECT_NE(to_table(rows, interference_bars(rows)).find("VOID"), std::string::npos);
}

TEST(Interference, NamesPoliciesByTheirFlags) {
    EXPECT_EQ(interference_policy("chunked-128")->flags,
              (std::vector<std::string>{"--prefill", "chunked", "--token-budget", "128"}));
    EXPECT_EQ(interference_policy("layered")->flags, (std::vector<std::string>{"--prefill", "layered"}));
    EXPECT_EQ(interference_policy("auto-80ms")->flags,
              (std::vector<std::string>{"--prefill", "auto", "--token-gap", "80ms"}));
    EXPECT_EQ(interference_policy("auto-as-chunked-128")->gap_of, "chunked-128");
    for (const char* name : {"", "chunked", "chunked-", "chunked-x", "chunked-0", "auto-", "auto-as-", "fast"})
        EXPECT_FALSE(interference_policy(name).ok()) << name;
}

SoakResult soak(double growth_a_second) {
    SoakResult result{.joined = 5, .finished = 5};
    for (int i = 0; i < 30; i++) {
        const double filled = i < 10 ? 5e6 * i : 5e7;  // caches fill in the first third
        result.samples.push_back({.seconds = 1.0 * i, .private_bytes = 1e7 + filled + growth_a_second * i});
    }
    return result;
}

TEST(Soak, TellsGrowthFromFilling) {
    EXPECT_TRUE(faults_of(soak(0)).empty());
    EXPECT_TRUE(faults_of(soak(1e5)).empty());  // 1.9 MB
    const auto faults = faults_of(soak(1e6));
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_NE(faults[0].find("memory grew by 18.1 MiB"), std::string::npos) << faults[0];
    EXPECT_NEAR(course_of(soak(1e6).samples, &SoakSample::private_bytes).slope, 1e6, 1);
}

TEST(Soak, NamesWhatStayedBehindAndWhatFailed) {
    SoakResult result = soak(0);
    result.failed = 1;
    result.first_failure = "why";
    result.after = {.pages_in_use = 3, .running = 2};
    const auto faults = faults_of(result);
    ASSERT_EQ(faults.size(), 3u);
    EXPECT_NE(faults[0].find("why"), std::string::npos);
}

TEST(Soak, ReadsMetrics) {
    const std::string text = "# HELP a_b x\na_b{x=\"1\"} 2\na_b{x=\"2\"} 3.5\na_bc 9\nplain 7\n";
    EXPECT_EQ(metric_in(text, "a_b"), 5.5);
    EXPECT_EQ(metric_in(text, "plain"), 7);
    EXPECT_FALSE(metric_in(text, "a"));
}

}  // namespace
}  // namespace hone::cli
