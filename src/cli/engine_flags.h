// The flags that shape the engine, shared by serve and chat.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/model_options.h"
#include "engine/engine.h"

namespace hone::cli {

struct EngineFlags {
    std::string kv_memory = "auto";  // --kv-memory
    std::string prefill = "auto";    // --prefill
    std::string token_gap = "2x";    // --token-gap
    std::string prefill_memory = "256M";
    int32_t max_batch = 64, token_budget = 0, max_context = 0;
    bool no_prefix_cache = false;
    std::string spill_folder;        // --kv-spill
    std::string spill_size = "16G";  // --kv-spill-size

    // Errors name the flag.
    Result<engine::EngineOptions> options(const ModelOptions& model) const;
};

void add_engine_flags(CLI::App& verb, EngineFlags& flags);

// A check for flags of real numbers. NaN, which passes CLI::Range, is in no range.
CLI::Validator number_within(double least, double most);

// An engine for the model. What can go wrong is memory, and the cache on disk: errors name the flag.
Result<std::unique_ptr<engine::Engine>> start_engine(const OpenModel& open, engine::EngineOptions options);

// "auto", "chunked", "layered".
std::optional<engine::PrefillPolicy> prefill_policy_named(std::string_view name);

// "2x", "1.5x" (the step that only decodes), "80ms", "0.2s", "off".
Result<engine::TokenGap> parse_token_gap(const std::string& text);

// "8G", "512M", "1.5GiB", "4096" (bytes); at least one byte.
Result<size_t> parse_bytes(const std::string& text);

}  // namespace hone::cli
