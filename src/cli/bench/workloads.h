// Prefill and decode of one model under a stopwatch, beside what the machine could do at that moment. Runs the executor
// and the sampler without a scheduler. One thread, which owns the model's pool.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/progress.h"
#include "base/rng.h"
#include "cli/bench/model_cost.h"
#include "cli/bench/stopwatch.h"
#include "cli/model_options.h"
#include "engine/cache/page_pool.h"
#include "engine/decode/sampler.h"
#include "engine/executor.h"

namespace hone::cli {

class BenchWorkloads {
  public:
    // `open` and `meter` outlive it; `pages`: cache pages of the largest workload. Errors: no memory for them.
    static Result<std::unique_ptr<BenchWorkloads>> create(const OpenModel& open, LimitMeter& meter, int64_t pages,
                                                          bool quiet);

    // Each returns the row `name` in tokens a second, and behind it a row for each phase in milliseconds.
    // One prompt of random tokens from an empty cache, in passes of at most `chunk` tokens; phases of the whole prompt.
    std::vector<BenchRow> prefill(const std::string& name, int32_t prompt, int32_t chunk, int32_t repeats);
    // `streams` sequences from position `depth` on, `steps` tokens each, phases of one step. Before `depth` the cache
    // holds random keys and values.
    std::vector<BenchRow> decode(const std::string& name, int32_t streams, int32_t depth, int32_t steps,
                                 int32_t repeats);

    // Pages that decode() takes.
    static int64_t decode_pages(int32_t streams, int32_t depth, int32_t steps) {
        return int64_t{streams} * engine::pages_for(depth + steps);
    }

  private:
    struct Stream {
        std::vector<int32_t> pages;
        int32_t length = 0;
    };
    // What one repetition did, and where its time went.
    struct Sample {
        PassCounts counts;
        std::array<double, math::kPhases> seconds{};
    };

    BenchWorkloads(const OpenModel& open, LimitMeter& meter, engine::PagePool pages, bool quiet);

    // Appends `tokens` random tokens to every stream in one pass; if asked, through the head for the last of each, from
    // whose logits a token is drawn at temperature 1.
    void extend(std::vector<Stream>& streams, int32_t tokens, bool wants_logits, PassCounts& counts);
    void draw(math::MatrixView<const float> logits);
    void fill_cache(Stream& stream, int32_t depth);
    void release(std::vector<Stream>& streams);
    // Repeats body(counts), which takes `tokens` tokens in so many steps.
    std::vector<BenchRow> measure(const std::string& name, int32_t tokens, int32_t steps, int32_t repeats,
                                  FunctionRef<void(PassCounts& counts)> body);

    const model::Model& model_;
    ModelCost cost_;
    Stopwatch watch_;
    engine::PagePool pages_;
    math::Workspace workspace_;
    math::PhaseClock clock_;
    math::OpContext ops_;
    std::vector<engine::Sampler> samplers_;  // one a thread
    Random random_{1};
    bool quiet_;
};

}  // namespace hone::cli
