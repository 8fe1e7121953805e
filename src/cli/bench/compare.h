// A report beside one of earlier: ratios with the bounds that noise leaves, and rows that fell far below what was once
// recorded. Pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/bench/report.h"

namespace hone::cli {

// How much better a row is than it was: the ratio of the fractions of the limit, so that a machine that is slower today
// cancels out; where a row has no limit, of the values (of costs, upside down). Above 1 is better.
struct Ratio {
    std::string name;
    std::optional<double> ratio;      // nothing without values to divide
    std::optional<double> low, high;  // what the spreads of both leave open; nothing where one has none
    bool is_void = false;             // either of them is

    bool is_better() const { return !is_void && low && *low > 1; }
    bool is_worse() const { return !is_void && high && *high < 1; }
};

struct Comparison {
    std::vector<Ratio> rows;                       // in the order of `now`
    std::vector<std::string> only_now, only_then;  // names
};

Comparison compare(std::span<const BenchRow> now, std::span<const BenchRow> then);
std::string to_table(const Comparison& comparison);

// A row below half of its recorded fraction.
struct Shortfall {
    std::string name;
    double fraction = 0, recorded = 0;
};
inline constexpr double kExpectedPart = 0.5;

// What rows say about recorded ones. A row that has no fraction, or is not recorded with one, is in none of the lists.
struct Judgement {
    size_t judged = 0;
    std::vector<std::string> disturbed;  // void now
    std::vector<std::string> missing;    // recorded, and not among the rows
    std::vector<Shortfall> short_rows;   // of those judged
};

Judgement judge(std::span<const BenchRow> rows, std::span<const BenchRow> recorded);
// Why that is not good: something is short or missing, or nothing is recorded to judge by. `path` is the record's.
Status verdict(const Judgement& judgement, std::string_view path);

}  // namespace hone::cli
