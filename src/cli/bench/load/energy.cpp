#include "cli/bench/load/energy.h"

#include <fstream>
#include <optional>
#include <string>

namespace hone::cli {
namespace {

namespace fs = std::filesystem;

std::optional<double> number_in(const fs::path& file) {
    double number = 0;
    if (std::ifstream(file) >> number) return number;
    return std::nullopt;
}

std::string word_in(const fs::path& file) {
    std::string word;
    std::ifstream(file) >> word;
    return word;
}

}  // namespace

// Zones are "intel-rapl:0" (a package) and "intel-rapl:0:1" (a part of it, of which memory is counted beside the package
// and all others within it). The same package under "intel-rapl-mmio" is not counted twice.
Result<EnergyMeter> EnergyMeter::open(const fs::path& root) {
    EnergyMeter meter;
    std::error_code failure;
    size_t seen = 0;
    for (const auto& entry : fs::directory_iterator(root, failure)) {
        const std::string zone = entry.path().filename();
        const std::string name = word_in(entry.path() / "name");
        if (!zone.starts_with("intel-rapl:") || !(name.starts_with("package") || name == "dram")) continue;
        seen++;
        const auto last = number_in(entry.path() / "energy_uj"),
                   range = number_in(entry.path() / "max_energy_range_uj");
        if (last && range) meter.zones_.push_back({entry.path() / "energy_uj", *range, *last});
    }
    if (seen == 0) return error("this machine tells no energy (no RAPL zones in {})", root.string());
    if (meter.zones_.size() < seen)
        return error(
            "the energy counters in {} may not be read; run as root, or let them be read (chmod a+r energy_uj)",
            root.string());
    return meter;
}

void EnergyMeter::sample() {
    for (Zone& zone : zones_) {
        const auto now = number_in(zone.counter);
        if (!now) continue;
        const double used = *now - zone.last;
        joules_ += 1e-6 * (used >= 0 ? used : used + zone.range);
        zone.last = *now;
    }
}

}  // namespace hone::cli
