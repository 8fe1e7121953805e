// A tiny checkpoint with what the reference implementation computes from it (tests/golden/README.md), and its
// comparison with our run, within the tolerance that the checkpoint's expected.json derives.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "math/kernels/kernel_table.h"
#include "model/checkpoint/load.h"
#include "model/checkpoint/safetensors.h"
#include "tests/golden_folder.h"

namespace hone::golden {

// One row of floats per token, read from a tensor of any float type.
using Rows = std::vector<std::vector<float>>;

struct GoldenModel {
    std::filesystem::path folder;
    std::vector<std::vector<int32_t>> sequences;
    model::SafetensorsFile expected;
    boost::json::object facts;  // expected.json

    // The float or integer tensor of that name with a row per token of all sequences; empty if there is none.
    Rows rows(const std::string& name) const;
    double tolerance(const char* name) const;
    std::vector<double> hidden_tolerances() const;
};

// Fails the test where the data cannot be read.
GoldenModel open_golden_model(const std::string& family);

}  // namespace hone::golden
