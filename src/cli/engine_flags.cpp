#include "cli/engine_flags.h"

#include <charconv>
#include <cmath>

namespace hone::cli {

Result<size_t> parse_bytes(const std::string& text) {
    double number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string unit(end, text.data() + text.size());
    if (unit.ends_with("iB"))
        unit.resize(unit.size() - 2);
    else if (unit.ends_with("B"))
        unit.resize(unit.size() - 1);
    const size_t power = unit.empty() ? 0 : std::string("KMGT").find(unit) + 1;
    const double bytes = number * std::pow(1024.0, static_cast<double>(power));
    if (failure != std::errc() || unit.size() > 1 || (!unit.empty() && power == 0) || !(bytes >= 1 && bytes < 0x1p62)) {
        return error("'{}' is no amount of memory; write 8G, 512M or a number of bytes", text);
    }
    return static_cast<size_t>(bytes);
}

Result<engine::EngineOptions> EngineFlags::options(const ModelOptions& model) const {
    engine::EngineOptions options{
        .threads = model.threads,
        .max_batch = max_batch,
        .token_budget = token_budget,
        .max_context = max_context,
        .prefill = prefill == "layered" ? engine::PrefillPolicy::layered : engine::PrefillPolicy::chunked,
        .prefix_cache = !no_prefix_cache,
        .int4_class = int4_class_for(model)};
    if (kv_memory != "auto") {
        const auto bytes = parse_bytes(kv_memory);
        if (!bytes) return bytes.error().within("--kv-memory");
        options.kv_bytes = *bytes;
    }
    return options;
}

CLI::Validator number_within(double least, double most) {
    const auto check = [least, most](const std::string& text) {
        double number = 0;
        const bool is_within = CLI::detail::lexical_cast(text, number) && number >= least && number <= most;
        return is_within ? std::string() : fmt::format("{} is no number from {} to {}", text, least, most);
    };
    return CLI::Validator(check, fmt::format("FLOAT in [{} - {}]", least, most));
}

void add_engine_flags(CLI::App& verb, EngineFlags& flags) {
    verb.add_option("--kv-memory", flags.kv_memory,
                    "Memory for keys and values: 8G, 512M; auto takes half of what is free beside the weights")
        ->capture_default_str();
    verb.add_option("--max-context", flags.max_context,
                    "Most tokens of one request, prompt included; 0: what model and memory allow")
        ->check(CLI::Range(0, 1 << 30))
        ->capture_default_str();
    verb.add_option("--max-streams", flags.max_batch, "Most sequences that run at once")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    verb.add_option("--token-budget", flags.token_budget, "Prompt tokens that join a step")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    verb.add_option("--prefill", flags.prefill,
                    "How long prompts advance beside running ones: chunked (by tokens) or layered (by layers)")
        ->check(CLI::IsMember({"chunked", "layered"}))
        ->capture_default_str();
    verb.add_flag("--no-prefix-cache", flags.no_prefix_cache, "Compute every prompt from its start");
}

Result<std::unique_ptr<engine::Engine>> start_engine(const OpenModel& open, engine::EngineOptions options) {
    if (open.loaded.weights.is_mapped()) options.mapped_bytes = open.loaded.weights.bytes().size();
    auto engine = engine::Engine::create(*open.loaded.model, *open.kernels, options);
    if (!engine) return engine.error().within("--kv-memory");
    return engine;
}

}  // namespace hone::cli
