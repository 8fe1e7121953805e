// What starts of a server were found to take, as rows of a report. Pure functions, any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/bench/foreign_load.h"
#include "cli/bench/report.h"

namespace hone::cli {

enum class PageCache : uint8_t { warm, cold };
std::string_view name_of(PageCache cache);

// One start.
struct Start {
    double listening = 0, first_token = 0;  // seconds from the process's start
    double private_bytes = 0;               // after the first token
    double cached = 0;                      // share of the files that was in the page cache before
    ForeignShare load;                      // from before its start to its end
};

// Whether the page cache was as it should be, but for a little.
bool found(PageCache cache, const Start& start);
// Whether a start counts: by the page cache, and a warm one by the load of all starts of its kind.
bool counts(PageCache cache, const Start& start, const ForeignShare& all);

// "PREFIX/warm" in seconds, and what of it passed until the server listened, and from then on. At least one start.
std::vector<BenchRow> time_rows(const std::string& prefix, PageCache cache, std::span<const Start> starts,
                                const ForeignShare& all);
// "PREFIX/private_memory" in MiB; what others do to the machine does not change it.
BenchRow memory_row(const std::string& prefix, std::span<const Start> starts);

}  // namespace hone::cli
