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
    if (!ratio.ratio || !now.spread || !then.spread) return ratio;
    // A spread is a whole range, of which a median may be off by half.
    const double noise = (*now.spread + *then.spread) / 2;
    ratio.low = *ratio.ratio * std::max(0.0, 1 - noise);
    ratio.high = *ratio.ratio * (1 + noise);
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
    std::string table = "how much better than before (shares of the limit where there is one)\n";
    table += fmt::format("{:<{}} {:>7} {:>15}\n", "", width, "ratio", "within noise");
    for (const Ratio& row : comparison.rows) {
        const char* verdict = row.is_void ? "void" : row.is_better() ? "better" : row.is_worse() ? "WORSE" : "";
        table += fmt::format("{:<{}} {:>7} {:>15}  {}\n", row.name, width,
                             row.ratio ? fmt::format("{:.3f}", *row.ratio) : "-",
                             row.low ? fmt::format("{:.3f} - {:.3f}", *row.low, *row.high) : "-", verdict);
        table.resize(table.find_last_not_of(" \n") + 1);
        table += '\n';
    }
    for (const std::string& name : comparison.only_now) table += fmt::format("only in this run: {}\n", name);
    for (const std::string& name : comparison.only_then) table += fmt::format("only in the file: {}\n", name);
    return table;
}

Judgement judge(std::span<const BenchRow> rows, std::span<const BenchRow> recorded) {
    const RowsByName measured = by_name(rows);
    Judgement judgement;
    for (const BenchRow& record : recorded) {
        const auto entry = measured.find(record.name);
        if (entry == measured.end()) {
            judgement.missing.push_back(record.name);
            continue;
        }
        const BenchRow& row = *entry->second;
        if (!row.fraction || !record.fraction) continue;
        if (row.is_void) {
            judgement.disturbed.push_back(row.name);
            continue;
        }
        judgement.judged++;
        if (*row.fraction < kExpectedPart * *record.fraction)
            judgement.short_rows.push_back({row.name, *row.fraction, *record.fraction});
    }
    return judgement;
}

Status verdict(const Judgement& judgement, std::string_view path) {
    std::string text;
    if (!judgement.short_rows.empty()) {
        text += fmt::format("\nunder half of the fraction that {} records:", path);
        for (const Shortfall& row : judgement.short_rows)
            text += fmt::format("\n  {}: {:.1f} % of the limit, recorded {:.1f} %", row.name, 100 * row.fraction,
                                100 * row.recorded);
    }
    if (!judgement.missing.empty()) {
        text += fmt::format("\nrecorded in {}, but not measured:", path);
        for (const std::string& name : judgement.missing) text += "\n  " + name;
    }
    // A machine that others keep busy proves nothing, for or against.
    if (judgement.judged == 0 && judgement.disturbed.empty())
        text += fmt::format("\nno row was judged by {}: it records no fraction of them", path);
    if (text.empty()) return ok();
    return error("--expect:{}", text);
}

}  // namespace hone::cli
