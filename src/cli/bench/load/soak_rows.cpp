#include "cli/bench/load/soak_rows.h"

#include <algorithm>
#include <charconv>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/progress.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

constexpr double kGrowthBytes = 4 << 20;
constexpr double kGrowthShare = 0.02;

// Least squares; 0 where all times are equal.
double slope_of(std::span<const SoakSample> samples, double SoakSample::*number) {
    const auto count = static_cast<double>(samples.size());
    double time = 0, value = 0;
    for (const SoakSample& sample : samples) time += sample.seconds / count, value += sample.*number / count;
    double shared = 0, spread = 0;
    for (const SoakSample& sample : samples) {
        shared += (sample.seconds - time) * (sample.*number - value);
        spread += (sample.seconds - time) * (sample.seconds - time);
    }
    return spread > 0 ? shared / spread : 0;
}

json::object course_json(const Course& course) {
    return {{"first", course.first},
            {"last", course.last},
            {"max", course.max},
            {"slope_per_s", course.slope},
            {"growth", course.growth}};
}

}  // namespace

Course course_of(std::span<const SoakSample> samples, double SoakSample::*number) {
    Course course{.first = samples.front().*number, .last = samples.back().*number};
    for (const SoakSample& sample : samples) course.max = std::max(course.max, sample.*number);
    const auto judged = samples.subspan(samples.size() / 3);
    course.slope = slope_of(judged, number);
    course.growth = course.slope * (judged.back().seconds - judged.front().seconds);
    return course;
}

std::vector<std::string> faults_of(const SoakResult& result) {
    std::vector<std::string> faults;
    if (result.failed > 0)
        faults.push_back(fmt::format("{} requests failed, the first with: {}", result.failed, result.first_failure));
    const Course memory = course_of(result.samples, &SoakSample::private_bytes);
    if (memory.growth > std::max(kGrowthBytes, kGrowthShare * memory.last))
        faults.push_back(fmt::format("the server's memory grew by {} ({} a minute)", format_bytes(memory.growth),
                                     format_bytes(60 * memory.slope)));
    if (result.after.pages_in_use > 0)
        faults.push_back(fmt::format("{} pages are held when all streams are gone", result.after.pages_in_use));
    if (result.after.running > 0)
        faults.push_back(fmt::format("{} sequences run when all streams are gone", result.after.running));
    return faults;
}

std::string to_table(const SoakResult& result) {
    std::string table = fmt::format("{} streams joined: {} finished, {} left early, {} failed\n\n", result.joined,
                                    result.finished, result.left, result.failed);
    table += fmt::format("{:<28}{:>12}{:>12}{:>12}{:>16}\n", "", "first", "last", "max", "slope a minute");
    const Course memory = course_of(result.samples, &SoakSample::private_bytes);
    table += fmt::format("{:<28}{:>12.2f}{:>12.2f}{:>12.2f}{:>16.3f}\n", "private memory, MiB", memory.first / 0x1p20,
                         memory.last / 0x1p20, memory.max / 0x1p20, 60 * memory.slope / 0x1p20);
    struct Row {
        const char* name;
        double SoakSample::*number;
    };
    for (const Row& row : {Row{"KV pages in use", &SoakSample::pages_in_use},
                           Row{"KV pages cached", &SoakSample::pages_cached}, Row{"sequences", &SoakSample::running}}) {
        const Course course = course_of(result.samples, row.number);
        table += fmt::format("{:<28}{:>12.0f}{:>12.0f}{:>12.0f}{:>16.1f}\n", row.name, course.first, course.last,
                             course.max, 60 * course.slope);
    }
    table += fmt::format("\nwhen all streams are gone: {:.0f} pages in use, {:.0f} sequences, {} private\n",
                         result.after.pages_in_use, result.after.running, format_bytes(result.after.private_bytes));
    return table;
}

json::object to_json(const SoakResult& result) {
    json::array samples, faults;
    for (const SoakSample& sample : result.samples)
        samples.push_back(
            {sample.seconds, sample.private_bytes, sample.pages_in_use, sample.pages_cached, sample.running});
    for (const std::string& fault : faults_of(result)) faults.emplace_back(fault);
    return {{"joined", result.joined},
            {"finished", result.finished},
            {"left", result.left},
            {"failed", result.failed},
            {"private_bytes", course_json(course_of(result.samples, &SoakSample::private_bytes))},
            {"pages_in_use", course_json(course_of(result.samples, &SoakSample::pages_in_use))},
            {"pages_cached", course_json(course_of(result.samples, &SoakSample::pages_cached))},
            {"after", json::object{{"private_bytes", result.after.private_bytes},
                                   {"pages_in_use", result.after.pages_in_use},
                                   {"running", result.after.running}}},
            {"faults", std::move(faults)},
            {"samples", std::move(samples)}};
}

std::optional<double> metric_in(std::string_view text, std::string_view name) {
    std::optional<double> sum;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (!line.starts_with(name) || line.size() == name.size()) continue;
        if (line[name.size()] != '{' && line[name.size()] != ' ') continue;
        const std::string_view number = line.substr(line.rfind(' ') + 1);
        double value = 0;
        const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), value);
        if (failure == std::errc()) sum = sum.value_or(0) + value;
    }
    return sum;
}

}  // namespace hone::cli
