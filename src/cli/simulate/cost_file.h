// models/costs/*.toml: a model on a machine, and what its steps cost there. models/costs/README.md tells the keys.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "base/toml_file.h"
#include "cli/simulate/true_costs.h"

namespace hone::cli {

struct CostFile {
    std::string title;   // "Qwen3-30B-A3B BF16 on 2 x H100"
    std::string source;  // where the figures come from
    TrueCosts costs;
    double noise = 0;          // standard deviation of a step's time, as a part of it
    int64_t cache_tokens = 0;  // that keys and values have room for
    int32_t max_context = 0;   // tokens of one sequence
};

// Errors name file, line and key.
Result<CostFile> read_cost_file(const std::filesystem::path& path);
Result<CostFile> parse_cost_file(TomlTable root);

}  // namespace hone::cli
