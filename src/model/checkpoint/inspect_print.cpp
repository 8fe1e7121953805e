#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include <boost/json/array.hpp>

#include "base/progress.h"
#include "model/checkpoint/inspect.h"
#include "model/printable.h"

namespace hone::model {

namespace json = boost::json;

namespace {

constexpr size_t kGiB = size_t{1} << 30;
constexpr size_t kCacheSizes[] = {1, 4, 16, 64};  // GiB, of the memory plan

// "model.layers.3.mlp.up_proj.weight" -> "model.layers.*.mlp.up_proj.weight".
std::string without_numbers(const std::string& name) {
    std::string pattern;
    for (size_t i = 0; i < name.size(); i++) {
        const bool begins_number = std::isdigit(static_cast<unsigned char>(name[i])) && (i == 0 || name[i - 1] == '.');
        if (!begins_number) {
            pattern += name[i];
            continue;
        }
        while (i + 1 < name.size() && std::isdigit(static_cast<unsigned char>(name[i + 1]))) i++;
        pattern += '*';
    }
    return pattern;
}

// "30.53 B", "596.0 M", "12345".
std::string format_count(int64_t count) {
    if (count >= 1'000'000'000) return fmt::format("{:.2f} B", static_cast<double>(count) * 1e-9);
    if (count >= 1'000'000) return fmt::format("{:.1f} M", static_cast<double>(count) * 1e-6);
    return std::to_string(count);
}

std::string bytes_text(size_t bytes) {
    return format_bytes(static_cast<double>(bytes));
}

std::string shape_text(const TensorReport& tensor) {
    if (tensor.format == name_of(std::optional<math::WeightFormat>())) return fmt::format("[{}]", tensor.n);
    return fmt::format("[{}, {}]", tensor.n, tensor.k);
}

std::string tensor_lines(const Inspection& inspection) {
    struct Line {
        const TensorReport* first;
        size_t count = 0, bytes = 0;
    };
    std::vector<Line> lines;
    std::map<std::string, size_t> line_of;
    for (const auto& tensor : inspection.tensors) {
        const std::string key = fmt::format("{} {} {} {} {} {}", without_numbers(tensor.name), name_of(tensor.role),
                                            tensor.n, tensor.k, tensor.stored, tensor.format);
        const auto [found, is_new] = line_of.emplace(key, lines.size());
        if (is_new) lines.push_back({&tensor});
        lines[found->second].count++;
        lines[found->second].bytes += tensor.shares_bytes ? 0 : tensor.bytes;
    }
    std::string text = fmt::format("  {:<52} {:>6} {:>16} {:>10} {:>10} {:>11}\n", "tensor", "count", "shape", "stored",
                                   "in memory", "bytes");
    for (const Line& line : lines) {
        const std::string name = line.count > 1 ? without_numbers(line.first->name) : line.first->name;
        text += fmt::format("  {:<52} {:>6} {:>16} {:>10} {:>10} {:>11}\n", name, line.count, shape_text(*line.first),
                            line.first->stored, line.first->format,
                            line.first->shares_bytes ? "the head's" : bytes_text(line.bytes));
    }
    return text;
}

std::string total_lines(const Inspection& inspection) {
    std::string text =
        fmt::format("  {:<12} {:<12} {:>8} {:>12} {:>12}\n", "role", "in memory", "tensors", "parameters", "bytes");
    for (const auto& total : inspection.totals) {
        text += fmt::format("  {:<12} {:<12} {:>8} {:>12} {:>12}\n", name_of(total.role), total.format, total.tensors,
                            format_count(total.parameters), bytes_text(total.bytes));
    }
    return text;
}

// "model.layers.3.mlp.up_proj.weight" is of the "mlp" of layer 3, "model.norm.weight" the "norm" of none.
struct Place {
    std::optional<int32_t> layer;
    std::string part;
};

Place place_of(std::string_view name) {
    constexpr std::string_view kLayers = "layers.", kModel = "model.";
    Place place;
    if (const size_t found = name.find(kLayers); found != std::string_view::npos) {
        name.remove_prefix(found + kLayers.size());
        int32_t layer = 0;
        const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), layer);
        if (failure == std::errc()) place.layer = layer;
        name.remove_prefix(std::min(name.size(), static_cast<size_t>(end - name.data()) + 1));
    } else if (name.starts_with(kModel)) {
        name.remove_prefix(kModel.size());
    }
    place.part = name.substr(0, name.find('.'));
    return place;
}

// A row for what is in no layer ("layer": null), and one for each layer; their parts by role and format, in the order of
// the first tensor of each.
json::array layers_json(const Inspection& inspection) {
    struct Part {
        std::string name;
        RoleTotal total;
    };
    std::map<std::optional<int32_t>, std::vector<Part>> layers;
    for (const auto& tensor : inspection.tensors) {
        auto [layer, name] = place_of(tensor.name);
        std::vector<Part>& parts = layers[layer];
        auto part = std::ranges::find_if(parts, [&](const Part& known) {
            return known.name == name && known.total.role == tensor.role && known.total.format == tensor.format;
        });
        if (part == parts.end())
            part = parts.insert(parts.end(), {std::move(name), {.role = tensor.role, .format = tensor.format}});
        part->total.tensors++;
        part->total.parameters += tensor.parameters();
        part->total.bytes += tensor.shares_bytes ? 0 : tensor.bytes;
    }
    json::array rows;
    for (const auto& [layer, parts] : layers) {
        json::array list;
        for (const auto& [name, total] : parts)
            list.push_back(json::object{{"name", name},
                                        {"role", name_of(total.role)},
                                        {"format", total.format},
                                        {"tensors", total.tensors},
                                        {"parameters", total.parameters},
                                        {"bytes", total.bytes}});
        rows.push_back(
            json::object{{"layer", layer ? json::value(*layer) : json::value(nullptr)}, {"parts", std::move(list)}});
    }
    return rows;
}

}  // namespace

std::string to_text(const Inspection& inspection) {
    const ModelSpec& spec = inspection.spec;
    std::string text =
        fmt::format("{} ({})\n", inspection.path, inspection.kind == "pack" ? "packed by hone" : "checkpoint folder");
    text += fmt::format("  architecture  {}: {} layers, hidden {}, vocabulary {}, up to {} positions\n",
                        spec.architecture, spec.layers, spec.hidden, spec.vocabulary, spec.max_positions);
    text +=
        fmt::format("  attention     {} heads of {}, {} key-value heads\n", spec.heads, spec.head_dim, spec.kv_heads);
    if (spec.experts > 0) text += fmt::format("  experts       {}, {} a token\n", spec.experts, spec.experts_per_token);
    text += fmt::format("  parameters    {}, {} active for a token\n\n", format_count(inspection.parameters),
                        format_count(inspection.active_parameters));
    text += tensor_lines(inspection) + "\n" + total_lines(inspection) + "\n";
    text += fmt::format("  memory        weights {}; a token reads {} of them\n", bytes_text(inspection.weight_bytes),
                        bytes_text(inspection.bytes_per_token));
    text += fmt::format("  KV cache      {} a token", bytes_text(inspection.kv_bytes_per_token));
    for (const size_t size : kCacheSizes) {
        text += fmt::format("{} {} GiB holds {}", size == kCacheSizes[0] ? ":" : ",", size,
                            tokens_that_fit(inspection, size * kGiB));
    }
    text += " tokens\n";
    if (!inspection.unused.empty()) {
        text += fmt::format("  not used      {} tensors of the checkpoint, the first is {}\n", inspection.unused.size(),
                            in_quotes(inspection.unused[0]));
    }
    return text;
}

json::object to_json(const Inspection& inspection) {
    const ModelSpec& spec = inspection.spec;
    json::array tensors, totals, fits;
    for (const auto& tensor : inspection.tensors) {
        tensors.push_back(json::object{{"name", tensor.name},
                                       {"role", name_of(tensor.role)},
                                       {"n", tensor.n},
                                       {"k", tensor.k},
                                       {"stored", tensor.stored},
                                       {"stored_bytes", tensor.stored_bytes},
                                       {"format", tensor.format},
                                       {"bytes", tensor.bytes},
                                       {"shares_bytes", tensor.shares_bytes}});
    }
    for (const auto& total : inspection.totals) {
        totals.push_back(json::object{{"role", name_of(total.role)},
                                      {"format", total.format},
                                      {"tensors", total.tensors},
                                      {"parameters", total.parameters},
                                      {"bytes", total.bytes}});
    }
    for (const size_t size : kCacheSizes) {
        fits.push_back(json::object{{"gib", size}, {"tokens", tokens_that_fit(inspection, size * kGiB)}});
    }
    return json::object{
        {"path", inspection.path},
        {"kind", inspection.kind},
        {"architecture", json::object{{"model_type", spec.architecture},
                                      {"layers", spec.layers},
                                      {"hidden", spec.hidden},
                                      {"vocabulary", spec.vocabulary},
                                      {"max_positions", spec.max_positions},
                                      {"heads", spec.heads},
                                      {"kv_heads", spec.kv_heads},
                                      {"head_dim", spec.head_dim},
                                      {"experts", spec.experts},
                                      {"experts_per_token", spec.experts_per_token}}},
        {"parameters", inspection.parameters},
        {"active_parameters", inspection.active_parameters},
        {"memory", json::object{{"weights", inspection.weight_bytes},
                                {"weights_per_token", inspection.bytes_per_token},
                                {"kv_per_token", inspection.kv_bytes_per_token},
                                {"cache_holds", std::move(fits)}}},
        {"totals", std::move(totals)},
        {"layers", layers_json(inspection)},
        {"tensors", std::move(tensors)},
        {"unused", json::array(inspection.unused.begin(), inspection.unused.end())},
    };
}

}  // namespace hone::model
