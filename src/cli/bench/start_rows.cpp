#include "cli/bench/start_rows.h"

#include <fmt/format.h>

namespace hone::cli {
namespace {

constexpr double kWarm = 0.999, kCold = 0.01;  // shares of the files that count as in memory, and as out of it

}  // namespace

std::string_view name_of(PageCache cache) {
    return cache == PageCache::warm ? "warm" : "cold";
}

bool found(PageCache cache, const Start& start) {
    return cache == PageCache::warm ? start.cached >= kWarm : start.cached <= kCold;
}

bool counts(PageCache cache, const Start& start, const ForeignShare& all) {
    // A cold start waits for the disk, and what the system does to read for it would count as others' load.
    return found(cache, start) && (cache == PageCache::cold || is_clean(start.load, all));
}

std::vector<BenchRow> time_rows(const std::string& prefix, PageCache cache, std::span<const Start> starts,
                                const ForeignShare& all) {
    const std::string name = fmt::format("{}/{}", prefix, name_of(cache));
    std::vector<Repetition> whole, listening, first_token;
    for (const Start& start : starts) {
        const bool is_clean = counts(cache, start, all);
        whole.push_back({.value = start.first_token, .is_clean = is_clean});
        listening.push_back({.value = start.listening, .is_clean = is_clean});
        first_token.push_back({.value = start.first_token - start.listening, .is_clean = is_clean});
    }
    const auto wanted = static_cast<int>(starts.size());
    return {summarise(name, "s", whole, wanted), summarise(name + "/listening", "s", listening, wanted),
            summarise(name + "/first_token", "s", first_token, wanted)};
}

BenchRow memory_row(const std::string& prefix, std::span<const Start> starts) {
    std::vector<Repetition> sizes;
    for (const Start& start : starts) sizes.push_back({.value = start.private_bytes / 0x1p20});
    BenchRow row = summarise(prefix + "/private_memory", "MiB", sizes, static_cast<int>(starts.size()));
    row.spread.reset();  // sizes often are the same to a page, from which no noise can be told
    return row;
}

}  // namespace hone::cli
