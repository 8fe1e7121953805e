// Evicted pages on disk, found again by the tokens before and in them. The engine thread owns the index and asks; one
// I/O thread writes and reads, in the order of asking, so nobody waits for the disk. Reuses the place of the page least
// recently used when full. What fails is a page less: a damaged or unreadable one is forgotten, and when writing fails
// (disk full) nothing more is written, with one warning.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <vector>

#include "engine/cache/page_index.h"
#include "engine/cache/path_id.h"
#include "engine/cache/spill_file.h"
#include "engine/engine.h"

namespace hone::engine {

class SpillStore {
  public:
    // Copies of pages that wait for the disk take no more memory than this, and that of two.
    static constexpr size_t kQueueBytes = size_t{64} << 20;
    static constexpr int32_t kMaxReads = 4;  // under way

    // Errors name the folder.
    static Result<std::unique_ptr<SpillStore>> open(const SpillOptions& options, size_t page_bytes);
    ~SpillStore();  // what was asked to be written is written first

    // Copies the page and has it written, unless it is there already; false if it is not, because the queue is full or
    // writing has stopped. `used`: of reserve_uses(), each once; otherwise it was used now.
    bool keep(const PathId& parent, std::span<const int32_t> tokens, std::span<const std::byte> page,
              std::optional<uint64_t> used = {});
    // So many times of use, all after those of the pages that are there, to be handed out by the caller; the latest.
    uint64_t reserve_uses(uint64_t count) { return now_ += count; }
    int32_t capacity() const { return file_.capacity(); }  // pages
    bool can_keep() const { return !stopped_ && writes_ < most_writes_; }
    bool keeps() const { return !stopped_; }
    void count_skipped() { metrics_.skipped_pages++; }

    // A page on disk and how many first tokens of the wanted ones it has.
    struct Match {
        int32_t slot = -1;
        uint64_t serial = 0;
        int32_t common = 0;
    };
    // The page after `parent` that shares most first tokens with `wanted`; common is 0 if there is none.
    Match longest(const PathId& parent, std::span<const int32_t> wanted) const;

    bool can_read() const { return reads_ < kMaxReads; }
    // Has the page read; collect() tells the ticket when it was.
    void read(const Match& match, uint64_t ticket);
    // Tells what was read since: the page and all its tokens, or nothing where that failed. `page` may be used within
    // the call.
    using ReadSink =
        std::function<void(uint64_t ticket, std::span<const int32_t> tokens, std::span<const std::byte> page)>;
    void collect(const ReadSink& sink);
    // Until something asked for is done, or some milliseconds have passed.
    void wait();

    const SpillMetrics& metrics() const { return metrics_; }

  private:
    struct Slot {
        std::optional<SpilledPage> page;
        PageIndex<PathId, int32_t>::Place place;
        uint64_t used = 0;
    };
    struct Job {
        bool writes = false;
        int32_t slot = -1;
        SpilledPage page;
        uint64_t ticket = 0;
        std::vector<std::byte> record{};
        Status status{};
    };

    explicit SpillStore(SpillFile file);
    void load();
    void run();
    void submit(Job job);
    std::vector<std::byte> take_record();
    int32_t take_slot();
    void enter(int32_t slot, SpilledPage page);
    void forget(int32_t slot);
    void use(int32_t slot, uint64_t used);
    void settle(Job& job, const ReadSink& sink);
    Slot& at(int32_t slot) { return slots_[static_cast<size_t>(slot)]; }
    const Slot& at(int32_t slot) const { return slots_[static_cast<size_t>(slot)]; }

    const SpillFile file_;
    const int32_t most_writes_;

    // The engine thread's.
    std::vector<Slot> slots_;
    std::vector<int32_t> free_;
    PageIndex<PathId, int32_t> index_;
    std::set<std::pair<uint64_t, int32_t>> by_use_;
    uint64_t now_ = 0;
    int32_t writes_ = 0, reads_ = 0;  // under way
    bool stopped_ = false;
    std::vector<std::vector<std::byte>> records_;  // to be used again
    SpillMetrics metrics_;

    // Shared.
    std::mutex mutex_;
    std::condition_variable asked_, done_;
    std::deque<Job> jobs_;
    std::vector<Job> finished_;
    bool closing_ = false;
    std::thread thread_;
};

}  // namespace hone::engine
