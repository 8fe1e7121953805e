#include "engine/page_fetcher.h"

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"

namespace hone::engine {

constexpr double kKeepingSeconds = 5;  // at the end

PageFetcher::PageFetcher(ScheduleState& state, SpillStore& store) : state_(state), store_(store) {
    state_.tree.set_eviction_sink([this](PrefixTree::Node node) { keep(node); });
}

PageFetcher::~PageFetcher() {
    state_.tree.set_eviction_sink(nullptr);
    const double deadline = monotonic_seconds() + kKeepingSeconds;
    const auto nodes = state_.tree.by_use();
    const size_t room = std::min(nodes.size(), static_cast<size_t>(store_.capacity()));
    const uint64_t last_use = store_.reserve_uses(room);
    size_t kept = 0;
    for (; kept < room; kept++) {
        while (store_.keeps() && !store_.can_keep() && monotonic_seconds() < deadline) {
            store_.wait();
            store_.collect([](auto&&...) {});
        }
        if (!store_.can_keep()) break;
        keep(nodes[kept], last_use - kept);
    }
    if (kept < nodes.size()) LOG_INFO("{} cached pages were not kept on disk", nodes.size() - kept);
}

void PageFetcher::keep(PrefixTree::Node node, std::optional<uint64_t> used) {
    const PrefixTree& tree = state_.tree;
    if (!store_.keep(tree.path(tree.parent(node)), tree.tokens(node), state_.pool.bytes(tree.page(node)), used)) {
        store_.count_skipped();
    }
}

// The pages on disk that follow the sequence's tail.
std::vector<PageFetcher::Item> PageFetcher::plan(const SequenceState& sequence, int32_t reusable) const {
    std::vector<Item> items;
    PathId parent = state_.tree.path(sequence.tail);
    for (int32_t page = sequence.published;; page++) {
        const auto wanted = page_tokens(sequence, page, reusable);
        const auto match = store_.longest(parent, wanted);
        if (match.common == 0) break;
        items.push_back({parent, PageTokens(wanted.first(static_cast<size_t>(match.common)))});
        if (match.common < kPageTokens) break;
        parent = page_path(parent, wanted);
    }
    return items;
}

// Whether a sequence fetches pages that this one could take over.
bool PageFetcher::awaits_other(const SequenceState& sequence, const PathId& tail, int32_t reusable) const {
    const auto wanted = page_tokens(sequence, sequence.published, reusable);
    return !wanted.empty() && std::ranges::any_of(fetches_, [&](const auto& entry) {
        const Item& next = entry.second.items[entry.second.done];
        return next.parent == tail && next.tokens.common(PageTokens(wanted)) >= kWorthWaiting;
    });
}

bool PageFetcher::fetches(const SequenceState& sequence, int32_t reusable) {
    const PathId tail = state_.tree.path(sequence.tail);
    if (const auto own = fetches_.find(sequence.id); own != fetches_.end()) {
        if (own->second.items[own->second.done].parent == tail) return true;
        fetches_.erase(own);  // it got further otherwise, or begins anew
    }
    if (sequence.fetched_in_vain) return false;
    if (awaits_other(sequence, tail, reusable)) return true;
    auto items = plan(sequence, reusable);
    int32_t tokens = sequence.published * kPageTokens - sequence.computed;
    for (const Item& item : items) tokens += item.tokens.count();
    if (tokens < kWorthWaiting) return false;
    fetches_[sequence.id] = {.number = ++last_number_, .items = std::move(items)};
    ask();
    return true;
}

void PageFetcher::advance() {
    store_.collect([this](uint64_t ticket, std::span<const int32_t> tokens, std::span<const std::byte> page) {
        take(ticket, tokens, page);
    });
    std::erase_if(fetches_, [this](const auto& entry) {
        const auto& [id, fetch] = entry;
        return fetch.done == fetch.items.size() || !state_.running.contains(id);
    });
    ask();
}

// The first come are served first; what a fetch asks for comes back in order.
void PageFetcher::ask() {
    for (auto& [id, fetch] : fetches_) {
        while (fetch.asked < fetch.items.size() && store_.can_read()) {
            const Item& item = fetch.items[fetch.asked];
            const auto match = store_.longest(item.parent, item.tokens.span());
            if (match.common < item.tokens.count()) {  // its place was needed since
                fetch.items.resize(std::max(fetch.asked, fetch.done), item);
                break;
            }
            store_.read(match, fetch.number);
            fetch.asked++;
        }
    }
    std::erase_if(fetches_, [](const auto& entry) { return entry.second.done == entry.second.items.size(); });
}

void PageFetcher::take(uint64_t ticket, std::span<const int32_t> tokens, std::span<const std::byte> page) {
    const auto found = std::ranges::find_if(fetches_, [&](const auto& entry) { return entry.second.number == ticket; });
    if (found == fetches_.end()) return;  // nobody waits for it any more
    const auto running = state_.running.find(found->first);
    Fetch& fetch = found->second;
    const bool wanted = running != state_.running.end() && !running->second.resting() && !running->second.decoding &&
                        state_.tree.path(running->second.tail) == fetch.items[fetch.done].parent;
    if (!wanted || page.empty()) {
        fetches_.erase(found);
        return;
    }
    fetch.done++;
    if (adopt_fetched(state_, running->second, tokens, page)) return;
    running->second.fetched_in_vain = true;
    fetches_.erase(found);
}

}  // namespace hone::engine
