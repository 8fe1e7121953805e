// A model without a checkpoint: random packed weights of the asked formats, for benchmarks and tests. Finite, of
// standard deviation near 0.02 as at initialisation (norm weights are 1), so that activations stay finite through all
// layers; random routers spread their choices evenly. The bytes depend on config, formats and seed, not on threads.
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint/load.h"

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

}  // namespace hone::model
