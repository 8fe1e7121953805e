// adapter_config.json of an adapter folder: PEFT's, of which Tinker's is a part. Immutable once read; any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"

namespace hone::model {

class AdapterConfig {
  public:
    // Errors name the file and the field: missing or wrong ones, and those that ask for what cannot be done.
    static Result<AdapterConfig> read(const std::filesystem::path& path);

    const std::string& base_model() const { return base_model_; }
    // Of a module, by its name without kAdapterPrefix.
    int32_t rank_of(std::string_view module) const;
    // Products are scaled by alpha / rank.
    double alpha_of(std::string_view module, int32_t rank) const;

  private:
    Status read_patterns(const boost::json::object& fields);

    std::string base_model_;
    int32_t rank_ = 0;
    double alpha_ = 0;
    bool rank_stabilised_ = false;  // alpha / sqrt(rank)
    // For modules whose name is the first part, or ends in a dot and it; the first that fits counts.
    std::vector<std::pair<std::string, double>> ranks_, alphas_;
};

}  // namespace hone::model
