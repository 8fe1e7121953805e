#include <cctype>
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

}  // namespace

std::string to_text(const Inspection& inspection) {
    const ModelSpec& spec = inspection.spec;
    std::string text =
        fmt::format("{} ({})\n", inspection.path, inspection.is_pack ? "packed by hone" : "checkpoint folder");
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
        {"kind", inspection.is_pack ? "pack" : "folder"},
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
        {"tensors", std::move(tensors)},
        {"unused", json::array(inspection.unused.begin(), inspection.unused.end())},
    };
}

}  // namespace hone::model
