#include "engine/schedule/state.h"

#include <algorithm>

#include "base/check.h"

namespace hone::engine {

static std::span<const int32_t> page_tokens(const SequenceState& sequence, int32_t page) {
    return std::span(sequence.tokens).subspan(static_cast<size_t>(page) * kPageTokens, kPageTokens);
}

// Tokens that may come from the cache.
static int32_t reusable_tokens(const SequenceState& sequence) {
    const int32_t limit = sequence.length() - 1;
    return sequence.every_row ? std::min(limit, sequence.computed_ever) : limit;
}

// Nodes of the tree that follow the sequence's tail, as far as they may be used.
static std::vector<PrefixTree::Node> cached_path(const ScheduleState& state, const SequenceState& sequence) {
    std::vector<PrefixTree::Node> path;
    if (!state.limits.prefix_cache) return path;
    const int32_t most = reusable_tokens(sequence) / kPageTokens;
    PrefixTree::Node node = sequence.tail;
    for (int32_t page = sequence.published; page < most; page++) {
        node = state.tree.find(node, page_tokens(sequence, page));
        if (node == PrefixTree::kNone) break;
        path.push_back(node);
    }
    return path;
}

static int32_t take_page(ScheduleState& state) {
    auto page = state.pool.take();
    if (!page) {
        CHECK(state.tree.evict(), "no page to evict: {} spare, {} reserved", state.spare_pages(), state.reserved);
        page = state.pool.take();
    }
    return *page;
}

static void return_reservation(ScheduleState& state, SequenceState& sequence, int32_t pages) {
    sequence.reserved -= pages;
    state.reserved -= pages;
    CHECK(sequence.reserved >= 0 && state.reserved >= 0, "sequence {}", sequence.id.value);
}

static void release_pages(ScheduleState& state, SequenceState& sequence) {
    if (sequence.published > 0) state.tree.touch(sequence.tail);
    for (const int32_t page : sequence.pages) state.pool.release(page);
    sequence.pages.clear();
    return_reservation(state, sequence, sequence.reserved);
    sequence.tail = PrefixTree::kRoot;
    sequence.published = 0;
}

bool can_ever_fit(const ScheduleState& state, int32_t tokens) {
    return pages_for(tokens) <= state.pool.total();
}

void enqueue(ScheduleState& state, SequenceState sequence) {
    CHECK(!sequence.tokens.empty(), "sequence {}", sequence.id.value);
    CHECK(can_ever_fit(state, sequence.length()), "sequence {} of {}", sequence.id.value, sequence.length());
    const SequenceId id = sequence.id;
    CHECK(!state.running.contains(id), "sequence {}", id.value);
    CHECK(state.waiting.emplace(id, std::move(sequence)).second, "sequence {}", id.value);
}

void admit(ScheduleState& state) {
    while (!state.waiting.empty() && std::ssize(state.running) < state.limits.max_batch) {
        SequenceState& first = state.waiting.begin()->second;
        const auto path = cached_path(state, first);
        const auto idle = std::ranges::count_if(
            path, [&](PrefixTree::Node node) { return state.pool.references(state.tree.page(node)) == 0; });
        const auto fresh = pages_for(first.length()) - std::ssize(path);
        if (fresh + idle + std::ssize(state.running) > state.spare_pages()) return;
        first.reserved = pages_for(first.length());
        state.reserved += first.reserved;
        adopt_cached(state, first);
        state.running.insert(state.waiting.extract(state.waiting.begin()));
    }
}

void adopt_cached(ScheduleState& state, SequenceState& sequence) {
    CHECK(!sequence.resting(), "sequence {}", sequence.id.value);
    for (const PrefixTree::Node node : cached_path(state, sequence)) {
        const int32_t page = state.tree.page(node);
        state.pool.retain(page);
        const auto at = static_cast<size_t>(sequence.published);
        if (at < sequence.pages.size()) {  // in place of the page that was begun
            state.pool.release(sequence.pages[at]);
            sequence.pages[at] = page;
        } else {
            sequence.pages.push_back(page);
            return_reservation(state, sequence, 1);
        }
        sequence.tail = node;
        sequence.published++;
    }
    const int32_t adopted = sequence.published * kPageTokens;
    if (adopted <= sequence.computed) return;
    sequence.cached += std::max(0, adopted - std::max(sequence.computed, sequence.computed_ever));
    sequence.computed = sequence.issued = adopted;
    sequence.computed_ever = std::max(sequence.computed_ever, adopted);
    state.tree.touch(sequence.tail);
}

bool awaits_shared_page(const ScheduleState& state, const SequenceState& sequence) {
    const int32_t page = sequence.published, end = (page + 1) * kPageTokens;
    if (!state.limits.prefix_cache || end > reusable_tokens(sequence)) return false;
    for (const auto& [id, other] : state.running) {
        if (id >= sequence.id) return false;
        if (other.resting() && other.tail == sequence.tail && other.issued >= end &&
            std::ranges::equal(page_tokens(other, page), page_tokens(sequence, page))) {
            return true;
        }
    }
    return false;
}

void issue_rows(ScheduleState& state, Plan& plan, SequenceState& sequence, int32_t count, int32_t end_layer) {
    CHECK(!sequence.resting() && sequence.frontier == 0, "sequence {}", sequence.id.value);
    CHECK(count > 0 && sequence.computed + count <= sequence.length(), "{} rows of {}", count, sequence.length());
    CHECK(end_layer > 0 && end_layer <= state.limits.layers, "layer {} of {}", end_layer, state.limits.layers);
    sequence.issued = sequence.computed + count;
    while (std::ssize(sequence.pages) < pages_for(sequence.issued)) {
        if (sequence.reserved > 0)
            return_reservation(state, sequence, 1);
        else
            CHECK_GT(state.spare_pages(), 0);
        sequence.pages.push_back(take_page(state));
    }
    plan.segments.push_back({sequence.id, sequence.computed, sequence.issued, 0, end_layer});
}

void advance_rows(Plan& plan, SequenceState& sequence, int32_t end_layer) {
    CHECK(sequence.resting() && end_layer > sequence.frontier, "sequence {}", sequence.id.value);
    plan.segments.push_back({sequence.id, sequence.computed, sequence.issued, sequence.frontier, end_layer});
}

void preempt(ScheduleState& state, Plan& plan, SequenceId id) {
    auto node = state.running.extract(id);
    CHECK(!node.empty(), "sequence {} does not run", id.value);
    SequenceState& sequence = node.mapped();
    release_pages(state, sequence);
    sequence.computed = sequence.issued = sequence.frontier = 0;
    sequence.decoding = false;
    state.waiting.insert(std::move(node));
    state.preemptions++;
    plan.preempted.push_back(id);
}

// Gives the tree the pages that are whole now. Where another sequence published the same tokens first, its page
// replaces ours.
static void publish_pages(ScheduleState& state, SequenceState& sequence) {
    while (state.limits.prefix_cache && (sequence.published + 1) * kPageTokens <= sequence.computed) {
        int32_t& page = sequence.pages[static_cast<size_t>(sequence.published)];
        sequence.tail = state.tree.publish(sequence.tail, page_tokens(sequence, sequence.published), page);
        if (const int32_t shared = state.tree.page(sequence.tail); shared != page) {
            state.pool.retain(shared);
            state.pool.release(page);
            page = shared;
        }
        sequence.published++;
    }
}

void commit(ScheduleState& state, const Plan& plan) {
    for (const Segment& segment : plan.segments) {
        const auto found = state.running.find(segment.sequence);
        CHECK(found != state.running.end(), "sequence {} does not run", segment.sequence.value);
        SequenceState& sequence = found->second;
        CHECK(segment.first_token == sequence.computed && segment.end_token == sequence.issued &&
                  segment.first_layer == sequence.frontier,
              "sequence {}", sequence.id.value);
        sequence.frontier = segment.end_layer;
        if (segment.end_layer < state.limits.layers) continue;
        sequence.frontier = 0;
        sequence.computed = sequence.issued;
        sequence.computed_ever = std::max(sequence.computed_ever, sequence.computed);
        publish_pages(state, sequence);
    }
}

void append_token(ScheduleState& state, SequenceId id, int32_t token) {
    const auto found = state.running.find(id);
    CHECK(found != state.running.end(), "sequence {} does not run", id.value);
    SequenceState& sequence = found->second;
    CHECK_EQ(sequence.computed, sequence.length());
    sequence.tokens.push_back(token);
    sequence.decoding = true;
}

void remove_sequence(ScheduleState& state, SequenceId id) {
    if (state.waiting.erase(id) > 0) return;
    const auto found = state.running.find(id);
    CHECK(found != state.running.end(), "no sequence {}", id.value);
    release_pages(state, found->second);
    state.running.erase(found);
}

}  // namespace hone::engine
