#include "engine/cache/spill_store.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <ranges>
#include <utility>

#include "base/log.h"
#include "base/progress.h"

namespace hone::engine {

Result<std::unique_ptr<SpillStore>> SpillStore::open(const SpillOptions& options, size_t page_bytes) {
    auto file = SpillFile::open(options.folder, options.bytes, options.identity, page_bytes);
    if (!file) return file.error();
    std::unique_ptr<SpillStore> store(new SpillStore(std::move(*file)));
    store->load();
    store->thread_ = std::thread([raw = store.get()] { raw->run(); });
    LOG_INFO(
        "cache on disk: {} of up to {} pages, {}, in {}", store->metrics_.pages, store->file_.capacity(),
        format_bytes(static_cast<double>(store->file_.capacity()) * static_cast<double>(store->file_.record_bytes())),
        options.folder);
    return store;
}

SpillStore::SpillStore(SpillFile file)
    : file_(std::move(file)),
      most_writes_(static_cast<int32_t>(std::clamp<size_t>(kQueueBytes / file_.record_bytes(), 2, 4096))) {}

SpillStore::~SpillStore() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    asked_.notify_one();
    if (thread_.joinable()) thread_.join();
}

// Enters what an earlier process left, the last written as the last used, and no page as used before those after it:
// without it they could not be found.
void SpillStore::load() {
    auto pages = file_.scan();
    std::vector<int32_t> order;
    slots_.resize(pages.size());
    for (int32_t slot = 0; slot < std::ssize(pages); slot++) {
        (pages[static_cast<size_t>(slot)] ? order : free_).push_back(slot);
    }
    const auto serial = [&](int32_t slot) { return pages[static_cast<size_t>(slot)]->serial; };
    std::ranges::sort(order, {}, serial);
    if (!order.empty()) now_ = serial(order.back());
    std::map<PathId, int32_t> unranked;  // by the path to the page's end
    for (const int32_t slot : order) {
        SpilledPage& page = *pages[static_cast<size_t>(slot)];
        if (index_.longest(page.parent, page.tokens.span()).common == page.tokens.count()) {
            free_.push_back(slot);
            continue;
        }
        unranked.emplace(page_path(page.parent, page.tokens.span()), slot);
        enter(slot, std::move(page));
    }
    std::vector<int32_t> latest_first;
    for (const int32_t slot : std::views::reverse(order)) {
        if (!at(slot).page) continue;
        const auto lineage = std::ssize(latest_first);
        auto next = unranked.find(page_path(at(slot).page->parent, at(slot).page->tokens.span()));
        for (; next != unranked.end(); next = unranked.find(at(latest_first.back()).page->parent)) {
            latest_first.push_back(next->second);
            unranked.erase(next);
        }
        std::reverse(latest_first.begin() + lineage, latest_first.end());
    }
    for (const int32_t slot : std::views::reverse(latest_first)) use(slot, ++now_);
}

bool SpillStore::keep(const PathId& parent, std::span<const int32_t> tokens, std::span<const std::byte> page,
                      std::optional<uint64_t> used) {
    CHECK_EQ(page.size(), file_.page_bytes());
    const auto known = index_.longest(parent, tokens);
    if (known.common == std::ssize(tokens)) {
        use(known.place->second, used ? *used : ++now_);
        return true;
    }
    if (!can_keep()) return false;
    if (known.common > 0 && known.common == known.place->first.tokens.count()) forget(known.place->second);
    const int32_t slot = take_slot();
    const SpilledPage kept{used ? *used : ++now_, parent, PageTokens(tokens)};
    enter(slot, kept);
    Job job{.writes = true, .slot = slot, .page = kept, .record = take_record()};
    std::memcpy(job.record.data() + kSpillPageOffset, page.data(), page.size());
    writes_++;
    submit(std::move(job));
    return true;
}

SpillStore::Match SpillStore::longest(const PathId& parent, std::span<const int32_t> wanted) const {
    const auto match = index_.longest(parent, wanted);
    if (match.common == 0) return {};
    const int32_t slot = match.place->second;
    return {slot, at(slot).page->serial, match.common};
}

void SpillStore::read(const Match& match, uint64_t ticket) {
    const Slot& slot = at(match.slot);
    CHECK(slot.page && slot.page->serial == match.serial, "slot {}", match.slot);
    reads_++;
    submit({.slot = match.slot, .page = *slot.page, .ticket = ticket, .record = take_record()});
    use(match.slot, ++now_);
}

void SpillStore::submit(Job job) {
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    asked_.notify_one();
}

void SpillStore::collect(const ReadSink& sink) {
    std::vector<Job> finished;
    {
        const std::lock_guard lock(mutex_);
        finished.swap(finished_);
    }
    for (Job& job : finished) {
        settle(job, sink);
        records_.push_back(std::move(job.record));
    }
}

void SpillStore::settle(Job& job, const ReadSink& sink) {
    (job.writes ? writes_ : reads_)--;
    if (!job.status) {
        metrics_.failures++;
        const Slot& slot = at(job.slot);
        if (slot.page && slot.page->serial == job.page.serial) forget(job.slot);
        if (!job.writes) {
            LOG_WARN("{}; what it held is computed again", job.status.error().message);
            return sink(job.ticket, {}, {});
        }
        if (!std::exchange(stopped_, true)) {
            LOG_WARN("{}; no more pages are kept on disk until the next start", job.status.error().message);
        }
        return;
    }
    const size_t bytes = file_.record_bytes();
    if (job.writes) {
        metrics_.written_pages++;
        metrics_.written_bytes += bytes;
        return;
    }
    metrics_.read_pages++;
    metrics_.read_bytes += bytes;
    sink(job.ticket, job.page.tokens.span(), std::span(job.record).subspan(kSpillPageOffset, file_.page_bytes()));
}

void SpillStore::wait() {
    std::unique_lock lock(mutex_);
    done_.wait_for(lock, std::chrono::milliseconds(5), [&] { return !finished_.empty(); });
}

std::vector<std::byte> SpillStore::take_record() {
    if (records_.empty()) return std::vector<std::byte>(file_.record_bytes());
    auto record = std::move(records_.back());
    records_.pop_back();
    return record;
}

// A free slot, a new one, or that of the page least recently used.
int32_t SpillStore::take_slot() {
    if (free_.empty() && std::ssize(slots_) < file_.capacity()) {
        slots_.emplace_back();
        return static_cast<int32_t>(slots_.size()) - 1;
    }
    if (free_.empty()) forget(by_use_.begin()->second);
    const int32_t slot = free_.back();
    free_.pop_back();
    return slot;
}

void SpillStore::enter(int32_t slot, SpilledPage page) {
    Slot& entered = at(slot);
    entered.place = index_.add(page.parent, page.tokens.span(), slot);
    entered.used = page.serial;
    entered.page = std::move(page);
    by_use_.emplace(entered.used, slot);
    metrics_.pages = index_.size();
}

void SpillStore::forget(int32_t slot) {
    Slot& forgotten = at(slot);
    by_use_.erase({forgotten.used, slot});
    index_.remove(forgotten.place);
    forgotten.page.reset();
    free_.push_back(slot);
    metrics_.pages = index_.size();
}

void SpillStore::use(int32_t slot, uint64_t used) {
    by_use_.erase({at(slot).used, slot});
    at(slot).used = used;
    by_use_.emplace(used, slot);
}

void SpillStore::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        asked_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job.status = job.writes ? file_.write(job.slot, job.page, job.record)
                                : file_.read(job.slot, job.page.serial, job.record);
        lock.lock();
        finished_.push_back(std::move(job));
        done_.notify_one();
    }
}

}  // namespace hone::engine
