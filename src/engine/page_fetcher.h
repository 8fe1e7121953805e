// Between the schedule, the prefix tree and the pages on disk: what the tree evicts is kept there, and a prompt whose
// next pages are there waits while they are read, a few at a time beside running steps. Lives on the engine thread;
// never blocks it but for copying pages. A page that cannot be had is computed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "engine/cache/spill_store.h"
#include "engine/schedule/state.h"

namespace hone::engine {

class PageFetcher : public PageSource {
  public:
    // All of them outlive it. The tree's evictions go to the store from here on.
    PageFetcher(ScheduleState& state, SpillStore& store);
    // Keeps what the tree still caches, the most recently used first, as far as the disk has room and takes it in some
    // seconds.
    ~PageFetcher() override;

    bool fetches(const SequenceState& sequence, int32_t reusable) override;
    // Before a plan: hands over what was read and asks for more.
    void advance();
    // Whether a sequence waits.
    bool busy() const { return !fetches_.empty(); }
    // Until something was read, or some milliseconds have passed.
    void wait() { store_.wait(); }

  private:
    // A page to be read: what it follows and which tokens it should have.
    struct Item {
        PathId parent;
        PageTokens tokens;
    };
    // The pages that a sequence waits for, in order.
    struct Fetch {
        uint64_t number = 0;
        std::vector<Item> items;
        size_t asked = 0, done = 0;
    };
    std::vector<Item> plan(const SequenceState& sequence, int32_t reusable) const;
    bool awaits_other(const SequenceState& sequence, const PathId& tail, int32_t reusable) const;
    void ask();
    void take(uint64_t ticket, std::span<const int32_t> tokens, std::span<const std::byte> page);
    void keep(PrefixTree::Node node, std::optional<uint64_t> used = {});

    ScheduleState& state_;
    SpillStore& store_;
    std::map<SequenceId, Fetch> fetches_;
    uint64_t last_number_ = 0;
};

}  // namespace hone::engine
