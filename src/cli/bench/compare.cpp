#include "cli/bench/compare.h"

#include <algorithm>
#include <map>

namespace hone::cli {
namespace {

using RowsByName = std::map<std::string_view, const BenchRow*>;

RowsByName by_name(std::span<const BenchRow> rows) {
    RowsByName found;
    for (const BenchRow& row : rows) found.emplace(row.name, &row);
    return found;
}

Ratio ratio_of(const BenchRow& now, const BenchRow& then) {
    Ratio ratio{.name = now.name, .is_void = now.is_void || then.is_void};
    const bool have_fractions = now.fraction && then.fraction && *then.fraction > 0;
    if (have_fractions)
        ratio.ratio = *now.fraction / *then.fraction;
    else if (now.value > 0 && then.value > 0)
        ratio.ratio = is_cost(now.unit) ? then.value / now.value : now.value / then.value;
    // A spread is a whole range, of which a median may be off by half.
    const double noise = (now.spread + then.spread) / 2;
    ratio.low = ratio.ratio * std::max(0.0, 1 - noise);
    ratio.high = ratio.ratio * (1 + noise);
    return ratio;
}

}  // namespace

Comparison compare(std::span<const BenchRow> now, std::span<const BenchRow> then) {
    const RowsByName rows_now = by_name(now), rows_then = by_name(then);
    Comparison comparison;
    for (const BenchRow& row : now) {
        const auto found = rows_then.find(row.name);
        if (found == rows_then.end())
            comparison.only_now.push_back(row.name);
        else
            comparison.rows.push_back(ratio_of(row, *found->second));
    }
    for (const BenchRow& row : then) {
        if (!rows_now.contains(row.name)) comparison.only_then.push_back(row.name);
    }
    return comparison;
}

std::string to_table(const Comparison& comparison) {
    size_t width = 24;
    for (const Ratio& row : comparison.rows) width = std::max(width, row.name.size());
    std::string table =
        fmt::format("{:<{}} {:>7} {:>15}\n", "how much better than before (shares of the limit where there is one)",
                    width, "ratio", "within noise");
    for (const Ratio& row : comparison.rows) {
        const char* verdict = row.is_void ? "void" : row.is_better() ? "better" : row.is_worse() ? "WORSE" : "";
        table += fmt::format("{:<{}} {:>7.3f} {:>15}  {}\n", row.name, width, row.ratio,
                             fmt::format("{:.3f} - {:.3f}", row.low, row.high), verdict);
    }
    for (const std::string& name : comparison.only_now) table += fmt::format("only in this run: {}\n", name);
    for (const std::string& name : comparison.only_then) table += fmt::format("only in the file: {}\n", name);
    return table;
}

std::vector<Shortfall> shortfalls(std::span<const BenchRow> rows, std::span<const BenchRow> recorded) {
    const RowsByName known = by_name(recorded);
    std::vector<Shortfall> found;
    for (const BenchRow& row : rows) {
        const auto entry = known.find(row.name);
        if (row.is_void || !row.fraction || entry == known.end() || !entry->second->fraction) continue;
        const double expected = *entry->second->fraction;
        if (*row.fraction < kExpectedPart * expected) found.push_back({row.name, *row.fraction, expected});
    }
    return found;
}

std::string to_table(std::span<const Shortfall> shortfalls) {
    std::string table;
    for (const Shortfall& row : shortfalls) {
        table += fmt::format("  {}: {:.1f} % of the limit, recorded {:.1f} %\n", row.name, 100 * row.fraction,
                             100 * row.recorded);
    }
    return table;
}

}  // namespace hone::cli
