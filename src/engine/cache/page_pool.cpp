#include "engine/cache/page_pool.h"

#include <algorithm>
#include <cstring>

#include "base/progress.h"

namespace hone::engine {

constexpr size_t kPopulateAheadPages = 32;  // 2048 tokens: more than a prompt computes in a second or two

Result<PagePool> PagePool::create(size_t page_bytes, int32_t pages) {
    CHECK_GT(page_bytes, size_t{0});
    CHECK_EQ(page_bytes % 64, size_t{0});
    CHECK_GT(pages, 0);
    auto memory = HugeMemory::allocate(page_bytes * static_cast<size_t>(pages));
    if (!memory) {
        return error("cache of {} pages of {}: {}", pages, format_bytes(static_cast<double>(page_bytes)),
                     memory.error().message);
    }
    PagePool pool;
    pool.memory_ = std::move(*memory);
    pool.populate_ = std::make_unique<PopulateAhead>(pool.memory_.bytes(), kPopulateAheadPages * page_bytes);
    pool.page_bytes_ = page_bytes;
    pool.states_.resize(static_cast<size_t>(pages));
    for (int32_t page = pages - 1; page >= 0; page--) pool.free_.push_back(page);
    return pool;
}

std::optional<int32_t> PagePool::take() {
    if (free_.empty()) return std::nullopt;
    const int32_t page = free_.back();
    free_.pop_back();
    State& taken = state(page);
    // Masked keys count as exactly zero only if what lies there is a number, so nothing of the last owner may remain.
    if (taken.written) std::memset(bytes(page).data(), 0, page_bytes_);
    // New pages are handed out in ascending order.
    if (!taken.written) populate_->mark(static_cast<size_t>(page + 1) * page_bytes_);
    taken.written = true;
    taken.references = 1;
    return page;
}

void PagePool::retain(int32_t page) {
    State& kept = state(page);
    CHECK(kept.references > 0 || kept.cached, "page {} is free", page);
    if (kept.references++ == 0) cached_only_--;
}

void PagePool::release(int32_t page) {
    State& released = state(page);
    CHECK_GT(released.references, 0);
    if (--released.references > 0) return;
    if (released.cached)
        cached_only_++;
    else
        free_.push_back(page);
}

void PagePool::set_cached(int32_t page, bool cached) {
    State& changed = state(page);
    CHECK(changed.cached != cached, "page {} is already so", page);
    CHECK(!cached || changed.references > 0, "page {} is free", page);
    changed.cached = cached;
    if (cached || changed.references > 0) return;
    cached_only_--;
    free_.push_back(page);
}

void PagePool::copy_rows(int32_t from, int32_t to, int32_t rows) {
    CHECK(from != to, "page {}", from);
    CHECK_GT(state(to).references, 0);
    if (copier_)
        copier_(bytes(from).data(), bytes(to).data(), rows);
    else
        std::memcpy(bytes(to).data(), bytes(from).data(), bytes(from).size());
}

std::span<std::byte> PagePool::bytes(int32_t page) const {
    CHECK(page >= 0 && page < total(), "page {} of {}", page, total());
    return {data() + static_cast<size_t>(page) * page_bytes_, page_bytes_};
}

PagePool::State& PagePool::state(int32_t page) {
    CHECK(page >= 0 && page < total(), "page {} of {}", page, total());
    return states_[static_cast<size_t>(page)];
}

const PagePool::State& PagePool::state(int32_t page) const {
    return const_cast<PagePool*>(this)->state(page);
}

}  // namespace hone::engine
