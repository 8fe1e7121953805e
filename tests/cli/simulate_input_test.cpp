// What `hone simulate` reads: cost files, lengths, workloads, traces.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "cli/simulate/cost_file.h"
#include "cli/simulate/workload.h"
#include "tests/temporary_folder.h"

namespace hone::cli {
namespace {

Result<CostFile> costs_from(std::string_view text) {
    auto root = TomlTable::parse(text, "costs.toml");
    if (!root) return root.error();
    return parse_cost_file(std::move(*root));
}

constexpr const char* kHead =
    "title = 'a'\nsource = 'b'\ncache_tokens = 6400\nmax_context = 4096\n"
    "[model]\nlayers = 4\nhidden = 64\nheads = 4\nkv_heads = 2\nhead_size = 16\nvocabulary = 100\nweight_bits = 16\n";

engine::LayerWork work_of(int64_t rows, int64_t context, int64_t pairs, int32_t layer = 0) {
    return {.first_layer = layer, .end_layer = layer + 1, .rows = rows, .context = context, .pairs = pairs};
}

TEST(CostFile, measured_coefficients) {
    const auto file =
        costs_from(std::string(kHead) +
                   "experts = 8\nexperts_per_token = 2\nexpert_inner = 32\n"
                   "dense_layers = 1\ndense_inner = 128\n"
                   "[costs]\nstep_ns = 1000\nlogits_ns = 500\n"
                   "[costs.dense]\nfixed_ns = 10\nrow_ns = 1\ncontext_ns = 0.5\npair_ns = 0.25\n"
                   "[costs.routed]\nfixed_ns = 20\nrow_ns = 2\nexpert_ns = 100\ncontext_ns = 0\npair_ns = 0\n");
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_NEAR(file->costs.layer_seconds(work_of(4, 8, 16)), 22e-9, 1e-15);
    EXPECT_NEAR(file->costs.layer_seconds(work_of(1, 8, 8, 1)), 222e-9, 1e-15);  // one row: two experts
    EXPECT_NEAR(file->costs.head_seconds(3), 1500e-9, 1e-15);
    EXPECT_NEAR(file->costs.rest_seconds(), 1000e-9, 1e-15);
    EXPECT_EQ(file->costs.shape().routed_in(0, 4), 3);
    EXPECT_EQ(file->costs.model().expert_bytes(), 3 * 64 * 32 * 2);
}

TEST(CostFile, rates_of_a_machine) {
    const auto seconds = [](const std::string& machine, engine::LayerWork work) {
        const auto file = costs_from(std::string(kHead) + "dense_inner = 128\n[machine]\ntflops = 0.001\n" + machine);
        EXPECT_TRUE(file) << file.error().message;
        return file->costs.layer_seconds(work);
    };
    // Projections: 2 * 64 * 16 * (4 + 2) elements; feed-forward: 3 * 64 * 128. Keys and values: 128 bytes a key.
    constexpr double kProjections = 12288, kInner = 24576;
    const double compute = 2 * (kProjections + kInner) * 10 / 1e9 + 4 * 64 * 100 / 1e9;
    const double memory = (2 * (kProjections + kInner) + 128 * 50) / 1e9;
    const engine::LayerWork work = work_of(10, 50, 100);
    EXPECT_NEAR(seconds("gb_per_s = 1\noverlap = 1\n", work), compute, 1e-12);
    EXPECT_NEAR(seconds("gb_per_s = 1\noverlap = 0\n", work), compute + memory, 1e-12);
    EXPECT_NEAR(seconds("gb_per_s = 1\noverlap = 0.25\nlayer_us = 3\n", work), compute + 0.75 * memory + 3e-6, 1e-12);
    EXPECT_NEAR(seconds("gb_per_s = 1\noverlap = 0\nattention_tflops = 0.0005\n", work),
                compute + memory + 4 * 64 * 100 / 1e9, 1e-12);
    // Memory bound in the feed-forward part, compute bound in attention: apart they cannot hide behind one another.
    const engine::LayerWork mixed = work_of(1, 1, 10000);
    EXPECT_GT(seconds("gb_per_s = 0.5\noverlap = 1\nphases = 'apart'\n", mixed),
              1.01 * seconds("gb_per_s = 0.5\noverlap = 1\nphases = 'together'\n", mixed));
}

TEST(CostFile, mistakes_are_named) {
    const auto mistake = [](const std::string& rest) {
        const auto file = costs_from(std::string(kHead) + rest);
        return file ? std::string() : file.error().message;
    };
    EXPECT_EQ(mistake("dense_inner = 128\n[machine]\ntflops = 1\ngb_per_s = 1\n"),
              "costs.toml:14: machine.overlap is missing");
    EXPECT_EQ(
        mistake(
            "experts = 8\nexperts_per_token = 9\nexpert_inner = 1\n[machine]\ntflops = 1\ngb_per_s = 1\noverlap = 1\n"),
        "costs.toml:14: model.experts_per_token is 9; it must be an integer from 1 to 8");
    EXPECT_EQ(mistake("dense_inner = 128\n[machine]\ntflops = 1\ngb_per_s = 1\noverlap = 1\nspeed = 3\n"),
              "costs.toml:18: machine.speed is no key that is known here");
    EXPECT_EQ(mistake("dense_inner = 128\n[machine]\n[costs]\n"),
              "costs.toml:15: costs is there beside [machine]: give one of the two");
    EXPECT_EQ(mistake("experts = 8\nexperts_per_token = 2\nexpert_inner = 1\nexpert_skew = 0.5\n"
                      "[costs]\nstep_ns = 1\nlogits_ns = 1\n"
                      "[costs.routed]\nfixed_ns = 1\nrow_ns = 1\nexpert_ns = 1\ncontext_ns = 1\npair_ns = 1\n"),
              "costs.toml:16: model.expert_skew needs [machine]; with [costs] routing is even");
}

TEST(CostFile, those_of_the_project_are_good) {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(HONE_TESTS_DIR "/../models/costs")) {
        if (entry.path().extension() != ".toml") continue;
        const auto file = read_cost_file(entry.path());
        ASSERT_TRUE(file) << file.error().message;
        EXPECT_GE(file->cache_tokens, file->max_context) << entry.path();
        files++;
    }
    EXPECT_GE(files, 4);
}

TEST(Workload, lengths_that_do_not_fit_are_drawn_anew) {
    const auto requests = generate_workload({.kind = "arxiv", .requests = 500, .shared_prefix = 100, .longest = 6000});
    ASSERT_TRUE(requests);
    for (const auto& request : *requests) {
        ASSERT_LE(request.prompt_tokens + request.output_tokens, 6000);
        ASSERT_GT(request.prompt_tokens, 100);
    }
    EXPECT_FALSE(generate_workload({.kind = "lengths", .prompt = "many"}));
}

TEST(Workload, arrivals_come_at_the_rate) {
    for (const char* arrivals : {"poisson", "bursts", "even"}) {
        WorkloadOptions options{.kind = "lengths", .arrivals = arrivals, .rate = 5, .burst = 4, .requests = 8000};
        const auto requests = generate_workload(options);
        ASSERT_TRUE(requests);
        ASSERT_EQ(requests->size(), 8000u);
        EXPECT_NEAR(requests->back().seconds, 1600, 130) << arrivals;
        std::set<double> moments;
        for (const auto& request : *requests) moments.insert(request.seconds);
        EXPECT_EQ(moments.size(), arrivals == std::string("bursts") ? 2000u : 8000u);
    }
}

TEST(Workload, a_seed_gives_one_workload) {
    const auto times = [](uint64_t seed) {
        const auto requests = generate_workload({.requests = 20, .seed = seed});
        std::vector<double> seconds;
        for (const auto& request : *requests) seconds.push_back(request.seconds + request.prompt_tokens);
        return seconds;
    };
    EXPECT_EQ(times(3), times(3));
    EXPECT_NE(times(3), times(4));
}

TEST(Workload, turns_of_agents_repeat_what_was_said) {
    const WorkloadOptions options{.kind = "agents",
                                  .requests = 6,
                                  .prompt = "100",
                                  .output = "30-40",
                                  .shared_prefix = 64,
                                  .turns = 3,
                                  .turn_tokens = 50,
                                  .think_seconds = 2};
    const auto requests = generate_workload(options);
    ASSERT_TRUE(requests);
    ASSERT_EQ(requests->size(), 6u);
    const auto& all = *requests;
    EXPECT_EQ(all[0].after, -1);
    EXPECT_EQ(all[1].after, 0);
    EXPECT_EQ(all[2].after, 1);
    EXPECT_EQ(all[3].after, -1);
    EXPECT_EQ(all[1].seconds, 2);
    EXPECT_EQ(all[0].prompt_tokens, 164);
    EXPECT_EQ(all[1].prompt_tokens, all[0].prompt_tokens + all[0].output_tokens + 50);
    for (int32_t i = 0; i < all[0].prompt_tokens + all[0].output_tokens; i++)
        ASSERT_EQ(all[1].token(i), all[0].token(i));
    for (int32_t i = 0; i < 64; i++) ASSERT_EQ(all[3].token(i), all[0].token(i));
    EXPECT_NE(all[3].token(64), all[0].token(64));
}

TEST(Workload, a_conversation_that_cannot_begin_is_named) {
    WorkloadOptions options{.kind = "agents", .requests = 2, .prompt = "16777216", .output = "1"};
    const auto longest = generate_workload(options);
    ASSERT_TRUE(longest);
    EXPECT_EQ(longest->size(), 2u);
    options.shared_prefix = 1;
    const auto longer = generate_workload(options);
    ASSERT_FALSE(longer);
    EXPECT_EQ(longer.error().message,
              "--prompt and --shared-prefix come to 16777217 tokens, where 16777216 are the most; ask for fewer");
}

class TraceFile : public testing::Test {
  protected:
    Result<std::vector<SimulatedRequest>> read(const std::string& text) {
        std::ofstream(path_) << text;
        return read_trace(path_);
    }
    std::string mistake(const std::string& text) {
        const auto requests = read(text);
        return requests ? "" : requests.error().message.substr(path_.size());
    }
    const TemporaryFolder folder_;
    const std::string path_ = folder_.path / "trace.jsonl";
};

TEST_F(TraceFile, lines_become_requests) {
    const auto requests = read(
        "{\"arrival\": 0.5, \"prompt_tokens\": 100, \"output_tokens\": 7, \"prefix_id\": 3, \"prefix_tokens\": 64}\n"
        "{\"arrival\": 1, \"prompt_tokens\": 90, \"output_tokens\": 1, \"prefix_id\": 3, \"prefix_tokens\": 80, "
        "\"priority\": -2, \"tenant\": 5}\n"
        "{\"arrival\": 0.25, \"prompt_tokens\": 9, \"output_tokens\": 1, \"after\": 1}\n");
    ASSERT_TRUE(requests) << requests.error().message;
    ASSERT_EQ(requests->size(), 3u);
    const auto& all = *requests;
    EXPECT_EQ(all[0].seconds, 0.5);
    EXPECT_EQ(all[1].priority, -2);
    EXPECT_EQ(all[1].tenant, 5u);
    EXPECT_EQ(all[2].after, 0);
    for (int32_t i = 0; i < 64; i++) ASSERT_EQ(all[0].token(i), all[1].token(i));
    EXPECT_NE(all[0].token(64), all[1].token(64));
}

TEST_F(TraceFile, mistakes_name_line_and_field) {
    const std::string good = "{\"arrival\": 5, \"prompt_tokens\": 1, \"output_tokens\": 1}\n";
    EXPECT_EQ(mistake(good + "{\"arrival\": 5, \"output_tokens\": 1}\n"),
              ":2: field 'prompt_tokens' needs a whole number from 1 to 16777216");
    EXPECT_EQ(mistake(good + "{\"arrival\": 4, \"prompt_tokens\": 1, \"output_tokens\": 1}\n"),
              ":2: field 'arrival' is before that of a line above");
    EXPECT_EQ(mistake("{\"arrival\": -1, \"prompt_tokens\": 1, \"output_tokens\": 1}\n"),
              ":1: field 'arrival' needs a number of seconds from 0 to 1e9");
    EXPECT_EQ(mistake(good + "{\"arrival\": 5, \"prompt_tokens\": 1, \"output_tokens\": 1, \"after\": 2}\n"),
              ":2: field 'after' needs a whole number from 1 to 1");
    EXPECT_EQ(mistake("{\"arrival\": 5, \"prompt_tokens\": 1, \"output_tokens\": 1, \"size\": 2}\n"),
              ":1: field 'size' is not known here");
    EXPECT_EQ(mistake(""), ": no requests");
    EXPECT_NE(mistake("{"), "");
}

}  // namespace
}  // namespace hone::cli
