// What the scheduler knows: integers only (lengths, pages, layers, token ids), no tensors and no text. Sequences wait,
// then run; their ids ascend in order of arrival, so map order is first come, first served. Owned by the engine thread.
//
// A sequence's tokens are known (tokens.size()), of which the first `computed` have crossed all layers and the rows
// [computed, issued) rest before layer `frontier`, but for the first `passed` of them, which crossed that one as well.
// Pages are taken as rows are issued; those that an admitted sequence's known tokens still need are reserved, so that
// prompts never run out of them; a decoding sequence asks for one more at a time.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "engine/cache/page_pool.h"
#include "engine/cache/prefix_tree.h"
#include "engine/schedule/plan.h"
#include "engine/schedule/step_costs.h"

namespace hone::engine {

struct SequenceState {
    SequenceId id;
    std::vector<int32_t> tokens;  // prompt and generated
    // Each row's logits are wanted once (prompt log-probabilities): the cache may not skip them.
    bool every_row = false;
    int32_t priority = 0;      // smaller runs earlier
    uint32_t tenant = 0;       // shares are fair between tenants
    int64_t arrival_ns = 0;    // on the engine's clock
    int32_t known_prefix = 0;  // tokens that the cache had when it came, or when it was restarted

    int32_t computed = 0, issued = 0;  // computed <= issued <= tokens.size()
    int32_t frontier = 0;              // next layer of the rows [computed, issued); 0 when there are none
    int32_t passed = 0;                // rows of those that have crossed layer `frontier` already; not all of them
    int32_t computed_ever = 0;         // the largest `computed` by own work or cache; preemption does not lower it
    int32_t cached = 0;                // tokens that the prefix cache spared this sequence
    bool decoding = false;             // few tokens are outstanding: the one sampled last, those it forces
    bool fetched_in_vain = false;      // there was no room for a page that was fetched: no more are
    bool paused = false;  // begins no rows; those under way go on, and pages are kept while nobody needs them

    std::vector<int32_t> pages;                 // page table, a reference each
    int32_t reserved = 0;                       // pages promised beyond those taken
    PrefixTree::Node root = PrefixTree::kRoot;  // of the cache salt, held while the sequence lives
    PrefixTree::Node tail = PrefixTree::kRoot;  // tree node of the last published page, or root
    int32_t published = 0;                      // pages up to tail: pages[i] is the tree's for i < published

    int32_t length() const { return static_cast<int32_t>(tokens.size()); }
    bool resting() const { return issued > computed; }
    // No plan has rows of it.
    bool stands_still() const { return paused && !resting(); }
};

// Fewer tokens are computed rather than waited for: beside others they cost less than a step's delay.
constexpr int32_t kWorthWaiting = 16;

// The sequence's tokens in a page, as far as they come before `end`.
std::span<const int32_t> page_tokens(const SequenceState& sequence, int32_t page, int32_t end);

struct ScheduleLimits {
    int32_t layers = 1;
    int32_t max_batch = 64;          // sequences running at once
    int32_t token_budget = 512;      // most prompt tokens a step takes up, or has the work of (layered)
    int32_t resting_rows = 1 << 30;  // most rows between layers at once (auto), so that their memory is bounded
    TokenGap token_gap;
    bool prefix_cache = true;
};

// What a tenant has had, as start-time fair queueing counts it (Goyal, Vin, Cheng, SIGCOMM 1996): what it did not ask for
// while others were served is not made up for later.
struct TenantShare {
    int64_t live = 0;    // sequences
    int64_t served = 0;  // rows times layers, from the schedule's served_from on when a prompt comes
};

// Where pages come from that are neither computed nor in memory.
class PageSource {
  public:
    virtual ~PageSource() = default;
    // Whether pages after the sequence's tail, of its first `reusable` tokens, are being fetched for it; begins to if
    // there are any.
    virtual bool fetches(const SequenceState& sequence, int32_t reusable) = 0;
};

// `pool` and `tree` outlive the state.
struct ScheduleState {
    ScheduleLimits limits;
    PagePool& pool;
    PrefixTree& tree;
    ModelShape shape;
    StepCosts costs;
    std::map<SequenceId, SequenceState> waiting, running;
    std::map<uint32_t, TenantShare> tenants;  // those with live sequences, and those who had more than others since
    int64_t served_from = 0;                  // where the tenant stood whose prompt was served last; never falls
    PageSource* source = nullptr;             // if there is one
    int32_t reserved = 0;                     // sum over running
    int32_t paused = 0;                       // sequences
    int32_t cohort_groups = 0;                // of the layered policy: groups of layers that its cohort takes
    uint64_t preemptions = 0;

    // Pages that may be taken without breaking a promise: free ones and those only kept for prefix hits.
    int32_t spare_pages() const { return pool.free() + pool.cached_only() - reserved; }
};

// Whether a sequence of `tokens` tokens could ever run, alone if need be. Others are refused before they are enqueued.
bool can_ever_fit(const ScheduleState& state, int32_t tokens);

// A new sequence waits; its id is larger than all before it. Its root is let go of when it is removed.
void enqueue(ScheduleState& state, SequenceState sequence);

// Tenants take turns after so many tokens, rather than after each.
constexpr int32_t kShareTokens = 1024;

// Where a sequence stands among those that want to get on: the smallest goes first.
struct Turn {
    int64_t share = 0;   // of kShareTokens tokens that its tenant has had, where there are several tenants
    int64_t due_ns = 0;  // the older the earlier; priority counts as age, so that none waits for ever
    SequenceId id;
    auto operator<=>(const Turn&) const = default;
};
using SequenceOrder = Turn (*)(const ScheduleState&, const SequenceState&);

// A priority that is smaller by one goes before what came up to half a minute earlier.
constexpr int64_t kPriorityNanoseconds = 30'000'000'000;

// When the sequence came, by priority: never changes.
int64_t due_ns(const SequenceState& sequence);

// Share of the tenant, arrival by priority.
Turn by_arrival(const ScheduleState& state, const SequenceState& sequence);

// Waiting sequences that are not paused start to run, in this order, while the batch and the pages for all their known
// tokens (and one more page for every sequence that runs already) allow. The first that does not fit holds up the others,
// so that it cannot starve; false if there is one.
bool admit(ScheduleState& state, SequenceOrder order = by_arrival);

// Takes over what others computed of the same tokens: whole pages of the prefix tree are shared, and rows of the page
// after them, which the tree or a running sequence has, are copied into a page of the sequence's own. At least one known
// token stays to be computed, and where every row counts only rows computed before are skipped. No rows may rest.
void adopt_cached(ScheduleState& state, SequenceState& sequence);

// The sequence that has rows under way which this one, which has none, could take over, if it is worth waiting for: its
// turn comes earlier, or it is through sooner by estimate than the same rows could be computed again. Null if there is none.
SequenceState* awaited_sequence(ScheduleState& state, const SequenceState& sequence, SequenceOrder order);
// Whether there is such a sequence, or the next pages are being fetched.
bool awaits_shared_page(ScheduleState& state, const SequenceState& sequence, SequenceOrder order);

// Takes over a page that was fetched: `tokens` begin like those after the sequence's tail. False if that spared nothing.
bool adopt_fetched(ScheduleState& state, SequenceState& sequence, std::span<const int32_t> tokens,
                   std::span<const std::byte> bytes);

// Adds a segment: `count` more rows from layer 0 up to end_layer. Takes their pages, which are reserved or spare.
void issue_rows(ScheduleState& state, Plan& plan, SequenceState& sequence, int32_t count, int32_t end_layer);
// Rows that advance_rows can take on: those that have not crossed the frontier's layer.
inline int32_t rows_to_advance(const SequenceState& sequence) {
    return sequence.issued - sequence.computed - sequence.passed;
}
// Adds a segment: resting rows go on, all up to end_layer, or the first `count` of them through the frontier's layer
// only (end_layer is frontier + 1).
void advance_rows(Plan& plan, SequenceState& sequence, int32_t end_layer, int32_t count);
void advance_rows(Plan& plan, SequenceState& sequence, int32_t end_layer);

// Takes pages and resting rows from a running sequence that the plan has no segment for; it waits again, in its old
// place, to be computed anew as far as the cache does not keep it.
void preempt(ScheduleState& state, Plan& plan, SequenceId id);

// The plan was run, or as much of it as its segments say now (end_layer may have been lowered): frontiers move, rows
// that crossed the last layer are computed, pages they filled are published.
void commit(ScheduleState& state, const Plan& plan);
// The next token of a running sequence that is computed up to its length, but for tokens appended since.
void append_token(ScheduleState& state, SequenceId id, int32_t token);
// The sequence, waiting or running, is paused, or goes on.
void set_paused(ScheduleState& state, SequenceId id, bool paused);
// What the sequence, waiting or running, has computed counts for nothing any more (its weights are others now): it waits,
// in its old place, for all its known tokens to be computed anew, as far as the cache has them under `root`, which it holds
// from here on in place of its own. What it computed stays cached under the old root. `every_row` as for a new sequence.
// Not between a plan and its commit.
void restart(ScheduleState& state, SequenceId id, PrefixTree::Node root, bool every_row);
// Forgets a sequence (finished or cancelled, waiting or running) and frees all that it holds. Not between a plan and
// its commit; a plan that cannot be run is undone by removing all its sequences.
void remove_sequence(ScheduleState& state, SequenceId id);

}  // namespace hone::engine
