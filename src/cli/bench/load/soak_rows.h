// What a server's memory and pages did during a soak, and whether they grew. Pure functions, any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace hone::cli {

struct SoakSample {
    double seconds = 0;        // from the start
    double private_bytes = 0;  // of the server
    double pages_in_use = 0, pages_cached = 0, running = 0;
};

// How one number went. The first third of the samples is left out of the slope: caches and allocators fill in it.
struct Course {
    double first = 0, last = 0, max = 0;
    double slope = 0;   // a second, of the line that fits best
    double growth = 0;  // that the slope makes over the samples that it was fitted to
};
// At least one sample; the times ascend.
Course course_of(std::span<const SoakSample> samples, double SoakSample::*number);

struct SoakResult {
    int64_t joined = 0, finished = 0, left = 0, failed = 0;
    std::string first_failure;
    std::vector<SoakSample> samples;
    SoakSample after;  // when all streams are gone
};

// What is wrong: requests that failed, memory that grew by more than 4 MiB and 2 %, pages or sequences that stayed.
// Empty if nothing is.
std::vector<std::string> faults_of(const SoakResult& result);

std::string to_table(const SoakResult& result);
boost::json::object to_json(const SoakResult& result);

// The sum of a metric's series in Prometheus text; nothing if there is none.
std::optional<double> metric_in(std::string_view text, std::string_view name);

}  // namespace hone::cli
