#include "text/chat/symbols.h"

namespace hone::text::chat {

const Symbols::Place* Symbols::find(uint32_t name) const {
    for (const Symbols* scope = this; scope; scope = scope->parent_) {
        auto place = scope->places_.find(name);
        if (place != scope->places_.end()) return &place->second;
    }
    return nullptr;
}

uint16_t Symbols::define(uint32_t name, SlotLoad::Action action) {
    auto slot = static_cast<uint16_t>(function_.count++);
    places_[name] = Place{function_.depth, slot};
    load_of_[name] = loads_.size();
    loads_.push_back({action, slot, name});
    return slot;
}

void Symbols::load(uint32_t name) {
    if (!find(name)) define(name, SlotLoad::Action::resolve);
}

// From the scope around, or from the context if no scope around knows the name.
void Symbols::load_outer_value(uint32_t name, SlotLoad& load) const {
    const Place* outer = parent_ ? parent_->find(name) : nullptr;
    load.action = outer ? SlotLoad::Action::alias : SlotLoad::Action::resolve;
    if (outer) load.source = variable(*outer);
}

void Symbols::store(uint32_t name) {
    if (stores_.insert(name).second) store_order_.push_back(name);
    if (places_.count(name)) return;
    bool is_known_outside = parent_ && parent_->find(name);
    define(name, SlotLoad::Action::clear);
    if (is_known_outside) load_outer_value(name, loads_.back());
}

uint16_t Symbols::declare_parameter(uint32_t name, bool* is_used) {
    if (stores_.insert(name).second) store_order_.push_back(name);
    auto present = places_.find(name);
    if (present != places_.end()) return present->second.slot;
    auto slot = static_cast<uint16_t>(function_.count++);
    places_[name] = Place{function_.depth, slot, is_used};
    return slot;
}

void Symbols::merge_branches(size_t stores_before) {
    for (size_t i = stores_before; i < store_order_.size(); ++i) {
        auto load = load_of_.find(store_order_[i]);
        if (load != load_of_.end()) load_outer_value(store_order_[i], loads_[load->second]);
    }
}

}  // namespace hone::text::chat
