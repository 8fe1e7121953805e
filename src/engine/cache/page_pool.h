// Cache pages: memory for kPageTokens tokens of one sequence over all layers, handed out by number and never
// interpreted here: who owns the pool says how rows are copied. The system commits their memory a gigabyte ahead of use.
// A page is free, in use (references > 0), or kept only because the prefix tree caches it. Owned by the engine thread;
// taking from an empty pool returns nothing, misuse (releasing a free page) aborts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/huge_pages.h"
#include "base/populate_ahead.h"
#include "base/result.h"

namespace hone::engine {

constexpr int32_t kPageTokens = 64;  // the same as math::kPageTokens (executor.cpp asserts it)

// Pages that hold `tokens` tokens.
constexpr int32_t pages_for(int32_t tokens) {
    return static_cast<int32_t>((int64_t{tokens} + kPageTokens - 1) / kPageTokens);
}

// Copies the rows of a page's first `rows` tokens into another page.
using RowCopier = std::function<void(const std::byte* from, std::byte* to, int32_t rows)>;

class PagePool {
  public:
    // Reserves pages * page_bytes. page_bytes is a multiple of 64.
    static Result<PagePool> create(size_t page_bytes, int32_t pages);

    // A zeroed page with one reference; nothing when no page is free.
    std::optional<int32_t> take();
    void retain(int32_t page);
    // The last reference gone, the page is free, or stays as it is while it is cached.
    void release(int32_t page);
    // Whether the page outlives its references. Uncaching an unreferenced page frees it.
    void set_cached(int32_t page, bool cached);
    // How rows lie in a page; unless told, copy_rows copies all of it.
    void set_row_copier(RowCopier copier) { copier_ = std::move(copier); }
    // The rows of the first `rows` tokens; what lies behind them in `to` stays as it is.
    void copy_rows(int32_t from, int32_t to, int32_t rows);

    int32_t references(int32_t page) const { return state(page).references; }
    std::span<std::byte> bytes(int32_t page) const;
    std::byte* data() const { return memory_.data(); }  // page p begins at data() + p * page_bytes()
    size_t page_bytes() const { return page_bytes_; }

    int32_t total() const { return static_cast<int32_t>(states_.size()); }
    int32_t free() const { return static_cast<int32_t>(free_.size()); }
    int32_t cached_only() const { return cached_only_; }
    int32_t in_use() const { return total() - free() - cached_only(); }

  private:
    struct State {
        int32_t references = 0;
        bool cached = false;
        bool written = false;  // was handed out before: no longer zero
    };
    PagePool() = default;
    State& state(int32_t page);
    const State& state(int32_t page) const;

    HugeMemory memory_;
    std::unique_ptr<PopulateAhead> populate_;
    RowCopier copier_;
    size_t page_bytes_ = 0;
    std::vector<State> states_;
    std::vector<int32_t> free_;
    int32_t cached_only_ = 0;
};

}  // namespace hone::engine
