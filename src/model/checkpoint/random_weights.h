// A model without a checkpoint: random packed weights of the asked formats, for benchmarks and tests. Finite, of
// standard deviation near 0.02 as at initialisation (norm weights are 1, biases 0, an embedding apart from the head is
// 1024 times as large), so that activations stay finite through all layers; random routers spread their choices evenly. The bytes
// depend on config, formats and seed, not on threads, nor on where they go: memory here, or a pack file (pack.h).
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint/load.h"
#include "model/checkpoint/weight_plan.h"

namespace hone::model {

struct RandomOptions {
    WeightChoice weights = WeightChoice::as_stored;
    uint64_t seed = 1;
    bool quiet = false;
};

// `name` becomes the model's. Errors: a config that make_model refuses, more weights than fit into memory. No tokenizer
// comes with it.
Result<LoadedModel> random_model(const boost::json::object& config, std::string name, const RandomOptions& options,
                                 ThreadPool& pool);

// The packed bytes of a group's weights, into zeroed memory of group.end - group.begin bytes. Uses all of `pool`.
void fill_random(const WeightPlan& plan, const WeightGroup& group, uint64_t seed, std::byte* out, ThreadPool& pool);

}  // namespace hone::model
