// A model that begins its training: normal weights of the config's initializer_range (0.02 without one) around 0, norm
// weights 1, as Hugging Face initialises. (random_weights.h makes models for benchmarks, which train badly.)
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "base/file_set.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint/load.h"

namespace hone::model {

// In bf16. An element is a function of the seed, its weight's name and its place alone. `files` are those beside
// config.json. Errors: a config that make_model refuses, more weights than fit into memory.
Result<LoadedModel> initial_model(const boost::json::object& config, FileSet files, std::string name, uint64_t seed,
                                  ThreadPool& pool);

}  // namespace hone::model
