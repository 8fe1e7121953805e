#include "engine/schedule/state.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"

namespace hone::engine {

std::span<const int32_t> page_tokens(const SequenceState& sequence, int32_t page, int32_t end) {
    const int32_t first = page * kPageTokens, count = std::min(kPageTokens, end - first);
    return std::span(sequence.tokens).subspan(static_cast<size_t>(first), static_cast<size_t>(std::max(0, count)));
}

// Tokens that both sequences have alike from `first` on, before `end`.
static int32_t common_tokens(const SequenceState& a, const SequenceState& b, int32_t first, int32_t end) {
    int32_t token = first;
    while (token < end && a.tokens[static_cast<size_t>(token)] == b.tokens[static_cast<size_t>(token)]) token++;
    return token - first;
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
    const int32_t limit = reusable_tokens(sequence);
    PrefixTree::Node node = sequence.tail;
    for (int32_t page = sequence.published; (page + 1) * kPageTokens <= limit; page++) {
        const auto match = state.tree.longest(node, page_tokens(sequence, page, limit));
        if (match.common < kPageTokens) break;
        node = match.node;
        path.push_back(node);
    }
    return path;
}

// Tokens of whole pages that a sequence without pages may take over.
static int32_t cached_prefix(const ScheduleState& state, const SequenceState& sequence) {
    return static_cast<int32_t>(std::ssize(cached_path(state, sequence))) * kPageTokens;
}

// A page whose first rows are those of the sequence's page after its tail.
struct RowSource {
    int32_t page = -1;
    int32_t rows = 0;
};

static RowSource best_source(const ScheduleState& state, const SequenceState& sequence) {
    const int32_t first = sequence.published * kPageTokens, limit = reusable_tokens(sequence);
    const auto match = state.tree.longest(sequence.tail, page_tokens(sequence, sequence.published, limit));
    RowSource best;
    if (match.common > 0) best = {state.tree.page(match.node), match.common};
    for (const auto& [id, other] : state.running) {
        if (id == sequence.id || other.tail != sequence.tail || other.computed - first <= best.rows) continue;
        const int32_t common = common_tokens(sequence, other, first, std::min(limit, other.computed));
        if (common > best.rows) best = {other.pages[static_cast<size_t>(sequence.published)], common};
    }
    return best;
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

// Leaves what the sequence has computed to the cache, its partly filled last page too.
static void release_pages(ScheduleState& state, SequenceState& sequence) {
    const auto rest = page_tokens(sequence, sequence.published, sequence.computed);
    PrefixTree::Node last = sequence.tail;
    if (state.limits.prefix_cache && !rest.empty()) {
        last = state.tree.publish(last, rest, sequence.pages[static_cast<size_t>(sequence.published)]);
    }
    state.tree.touch(last);
    for (const int32_t page : sequence.pages) state.pool.release(page);
    sequence.pages.clear();
    return_reservation(state, sequence, sequence.reserved);
    sequence.tail = sequence.root;
    sequence.published = 0;
}

bool can_ever_fit(const ScheduleState& state, int32_t tokens) {
    return pages_for(tokens) <= state.pool.total();
}

// Forgets the accounts that would begin anew anyway.
static void leave_tenant(ScheduleState& state, uint32_t tenant) {
    state.tenants.at(tenant).live--;
    std::erase_if(state.tenants, [&](const auto& entry) {
        return entry.second.live == 0 && entry.second.served <= state.served_from;
    });
    if (std::ranges::all_of(state.tenants, [](const auto& entry) { return entry.second.live == 0; })) {
        state.tenants.clear();
    }
}

void enqueue(ScheduleState& state, SequenceState sequence) {
    CHECK(!sequence.tokens.empty(), "sequence {}", sequence.id.value);
    CHECK(can_ever_fit(state, sequence.length()), "sequence {} of {}", sequence.id.value, sequence.length());
    const SequenceId id = sequence.id;
    sequence.tail = sequence.root;
    CHECK(!state.running.contains(id), "sequence {}", id.value);
    TenantShare& tenant = state.tenants[sequence.tenant];
    tenant.live++;
    tenant.served = std::max(tenant.served, state.served_from);
    sequence.known_prefix = cached_prefix(state, sequence);
    CHECK(state.waiting.emplace(id, std::move(sequence)).second, "sequence {}", id.value);
}

int64_t due_ns(const SequenceState& sequence) {
    constexpr int64_t kMostPriority = 100'000'000;  // more would overflow
    const int64_t priority = std::clamp<int64_t>(sequence.priority, -kMostPriority, kMostPriority);
    return sequence.arrival_ns + priority * kPriorityNanoseconds;
}

Turn by_arrival(const ScheduleState& state, const SequenceState& sequence) {
    Turn turn{.due_ns = due_ns(sequence), .id = sequence.id};
    if (state.tenants.size() > 1) {
        turn.share = state.tenants.at(sequence.tenant).served / (int64_t{state.limits.layers} * kShareTokens);
    }
    return turn;
}

bool admit(ScheduleState& state, SequenceOrder order) {
    const auto is_paused = [](const auto& entry) { return entry.second.paused; };
    while (!std::ranges::all_of(state.waiting, is_paused)) {
        if (std::ssize(state.running) >= state.limits.max_batch) return false;
        auto next = state.waiting.end();
        Turn earliest;
        for (auto other = state.waiting.begin(); other != state.waiting.end(); ++other) {
            if (other->second.paused) continue;
            const Turn turn = order(state, other->second);
            if (next == state.waiting.end() || turn < earliest) next = other, earliest = turn;
        }
        SequenceState& first = next->second;
        const auto path = cached_path(state, first);
        const auto idle = std::ranges::count_if(
            path, [&](PrefixTree::Node node) { return state.pool.references(state.tree.page(node)) == 0; });
        const auto fresh = pages_for(first.length()) - std::ssize(path);
        if (fresh + idle + std::ssize(state.running) > state.spare_pages()) return false;
        first.reserved = pages_for(first.length());
        state.reserved += first.reserved;
        adopt_cached(state, first);
        state.running.insert(state.waiting.extract(next));
    }
    return true;
}

static void share_pages(ScheduleState& state, SequenceState& sequence) {
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
}

// Copies rows of the page after the tail, if there are more of them than the sequence has; how many it has then.
static int32_t copy_rows(ScheduleState& state, SequenceState& sequence) {
    const auto at = static_cast<size_t>(sequence.published);
    const int32_t own = std::max(0, sequence.computed - sequence.published * kPageTokens);
    const RowSource source = best_source(state, sequence);
    if (source.rows <= own) return own;
    state.pool.retain(source.page);  // so that it is not evicted to make room for its copy
    const bool fits = at < sequence.pages.size() || state.pool.free() + state.pool.cached_only() > 0;
    if (fits) {
        if (at == sequence.pages.size()) {
            sequence.pages.push_back(take_page(state));
            return_reservation(state, sequence, 1);
        }
        state.pool.copy_rows(source.page, sequence.pages[at], source.rows);
    }
    state.pool.release(source.page);
    return fits ? source.rows : own;
}

void adopt_cached(ScheduleState& state, SequenceState& sequence) {
    CHECK(!sequence.resting(), "sequence {}", sequence.id.value);
    if (!state.limits.prefix_cache) return;
    share_pages(state, sequence);
    const int32_t adopted = sequence.published * kPageTokens + copy_rows(state, sequence);
    if (adopted <= sequence.computed) return;
    sequence.cached += std::max(0, adopted - std::max(sequence.computed, sequence.computed_ever));
    sequence.computed = sequence.issued = adopted;
    sequence.computed_ever = std::max(sequence.computed_ever, adopted);
    state.tree.touch(sequence.tail);
}

bool adopt_fetched(ScheduleState& state, SequenceState& sequence, std::span<const int32_t> tokens,
                   std::span<const std::byte> bytes) {
    if (state.pool.free() + state.pool.cached_only() == 0) return false;
    const int32_t computed = sequence.computed, page = take_page(state);
    std::memcpy(state.pool.bytes(page).data(), bytes.data(), bytes.size());
    state.tree.publish(sequence.tail, tokens, page);
    state.pool.release(page);
    adopt_cached(state, sequence);
    return sequence.computed > computed;
}

// By estimate: whether the rows that rest of `other` are through before `rows` rows of `sequence` could be.
static bool is_through_sooner(const ScheduleState& state, const SequenceState& other, const SequenceState& sequence,
                              int32_t rows) {
    LayerWork left{.first_layer = other.frontier, .end_layer = state.limits.layers};
    left.add({.sequence = other.id, .first_token = other.computed, .end_token = other.issued});
    LayerWork again{.first_layer = 0, .end_layer = state.limits.layers};
    again.add({.sequence = sequence.id, .first_token = sequence.computed, .end_token = sequence.computed + rows});
    return state.costs.of(state.shape, left) <= state.costs.of(state.shape, again);
}

SequenceState* awaited_sequence(ScheduleState& state, const SequenceState& sequence, SequenceOrder order) {
    if (!state.limits.prefix_cache) return nullptr;
    const int32_t first = sequence.published * kPageTokens, limit = reusable_tokens(sequence);
    for (auto& [id, other] : state.running) {
        if (!other.resting() || other.tail != sequence.tail) continue;
        const int32_t end = std::min(other.issued, limit);
        if (end - sequence.computed < kWorthWaiting) continue;
        const int32_t rows = first + common_tokens(sequence, other, first, end) - sequence.computed;
        if (rows < kWorthWaiting) continue;
        if (order(state, other) < order(state, sequence) || is_through_sooner(state, other, sequence, rows))
            return &other;
    }
    return nullptr;
}

bool awaits_shared_page(ScheduleState& state, const SequenceState& sequence, SequenceOrder order) {
    if (state.source && state.source->fetches(sequence, reusable_tokens(sequence))) return true;
    return awaited_sequence(state, sequence, order) != nullptr;
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

void advance_rows(Plan& plan, SequenceState& sequence, int32_t end_layer, int32_t count) {
    const int32_t first = sequence.computed + sequence.passed;
    CHECK(sequence.resting() && end_layer > sequence.frontier, "sequence {}", sequence.id.value);
    CHECK(count > 0 && count <= rows_to_advance(sequence), "{} rows of {}", count, rows_to_advance(sequence));
    CHECK((first + count == sequence.issued && sequence.passed == 0) || end_layer == sequence.frontier + 1,
          "sequence {}: a part of its rows beyond one layer", sequence.id.value);
    plan.segments.push_back({sequence.id, first, first + count, sequence.frontier, end_layer});
}

void advance_rows(Plan& plan, SequenceState& sequence, int32_t end_layer) {
    advance_rows(plan, sequence, sequence.passed > 0 ? sequence.frontier + 1 : end_layer, rows_to_advance(sequence));
}

// Nothing of it is computed any more, and it holds no pages.
static void start_over(ScheduleState& state, SequenceState& sequence) {
    release_pages(state, sequence);
    sequence.computed = sequence.issued = sequence.frontier = sequence.passed = 0;
    sequence.decoding = sequence.fetched_in_vain = false;
}

void preempt(ScheduleState& state, Plan& plan, SequenceId id) {
    auto node = state.running.extract(id);
    CHECK(!node.empty(), "sequence {} does not run", id.value);
    start_over(state, node.mapped());
    state.waiting.insert(std::move(node));
    state.preemptions++;
    plan.preempted.push_back(id);
}

// Gives the tree the pages that are whole now. Where another sequence published the same tokens first, its page
// replaces ours.
static void publish_pages(ScheduleState& state, SequenceState& sequence) {
    while (state.limits.prefix_cache && (sequence.published + 1) * kPageTokens <= sequence.computed) {
        int32_t& page = sequence.pages[static_cast<size_t>(sequence.published)];
        const auto tokens = page_tokens(sequence, sequence.published, sequence.computed);
        sequence.tail = state.tree.publish(sequence.tail, tokens, page);
        if (const int32_t shared = state.tree.page(sequence.tail); shared != page) {
            state.pool.retain(shared);
            state.pool.release(page);
            page = shared;
        }
        sequence.published++;
    }
}

// Rows of a sequence have crossed the segment's layers.
static void move_frontier(ScheduleState& state, SequenceState& sequence, const Segment& segment) {
    const int32_t layers = state.limits.layers;
    if (segment.end_token < sequence.issued) {
        sequence.passed = segment.end_token - sequence.computed;
        return;
    }
    sequence.passed = 0;
    sequence.frontier = segment.end_layer;
    if (segment.end_layer < layers) return;
    sequence.computed = sequence.issued;
    sequence.frontier = 0;
    sequence.computed_ever = std::max(sequence.computed_ever, sequence.computed);
    publish_pages(state, sequence);
}

void commit(ScheduleState& state, const Plan& plan) {
    for (const Segment& segment : plan.segments) {
        const auto found = state.running.find(segment.sequence);
        CHECK(found != state.running.end(), "sequence {} does not run", segment.sequence.value);
        SequenceState& sequence = found->second;
        CHECK(segment.first_token == sequence.computed + sequence.passed && segment.end_token <= sequence.issued &&
                  segment.first_layer == sequence.frontier && segment.end_layer >= segment.first_layer,
              "sequence {}", sequence.id.value);
        if (segment.end_layer == segment.first_layer) continue;  // stopped before it moved
        int64_t& served = state.tenants.at(sequence.tenant).served;
        if (!sequence.decoding) state.served_from = std::max(state.served_from, served);
        served += int64_t{segment.end_token - segment.first_token} * (segment.end_layer - segment.first_layer);
        move_frontier(state, sequence, segment);
    }
}

void append_token(ScheduleState& state, SequenceId id, int32_t token) {
    const auto found = state.running.find(id);
    CHECK(found != state.running.end(), "sequence {} does not run", id.value);
    SequenceState& sequence = found->second;
    CHECK(sequence.computed == sequence.length() || (sequence.decoding && !sequence.resting()), "sequence {}: {} of {}",
          id.value, sequence.computed, sequence.length());
    sequence.tokens.push_back(token);
    sequence.decoding = true;
}

void set_paused(ScheduleState& state, SequenceId id, bool paused) {
    auto found = state.running.find(id);
    if (found == state.running.end()) found = state.waiting.find(id);
    CHECK(found != state.waiting.end(), "no sequence {}", id.value);
    if (found->second.paused != paused) state.paused += paused ? 1 : -1;
    found->second.paused = paused;
}

void restart(ScheduleState& state, SequenceId id, PrefixTree::Node root, bool every_row) {
    auto node = state.running.extract(id);
    if (node.empty()) node = state.waiting.extract(id);
    CHECK(!node.empty(), "no sequence {}", id.value);
    SequenceState& sequence = node.mapped();
    start_over(state, sequence);
    state.tree.release_root(sequence.root);
    sequence.root = sequence.tail = root;
    sequence.every_row = every_row;
    sequence.computed_ever = sequence.cached = 0;
    sequence.known_prefix = cached_prefix(state, sequence);
    state.waiting.insert(std::move(node));
}

void remove_sequence(ScheduleState& state, SequenceId id) {
    auto node = state.running.extract(id);
    if (node.empty()) node = state.waiting.extract(id);
    CHECK(!node.empty(), "no sequence {}", id.value);
    if (node.mapped().paused) state.paused--;
    leave_tenant(state, node.mapped().tenant);
    release_pages(state, node.mapped());
    state.tree.release_root(node.mapped().root);
}

}  // namespace hone::engine
