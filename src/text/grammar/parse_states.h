// Where a text can be in a grammar: a set of stacks of automaton states. Stacks are linked lists that share their tails,
// each list and each set of lists is kept once, and what a byte does to a set is worked out once, so following a text is
// a table lookup a byte. Grows with use; whoever owns it watches memory(). What is worked out between two begin_work() is
// bounded in time and memory. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/grammar/grammar.h"
#include "text/tokenizer/hash_bytes.h"

namespace hone::text {

class ParseStates {
  public:
    using Id = uint32_t;       // of a set of stacks
    using StackId = uint32_t;  // of a stack

    static constexpr Id kDead = 0;  // the empty set: no way on
    // Stacks without a state: the text is complete; what is below is not known (for work on a rule by itself).
    static constexpr StackId kDone = 0, kHole = 1;
    // A text that can be read in more ways at once is given up.
    static constexpr size_t kMostStacks = 2048;
    // What one question may take: steps of about 5 ns, and bytes.
    static constexpr int64_t kMostWork = 10'000'000;
    static constexpr size_t kMostGrowth = size_t{16} << 20;

    // A frame that repeats counts the units from the one that runs above it: so many have to follow, so many may.
    struct Counts {
        uint32_t needed, remaining;
        bool operator==(const Counts&) const = default;
    };
    struct Stack {
        uint32_t state = 0;      // of the automaton of the rule on top
        StackId parent = kDone;  // where that rule was called
        Counts counts{};
        uint32_t depth = 0;   // frames
        uint32_t height = 0;  // frames that any of its states still needs, counted from the bottom
        uint32_t mark = 0;    // of the closure that saw it last
    };

    // `grammar` outlives this.
    explicit ParseStates(const Grammar& grammar);

    // A new question begins. Once it has taken too much it is spent(): sets that are not known come out empty then, and
    // whatever was found out since has to be thrown away.
    void begin_work(int64_t most = kMostWork) {
        work_left_ = most;
        memory_limit_ = memory() + kMostGrowth;
    }
    bool spent() const { return work_left_ <= 0; }
    void work(size_t steps) { work_left_ -= static_cast<int64_t>(steps); }

    Id start();
    Id step(Id from, uint8_t byte) {
        const Id known = rows_[from * classes_ + grammar_.byte_class(byte)];
        return known != kUnknown ? known : work_out_step(from, byte);
    }
    Id step_token(Id from, TokenId token);
    Id merge(Id a, Id b);

    // A stack's top, with the repetition whose unit it is, above the hole instead of what is below.
    Id above_hole(StackId stack);
    // What is below them, and where the text is when they have ended.
    StackId bottom_of_rule(StackId stack) const;
    Id after_return(StackId parent);
    Id only(StackId stack);

    std::span<const StackId> stacks(Id id) const {
        return std::span(members_).subspan(sets_[id].begin, sets_[id].size);
    }
    const Stack& stack(StackId id) const { return stacks_[id]; }
    bool contains(Id id, StackId stack) const;  // kDone and kHole
    uint32_t height(Id id) const { return sets_[id].height; }

    // The only byte that leads on, if there is just one.
    std::optional<uint8_t> only_byte(Id id);
    bool reads_tokens(Id id) const;
    // Whether every text of at most so many characters of these kinds (MaskVocabulary) leads back to the set, counts
    // aside, wherever it ends.
    bool loops_on(Id id, uint64_t kinds, uint32_t characters) {
        if (sets_[id].loops == 0) find_loops(id);
        return (kinds & ~sets_[id].loops) == 0 && characters <= sets_[id].reach;
    }
    // The set with counts from `most` on as if they were without end: not to be told apart by texts of fewer bytes.
    Id with_small_counts(Id id, uint32_t most);

    // Stacks as lists of states from the top, to go on with in another object.
    struct ExportedFrame {
        uint32_t state;
        Counts counts{};
    };
    using Exported = std::vector<std::vector<ExportedFrame>>;
    Exported export_state(Id id) const;
    Id import_state(const Exported& exported);

    size_t memory() const;

  private:
    static constexpr Id kUnknown = UINT32_MAX;

    struct Set {
        uint32_t begin = 0, size = 0;
        uint32_t height = 0;
        uint64_t loops = 0;  // once known, with MaskVocabulary::kUnused
        uint32_t reach = 0;  // characters up to which the loops hold
    };

    Id work_out_step(Id from, uint8_t byte);
    StackId find_stack(uint32_t state, StackId parent, Counts counts = {});
    // Adds to closure_ what can be read next with `state` on top of `parent`.
    void begin_closure();
    void close(uint32_t state, StackId parent, Counts counts = {});
    void call(uint32_t start, StackId parent);
    void close_repetition(StackId id);
    void close_return(StackId parent);
    void run_closure();
    Id find_set();  // of closure_
    bool fits(uint32_t state, StackId parent) const;
    bool has_repetition_below(StackId stack) const;
    void find_loops(Id id);
    uint64_t loops_to(Id id, Id goal);
    bool loops_on_characters(Id goal, Id from, unsigned left, uint8_t low, uint8_t high);
    Id one_unit_later(Id id, uint32_t& reach);

    const Grammar& grammar_;
    const size_t classes_;
    std::vector<Stack> stacks_;
    struct StackKey {
        uint32_t state;
        StackId parent;
        Counts counts{};
        bool operator==(const StackKey&) const = default;
    };
    struct StackHash {
        size_t operator()(const StackKey& key) const {
            return hash_bytes({reinterpret_cast<const char*>(&key), sizeof(key)});
        }
    };
    std::unordered_map<StackKey, StackId, StackHash> stack_index_;
    std::vector<Set> sets_;
    std::vector<StackId> members_;
    std::unordered_multimap<uint64_t, Id> set_index_;  // by hash
    std::vector<Id> rows_;                             // [sets, classes]
    std::vector<StackId> closure_;
    std::vector<StackId> open_;
    uint32_t round_ = 0;
    int64_t work_left_ = kMostWork;
    size_t memory_limit_ = kMostGrowth;
};

}  // namespace hone::text
