// Prefill and decode of one model under a stopwatch, beside what the machine could do at that moment. Runs the executor
// without scheduler and sampler: what is measured is the model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "cli/machine_limits.h"
#include "cli/model_options.h"
#include "engine/cache/page_pool.h"
#include "engine/executor.h"

namespace hone::cli {

// One measured workload; rates in tokens a second.
struct BenchRow {
    std::string kind, detail;                   // "decode", "depth16"
    double rate = 0, slowest = 0, fastest = 0;  // median and range of the repeats
    double limit = 0;        // what the weights' bytes or matrix products alone allow, attention left out; median
    double fraction = 0;     // median of the repeats' own fractions
    const char* bound = "";  // "memory" or "arithmetic"
};

class BenchWorkloads {
  public:
    // `open` and `meter` outlive it; `pages`: cache pages of the largest workload. Errors: no memory for them.
    static Result<std::unique_ptr<BenchWorkloads>> create(const OpenModel& open, LimitMeter& meter, int64_t pages);

    // One prompt of random tokens from an empty cache, `repeats` times.
    BenchRow prefill(int32_t prompt, int32_t repeats);
    // `streams` sequences, `steps` tokens each a repeat.
    BenchRow decode(int32_t streams, int32_t steps, int32_t repeats);

    static constexpr int32_t kDecodePrompt = 16;  // tokens in each sequence before decoding is timed
    // Pages that decode() takes.
    static int64_t decode_pages(int32_t streams, int32_t steps, int32_t repeats) {
        return int64_t{streams} * engine::pages_for(kDecodePrompt + steps * repeats);
    }

  private:
    struct Stream {
        std::vector<int32_t> pages;
        int32_t length = 0;
    };
    // What a model's matrices cost, by what bounds it.
    struct Cost {
        // Multiplications and additions of a token in the layers, and of a row of logits in the head.
        double i8_ops = 0, bf16_ops = 0, head_i8_ops = 0, head_bf16_ops = 0;
        double dense_bytes = 0;   // that every step reads
        double expert_bytes = 0;  // of one expert of one layer
    };

    BenchWorkloads(const OpenModel& open, LimitMeter& meter, engine::PagePool pages);
    static Cost cost_of(model::Model& model, math::NumericClass int4_class);

    // Appends `tokens` random tokens to every stream in one pass, through the head for the last of each.
    void extend(std::vector<Stream>& streams, int32_t tokens);
    void release(std::vector<Stream>& streams);
    // Times `steps` calls of extend and says what share of the limit they reached.
    struct Sample {
        double rate, limit;
        bool memory_bound;
    };
    Sample measure(std::vector<Stream>& streams, int32_t tokens, int32_t steps);
    static BenchRow summary(std::string kind, std::string detail, const std::vector<Sample>& samples);

    const model::Model& model_;
    LimitMeter& meter_;
    Cost cost_;
    engine::PagePool pages_;
    math::Workspace workspace_;
    math::OpContext ops_;
    Random random_{1};
    int64_t experts_read_ = 0;  // distinct experts of the passes, summed over layers
};

}  // namespace hone::cli
