#include "cli/engine_flags.h"

#include <charconv>
#include <cmath>

#include "model/checkpoint/fingerprint.h"

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

Result<engine::TokenGap> parse_token_gap(const std::string& text) {
    if (text == "off") return engine::TokenGap{.factor_percent = 0};
    double number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string unit(end, text.data() + text.size());
    if (failure == std::errc() && unit == "x" && number >= 1.125 && number <= 1000) {
        return engine::TokenGap{.factor_percent = std::llround(number * 100)};
    }
    const double milliseconds = unit == "ms" ? number : unit == "s" ? number * 1000 : 0;
    if (failure == std::errc() && milliseconds >= 1 && milliseconds <= 3.6e6) {
        return engine::TokenGap{.milliseconds = std::llround(milliseconds)};
    }
    return error("'{}' is no token gap; write 2x (times the undisturbed gap, from 1.125x on), 80ms, 0.2s or off", text);
}

std::optional<engine::PrefillPolicy> prefill_policy_named(std::string_view name) {
    for (const engine::PrefillPolicy policy : engine::kPrefillPolicies)
        if (name == name_of(policy)) return policy;
    return std::nullopt;
}

Result<engine::EngineOptions> EngineFlags::options(const ModelOptions& model) const {
    engine::EngineOptions options{.threads = model.threads,
                                  .max_batch = max_batch,
                                  .token_budget = token_budget,
                                  .max_context = max_context,
                                  .prefill = *prefill_policy_named(prefill),
                                  .prefix_cache = !no_prefix_cache,
                                  .int4_class = int4_class_for(model)};
    if (kv_memory != "auto") {
        const auto bytes = parse_bytes(kv_memory);
        if (!bytes) return bytes.error().within("--kv-memory");
        options.kv_bytes = *bytes;
    }
    const auto gap = parse_token_gap(token_gap);
    if (!gap) return gap.error().within("--token-gap");
    options.token_gap = *gap;
    const auto resting = parse_bytes(prefill_memory);
    if (!resting) return resting.error().within("--prefill-memory");
    options.prefill_bytes = *resting;
    if (!spill_folder.empty()) {
        if (no_prefix_cache) return error("--kv-spill keeps the prefix cache, which --no-prefix-cache switches off");
        const auto bytes = parse_bytes(spill_size);
        if (!bytes) return bytes.error().within("--kv-spill-size");
        options.spill = {.folder = spill_folder, .bytes = *bytes};
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
    std::vector<std::string> policies;
    for (const engine::PrefillPolicy policy : engine::kPrefillPolicies) policies.emplace_back(name_of(policy));
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
    verb.add_option("--prefill", flags.prefill,
                    "How long prompts advance beside running ones: auto (by tokens and layers, within --token-gap), "
                    "chunked (by tokens through all layers), layered (a cohort by groups of layers)")
        ->check(CLI::IsMember(policies))
        ->capture_default_str();
    verb.add_option(
            "--token-gap", flags.token_gap,
            "How far apart a stream's tokens may come while prompts are read (--prefill auto): 2x (times the gap that "
            "it would have undisturbed; at least 1.125x), 80ms, or off")
        ->capture_default_str();
    verb.add_option(
            "--token-budget", flags.token_budget,
            "Most tokens that a step takes up: with chunked those of prompts and streams together, with auto those of "
            "prompts, 1024 at most where no gap binds; with layered the tokens that would take as much work through "
            "all "
            "layers as the step's (a cohort has up to 16 times as many); 0: chunked and layered 512, auto 8192")
        ->check(CLI::Range(0, 1 << 20))
        ->capture_default_str();
    verb.add_option("--prefill-memory", flags.prefill_memory,
                    "Most memory for the hidden states of prompts that wait between two layers")
        ->capture_default_str();
    verb.add_option("--kv-spill", flags.spill_folder,
                    "Folder for cache pages that memory has no room for; found again after a restart");
    verb.add_option("--kv-spill-size", flags.spill_size, "Most that they may take there: 16G, 1T")
        ->capture_default_str();
    verb.add_flag("--no-prefix-cache", flags.no_prefix_cache, "Compute every prompt from its start");
}

Result<std::unique_ptr<engine::Engine>> start_engine(const OpenModel& open, engine::EngineOptions options) {
    if (open.loaded.weights.is_mapped()) options.mapped_bytes = open.loaded.weights.bytes().size();
    if (!options.spill.folder.empty()) {
        options.spill.identity =
            fmt::format("{} {} {}", HONE_VERSION, numeric_class_name(open), model::weights_fingerprint(open.loaded));
    }
    auto engine = engine::Engine::create(*open.loaded.model, *open.kernels, options);
    if (engine) return engine;
    const bool on_disk = engine.error().message.starts_with(engine::kSpillContext);
    return engine.error().within(on_disk ? "--kv-spill" : "--kv-memory");
}

}  // namespace hone::cli
