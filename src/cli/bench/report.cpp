#include "cli/bench/report.h"

#include <algorithm>
#include <ctime>

#include <boost/json/array.hpp>

#include "base/cpu_features.h"
#include "base/topology.h"
#include "cli/bench/foreign_load.h"
#include "model/checkpoint/strict_json.h"

namespace hone::cli {
namespace {

// How much the middle half of the values spreads, as a part of their median; one value says nothing.
std::optional<double> spread_of(std::vector<double> values) {
    if (values.size() < 2) return std::nullopt;
    std::ranges::sort(values);
    const size_t cut = values.size() / 4;
    const double middle = values[values.size() / 2];
    return middle > 0 ? (values[values.size() - 1 - cut] - values[cut]) / middle : 0;
}

boost::json::value or_null(const std::optional<double>& number) {
    return number ? boost::json::value(*number) : boost::json::value(nullptr);
}

// Numbers of a row; one that is missing or null is nothing.
std::optional<double> number_in(const boost::json::object& object, std::string_view field) {
    const auto* value = object.if_contains(field);
    if (!value || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

std::string text_in(const boost::json::object& object, std::string_view field) {
    const auto* value = object.if_contains(field);
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

Result<BenchRow> row_from(const boost::json::value& value) {
    const auto* object = value.if_object();
    if (!object) return error("not an object");
    BenchRow row{.name = text_in(*object, "name"), .unit = text_in(*object, "unit")};
    if (row.name.empty()) return error("no 'name'");
    const auto number = number_in(*object, "value");
    if (!number) return error("'{}' has no 'value'", row.name);
    row.value = *number;
    row.limit = number_in(*object, "limit");
    row.fraction = number_in(*object, "fraction");
    row.spread = number_in(*object, "spread");
    const auto* is_void = object->if_contains("void");
    row.is_void = is_void && is_void->is_bool() && is_void->as_bool();
    return row;
}

struct LimitField {
    const char* name;
    Limit limit;
};
constexpr LimitField kLimitFields[] = {
    {"int8_gops", Limit::i8}, {"bf16_gflops", Limit::bf16}, {"fp32_gflops", Limit::f32}, {"dram_gbps", Limit::read}};

}  // namespace

std::string to_header(const BenchReport& report) {
    const Machine& machine = report.machine;
    std::string text = fmt::format("{}, {} CPUs, {:.1f} GiB; {} threads, {}", machine.processor, machine.cpus,
                                   machine.memory_gib, machine.threads, machine.isa);
    if (!machine.numeric_class.empty()) text += ", class " + machine.numeric_class;
    if (!machine.tells_load) text += "; foreign load unknown: rows that others disturbed are not marked";
    if (std::ranges::none_of(report.limits.rates, [](double rate) { return rate > 0; })) return text + "\n\n";
    return text + fmt::format(
                      "\nlimits of this run: int8 {:.0f} GOP/s, bf16 {:.0f} GFLOP/s, fp32 {:.0f} GFLOP/s, "
                      "memory {:.1f} GB/s\n\n",
                      report.limits[Limit::i8] / 1e9, report.limits[Limit::bf16] / 1e9, report.limits[Limit::f32] / 1e9,
                      report.limits[Limit::read] / 1e9);
}

bool is_cost(std::string_view unit) {
    return unit == "us" || unit == "ms" || unit == "s" || unit == "GiB" || unit == "MiB" || unit == "%";
}

BenchRow summarise(std::string name, std::string unit, std::span<const Repetition> repetitions, int wanted) {
    CHECK(!repetitions.empty());
    const auto clean = std::ranges::count(repetitions, true, &Repetition::is_clean);
    const bool is_void = clean < std::max((wanted + 1) / 2, std::min(wanted, 2));
    std::vector<double> values, limits, fractions;
    for (const Repetition& repetition : repetitions) {
        if (!is_void && !repetition.is_clean) continue;
        values.push_back(repetition.value);
        if (!(repetition.limit > 0) || !(repetition.value > 0)) continue;
        limits.push_back(repetition.limit);
        fractions.push_back(is_cost(unit) ? repetition.limit / repetition.value : repetition.value / repetition.limit);
    }
    BenchRow row{.name = std::move(name), .value = median(values), .unit = std::move(unit)};
    row.is_void = is_void;
    if (fractions.size() == values.size()) {
        row.limit = median(limits);
        row.fraction = median(fractions);
        row.spread = spread_of(std::move(fractions));
    } else {
        row.spread = spread_of(std::move(values));
    }
    return row;
}

std::string weights_name(bool int4_linear, bool int4_experts, math::NumericClass int4_class) {
    if (!int4_linear && !int4_experts) return "bf16";
    const std::string name = int4_linear ? "int4" : "int4-experts";
    return int4_class == math::NumericClass::i8g32 ? name : fmt::format("{}-{}", name, math::name_of(int4_class));
}

Machine this_machine(std::string_view isa, int threads) {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    return {.processor = cpu_model_name(),
            .isa = std::string(isa),
            .cpus = static_cast<int>(usable_cpus().size()),
            .threads = threads,
            .memory_gib = static_cast<double>(physical_memory_bytes()) / 0x1p30,
            .tells_load = ForeignLoad().is_known(),
            .date = fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday)};
}

std::string format_value(double value) {
    const int decimals = value >= 999.5 ? 0 : value >= 99.95 ? 1 : value >= 9.995 ? 2 : 3;
    return fmt::format("{:.{}f}", value, decimals);
}

std::optional<size_t> whole_of(std::span<const BenchRow> rows, size_t i) {
    for (size_t whole = i; whole-- > 0;) {
        const std::string& name = rows[i].name;
        const std::string& prefix = rows[whole].name;
        if (name.size() > prefix.size() && name.starts_with(prefix) && name[prefix.size()] == '/') return whole;
        if (name.substr(0, name.rfind('/')) != prefix.substr(0, prefix.rfind('/'))) break;
    }
    return std::nullopt;
}

std::string to_table(const BenchReport& report) {
    const std::span<const BenchRow> rows = report.rows;
    size_t width = 24;
    std::vector<double> parts(rows.size());  // what the parts of a row add up to
    for (size_t i = 0; i < rows.size(); i++) {
        const auto whole = whole_of(rows, i);
        if (whole) parts[*whole] += rows[i].value;
        if (!whole) width = std::max(width, rows[i].name.size());
    }
    const auto percent = [](double part) { return fmt::format("{:.1f} %", 100 * part); };
    std::string table = to_header(report);
    const bool has_limits = std::ranges::any_of(rows, [](const BenchRow& row) { return row.limit.has_value(); });
    const auto add_line = [&](auto name, auto value, auto unit, auto limit, auto of_it, auto spread, auto share) {
        std::string line = fmt::format("{:<{}} {:>10} {:<9}", name, width, value, unit);
        if (has_limits) line += fmt::format(" {:>9} {:>7}", limit, of_it);
        line += fmt::format(" {:>7} {:>7}", spread, share);
        line.resize(line.find_last_not_of(' ') + 1);
        table += line + '\n';
    };
    const bool has_parts = std::ranges::any_of(parts, [](double part) { return part > 0; });
    add_line("", "value", "unit", "limit", "of it", "spread", has_parts ? "share" : "");
    for (size_t i = 0; i < rows.size(); i++) {
        const BenchRow& row = rows[i];
        const auto whole = whole_of(rows, i);
        const std::string name = whole ? "    " + row.name.substr(rows[*whole].name.size() + 1) : row.name;
        const std::string share = row.is_void ? "VOID" : whole ? percent(row.value / parts[*whole]) : "";
        add_line(name, format_value(row.value), row.unit, row.limit ? format_value(*row.limit) : "",
                 row.fraction ? percent(*row.fraction) : "", row.spread ? percent(*row.spread) : "-", share);
    }
    if (!std::ranges::any_of(rows, &BenchRow::is_void)) return table;
    return table + fmt::format(
                       "\nVOID: too few repetitions were measured undisturbed: others took more than {:.0f} % of the "
                       "CPUs, or a start found the\npage cache other than it should. Such a row says nothing; measure "
                       "it again on a quiet machine.\n",
                       100 * kForeignShare);
}

boost::json::object to_json(const BenchReport& report) {
    boost::json::array rows;
    for (const BenchRow& row : report.rows) {
        rows.push_back({{"name", row.name},
                        {"value", row.value},
                        {"unit", row.unit},
                        {"limit", or_null(row.limit)},
                        {"fraction", or_null(row.fraction)},
                        {"spread", or_null(row.spread)},
                        {"void", row.is_void}});
    }
    boost::json::object machine{{"processor", report.machine.processor},
                                {"cpus", report.machine.cpus},
                                {"memory_gib", report.machine.memory_gib},
                                {"threads", report.machine.threads},
                                {"isa", report.machine.isa},
                                {"date", report.machine.date},
                                {"foreign_load", report.machine.tells_load ? "watched" : "unknown"}};
    if (!report.machine.numeric_class.empty()) machine["class"] = report.machine.numeric_class;
    boost::json::object limits;
    for (const LimitField& field : kLimitFields) limits[field.name] = report.limits[field.limit] / 1e9;
    return {{"machine", std::move(machine)}, {"limits", std::move(limits)}, {"rows", std::move(rows)}};
}

Result<BenchReport> read_report(const std::filesystem::path& path) {
    auto object = model::read_json_object(path, size_t{64} << 20);
    if (!object) return object.error();
    const auto* rows = object->if_contains("rows");
    if (!rows || !rows->is_array())
        return error("{}: no list 'rows'; give a file that hone bench --json wrote", path.string());
    BenchReport report;
    for (const auto& value : rows->as_array()) {
        auto row = row_from(value);
        if (!row) return row.error().within(fmt::format("{}: row {}", path.string(), report.rows.size()));
        report.rows.push_back(std::move(*row));
    }
    if (const auto* limits = object->if_contains("limits"); limits && limits->is_object()) {
        for (const LimitField& field : kLimitFields)
            report.limits[field.limit] = 1e9 * number_in(limits->as_object(), field.name).value_or(0);
    }
    return report;
}

}  // namespace hone::cli
