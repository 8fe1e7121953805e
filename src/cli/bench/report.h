// What every kind of `hone bench` ends with: the machine, its limits, and rows of results; as a table and as JSON.
//
//   {"machine": {..., "foreign_load": "watched" or "unknown"},
//    "limits": {"int8_gops", "bf16_gflops", "fp32_gflops", "dram_gbps"},
//    "rows": [{"name", "value", "unit", "limit", "fraction", "spread", "void"}]}
//
// Values; free functions, any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "cli/bench/machine_limits.h"
#include "math/quant/weight.h"

namespace hone::cli {

struct BenchRow {
    // "decode/qwen3-30b-a3b/int4/depth8192". A part of the row above it adds a last word: ".../depth8192/attention".
    std::string name;
    double value = 0;
    std::string unit;                // "tokens/s", "GOP/s", "GB/s", "us", "ms", "s", "GiB", "MiB", "%"
    std::optional<double> limit;     // in the unit; nothing where none is defined
    std::optional<double> fraction;  // of the limit that was reached: 1 is best, for times too
    std::optional<double> spread;    // range of the middle half of the repetitions over their median; not of one
    bool is_void = false;            // too few repetitions were measured undisturbed
};

// Where more is worse: times, sizes and what something takes of another.
bool is_cost(std::string_view unit);

// One repetition of what becomes a row; limit 0 where none is defined.
struct Repetition {
    double value = 0, limit = 0;
    bool is_clean = true;
};

// Medians of the clean repetitions. Of all, and void, where fewer are clean than half of those that were wanted, or
// than two of several. At least one repetition.
BenchRow summarise(std::string name, std::string unit, std::span<const Repetition> repetitions, int wanted);

// What --weights would have to say for the INT4 weights that a model has, as rows call them; a class that INT4 does not
// take by itself is added: "bf16", "int4-experts", "int4-i8p32".
std::string weights_name(bool int4_linear, bool int4_experts, math::NumericClass int4_class);

struct Machine {
    std::string processor, isa, numeric_class;  // numeric_class only where a model ran
    int cpus = 0, threads = 0;
    double memory_gib = 0;
    bool tells_load = true;  // whether others' use of the CPUs is known; where not, every repetition counts
    std::string date;        // "2026-11-24"
};

// This machine, today.
Machine this_machine(std::string_view isa, int threads);

struct BenchReport {
    Machine machine;
    MachineLimits limits;
    std::vector<BenchRow> rows;
};

// The machine and its limits, if they were measured, a line each and an empty one; the table begins with them.
std::string to_header(const BenchReport& report);
std::string to_table(const BenchReport& report);
boost::json::object to_json(const BenchReport& report);

// A report's JSON of earlier. Errors name the file and what is wrong in it.
Result<BenchReport> read_report(const std::filesystem::path& path);

// Rows ending in parts of the row before them: "x/attention" after "x". Index of the row that row i is a part of, or
// nothing.
std::optional<size_t> whole_of(std::span<const BenchRow> rows, size_t i);

// Four digits: "1912", "49.31", "0.532".
std::string format_value(double value);

}  // namespace hone::cli
