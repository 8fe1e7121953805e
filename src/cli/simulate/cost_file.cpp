#include "cli/simulate/cost_file.h"

namespace hone::cli {
namespace {

constexpr int64_t kMostExtent = 1 << 24;

int32_t extent(TomlTable& table, std::string_view key, int64_t least, std::optional<int64_t> otherwise = {}) {
    return static_cast<int32_t>(table.integer(key, least, kMostExtent, otherwise));
}

ModelExtents read_model(TomlTable table, bool is_measured) {
    ModelExtents model;
    model.layers = static_cast<int32_t>(table.integer("layers", 1, 4096));
    model.hidden = extent(table, "hidden", 1);
    model.heads = extent(table, "heads", 1);
    model.kv_heads = extent(table, "kv_heads", 1);
    model.head_size = extent(table, "head_size", 1);
    model.vocabulary = extent(table, "vocabulary", 1);
    model.weight_bits = table.number("weight_bits", 1, 32);
    model.cache_bits = table.number("cache_bits", 1, 32, 16);
    model.experts = static_cast<int32_t>(table.integer("experts", 0, 1 << 16, 0));
    const bool is_routed = model.experts > 0;
    model.dense_layers =
        static_cast<int32_t>(table.integer("dense_layers", 0, model.layers, is_routed ? 0 : model.layers));
    if (is_routed) {
        model.experts_per_token = static_cast<int32_t>(table.integer("experts_per_token", 1, model.experts));
        model.expert_inner = extent(table, "expert_inner", 1);
        model.expert_skew = table.number("expert_skew", 0, 4, 0);
        if (is_measured && table.has("expert_skew"))
            table.mistake("expert_skew", "needs [machine]; with [costs] routing is even");
    }
    if (!is_routed && model.dense_layers < model.layers)
        table.mistake("dense_layers", fmt::format("must be {}, as there are no experts", model.layers));
    if (model.dense_layers > 0) model.dense_inner = extent(table, "dense_inner", 1);
    return model;
}

MachineRates read_machine(TomlTable table) {
    MachineRates rates;
    rates.operations = table.number("tflops", 1e-6, 1e9) * 1e12;
    rates.attention_operations = table.number("attention_tflops", 1e-6, 1e9, rates.operations / 1e12) * 1e12;
    rates.bytes = table.number("gb_per_s", 1e-6, 1e9) * 1e9;
    rates.overlap = table.number("overlap", 0, 1);
    rates.phases_apart = table.choice("phases", {"together", "apart"}, 1) == 1;
    rates.expert_rows_half = table.number("expert_rows_half", 0, 1e6, 0);
    rates.layer_seconds = table.number("layer_us", 0, 1e9, 0) * 1e-6;
    rates.step_seconds = table.number("step_us", 0, 1e9, 0) * 1e-6;
    rates.token_seconds = table.number("token_us", 0, 1e9, 0) * 1e-6;
    return rates;
}

// Nanoseconds in the file, picoseconds here.
int64_t picoseconds(TomlTable& table, std::string_view key, std::optional<double> otherwise = {}) {
    return static_cast<int64_t>(table.number(key, 0, 1e15, otherwise) * 1e3);
}

engine::LayerCosts read_layer(TomlTable table, bool is_routed) {
    engine::LayerCosts costs;
    costs.fixed = picoseconds(table, "fixed_ns");
    costs.row = picoseconds(table, "row_ns");
    if (is_routed) costs.expert = picoseconds(table, "expert_ns");
    costs.context = picoseconds(table, "context_ns");
    costs.pair = picoseconds(table, "pair_ns");
    return costs;
}

engine::StepCosts read_measured(TomlTable table, const ModelExtents& model) {
    engine::StepCosts costs;
    costs.step = picoseconds(table, "step_ns");
    costs.logits = picoseconds(table, "logits_ns");
    if (model.experts > 0 && model.dense_layers < model.layers) costs.routed = read_layer(table.table("routed"), true);
    if (model.dense_layers > 0) costs.dense = read_layer(table.table("dense"), false);
    return costs;
}

}  // namespace

Result<CostFile> read_cost_file(const std::filesystem::path& path) {
    auto root = TomlTable::read(path);
    if (!root) return root.error();
    return parse_cost_file(std::move(*root));
}

Result<CostFile> parse_cost_file(TomlTable root) {
    CostFile file;
    file.title = root.text("title");
    file.source = root.text("source");
    file.noise = root.number("noise", 0, 0.5, 0);
    file.cache_tokens = root.integer("cache_tokens", 64, int64_t{1} << 30);
    file.max_context = static_cast<int32_t>(root.integer("max_context", 1, kMostExtent));
    const bool is_measured = root.has("costs");
    const ModelExtents model = read_model(root.table("model"), is_measured);
    if (is_measured && root.has("machine")) root.mistake("costs", "is there beside [machine]: give one of the two");
    const MachineRates rates = is_measured ? MachineRates{} : read_machine(root.table("machine"));
    const engine::StepCosts measured = is_measured ? read_measured(root.table("costs"), model) : engine::StepCosts{};
    if (const Status read = root.finish(); !read) return read.error();
    file.costs = is_measured ? TrueCosts(model, measured) : TrueCosts(model, rates);
    return file;
}

}  // namespace hone::cli
