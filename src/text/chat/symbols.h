// The variables of one scope while names are being resolved. A scope belongs to a function (template, macro, call
// block, recursive loop, block), whose slots it shares with the function's other scopes; it looks names up in its
// parent.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/chat/syntax.h"

namespace hone::text::chat {

struct FunctionSlots {
    uint16_t depth = 0;  // functions around this one
    uint32_t count = 0;
};

class Symbols {
  public:
    Symbols(FunctionSlots& function, const Symbols* parent) : function_(function), parent_(parent) {}

    // A place of the name: in this scope, or in the ones around it.
    struct Place {
        uint16_t function_depth;
        uint16_t slot;
        bool* is_used = nullptr;  // set when the name is read; for `loop`
    };

    // `name` is read here.
    void load(uint32_t name);
    // `name` is assigned here.
    void store(uint32_t name);
    // `name` is given a value from outside whenever the scope is entered.
    uint16_t declare_parameter(uint32_t name, bool* is_used = nullptr);

    // What was assigned since then, in the branches of an `if`, may have been assigned or not: it starts with its outer
    // value.
    size_t stores_so_far() const { return store_order_.size(); }
    void merge_branches(size_t stores_before);

    const Place* find(uint32_t name) const;
    Variable variable(const Place& place) const {
        return {static_cast<uint16_t>(function_.depth - place.function_depth), place.slot};
    }
    FunctionSlots& function() const { return function_; }
    const std::vector<SlotLoad>& loads() const { return loads_; }

  private:
    uint16_t define(uint32_t name, SlotLoad::Action action);
    void load_outer_value(uint32_t name, SlotLoad& load) const;

    FunctionSlots& function_;
    const Symbols* parent_;
    std::unordered_map<uint32_t, Place> places_;
    std::unordered_map<uint32_t, size_t> load_of_;  // index in loads_
    std::vector<SlotLoad> loads_;
    std::unordered_set<uint32_t> stores_;
    std::vector<uint32_t> store_order_;
};

}  // namespace hone::text::chat
