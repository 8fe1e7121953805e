// A report beside one of earlier: ratios with the bounds that noise leaves, and rows that fell far below what was once
// recorded. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/bench/report.h"

namespace hone::cli {

// How much better a row is than it was: the ratio of the fractions of the limit, so that a machine that is slower today
// cancels out; where a row has no limit, of the values (of costs, upside down). Above 1 is better.
struct Ratio {
    std::string name;
    double ratio = 1, low = 1, high = 1;  // low..high: what the spreads of both leave open
    bool is_void = false;                 // either of them is

    bool is_better() const { return !is_void && low > 1; }
    bool is_worse() const { return !is_void && high < 1; }
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

// Nothing for rows that are void, have no fraction, or are not recorded with one.
std::vector<Shortfall> shortfalls(std::span<const BenchRow> rows, std::span<const BenchRow> recorded);
std::string to_table(std::span<const Shortfall> shortfalls);

}  // namespace hone::cli
