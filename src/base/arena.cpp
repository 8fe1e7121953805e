#include "base/arena.h"

#include <algorithm>
#include <new>
#include <string_view>

#include <sys/resource.h>

#include "base/check.h"
#include "base/log.h"
#include "base/topology.h"

namespace hone {
namespace {

constexpr size_t kGrowth = size_t{4} << 20;

// More than the machine has is never in use; where addresses are rationed (ulimit -v), other memory needs most of them.
size_t largest_range() {
    const size_t physical = physical_memory_bytes();
    rlimit addresses{};
    if (getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur == RLIM_INFINITY) addresses.rlim_cur = SIZE_MAX;
    return std::min(physical ? physical : size_t{64} << 30, addresses.rlim_cur / 16);
}

[[noreturn]] void fail(size_t bytes, std::string_view why) {
    LOG_ERROR("workspace: cannot take {} more bytes: {}", bytes, why);
    throw std::bad_alloc();
}

}  // namespace

std::byte* Arena::take_bytes(size_t bytes) {
    const size_t padded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    CHECK(padded >= bytes, "size overflow: {} bytes", bytes);
    if (padded > kept_ - used_) grow(padded);
    std::byte* at = range_.data() + used_;
    used_ += padded;
    return at;
}

void Arena::grow(size_t bytes) {
    if (range_.size() == 0) {
        auto range = HugeMemory::set_aside(std::min(most_, largest_range()));
        if (!range) fail(bytes, range.error().message);
        range_ = std::move(*range);
    }
    if (bytes > range_.size() - used_) fail(bytes, fmt::format("{} of {} are in use", used_, range_.size()));
    const size_t wanted = (used_ + bytes + kGrowth - 1) / kGrowth * kGrowth;
    const size_t kept = std::min(wanted, range_.size());
    if (const Status usable = range_.make_usable(kept_, kept - kept_); !usable.ok())
        fail(bytes, usable.error().message);
    kept_ = kept;
}

}  // namespace hone
