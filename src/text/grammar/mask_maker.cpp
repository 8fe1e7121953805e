#include "text/grammar/mask_maker.h"

#include <algorithm>

namespace hone::text {

constexpr int32_t kFew = 512;  // tokens that are listed rather than marked
constexpr size_t kMostHoles = 2048;
constexpr size_t kMostMasks = 256;    // of whole states; those of single rules stay
constexpr uint32_t kWorthTaking = 4;  // nodes of a subtree that is looked at as a whole

std::shared_ptr<const TokenMask> MaskMaker::mask(ParseStates::Id id) {
    if (const auto known = masks_.find(id); known != masks_.end()) return known->second;
    // What is far away does not matter to a token.
    if (const ParseStates::Id same = states_.with_small_counts(id, vocabulary_.longest() + 1); same != id) {
        return this->mask(same);
    }
    auto mask = std::make_shared<TokenMask>(vocabulary_.size());
    const std::vector<ParseStates::StackId> stacks(states_.stacks(id).begin(), states_.stacks(id).end());
    bool is_whole = false;
    for (const ParseStates::StackId stack : stacks) is_whole |= !add_stack(stack, *mask);
    if (is_whole) walk(0, id, *mask, nullptr);
    if (states_.spent()) return nullptr;
    if (masks_.size() >= kMostMasks) masks_.clear();
    return masks_.emplace(id, mask).first->second;
}

bool MaskMaker::add_stack(ParseStates::StackId stack, TokenMask& mask) {
    if (stack == ParseStates::kDone) {
        for (const TokenId id : vocabulary_.ends()) {
            if (id >= 0 && id < vocabulary_.size()) mask.set(id);
        }
        return true;
    }
    const uint32_t state = states_.stack(stack).state;
    for (const auto& edge : grammar_.token_edges(grammar_.state(state))) {
        for (Symbol symbol = edge.low; symbol <= edge.high; symbol++) {
            const auto id = static_cast<TokenId>(symbol - kFirstToken);
            if (id < vocabulary_.size()) mask.set(id);
        }
    }
    if (grammar_.byte_edges(grammar_.state(state)).empty()) return true;
    const Local& alone = local(states_.above_hole(stack));
    if (states_.spent()) return true;
    const ParseStates::StackId bottom = states_.bottom_of_rule(stack);
    if (alone.is_open || states_.stack(bottom).depth + alone.height > grammar_.depth()) return false;
    if (alone.many) mask.add(*alone.many);
    states_.work(alone.many ? mask.words().size() : alone.few.size());
    for (const TokenId id : alone.few) mask.set(id);
    if (alone.holes.empty() || bottom == ParseStates::kDone) return true;
    const ParseStates::Id behind = states_.after_return(bottom);
    for (const uint32_t node : alone.holes) walk(node, behind, mask, nullptr);
    return true;
}

const MaskMaker::Local& MaskMaker::local(ParseStates::Id alone) {
    static const Local kNone;
    if (const auto known = locals_.find(alone); known != locals_.end()) return known->second;
    auto all = std::make_unique<TokenMask>(vocabulary_.size());
    Local made;
    walk(0, alone, *all, &made);
    if (states_.spent()) return kNone;
    if (made.is_open) {
        made.holes = {};
    } else if (all->count() > kFew) {
        memory_ += all->words().size_bytes();
        made.many = std::move(all);
    } else {
        made.few = all->tokens();
    }
    memory_ += sizeof(Local) + 64 + made.few.size() * sizeof(TokenId) + made.holes.size() * sizeof(uint32_t);
    return locals_.emplace(alone, std::move(made)).first->second;
}

void MaskMaker::walk(uint32_t root, ParseStates::Id from, TokenMask& mask, Local* local) {
    const auto nodes = vocabulary_.nodes();
    const uint32_t end = nodes[root].end;
    const auto has_hole = [&](ParseStates::Id id) { return local && states_.contains(id, ParseStates::kHole); };
    path_[nodes[root].depth] = from;
    for (uint32_t i = root + 1; i < end;) {
        const MaskVocabulary::Node& node = nodes[i];
        const ParseStates::Id before = path_[node.depth - 1];
        const bool has_more = node.end > i + 1;
        states_.work(1);
        if (states_.spent()) return;
        if (node.end - i > kWorthTaking && states_.loops_on(before, node.kinds, node.characters)) {
            // All of them, so what the holes below would add is there already.
            for (const TokenId id : vocabulary_.tokens_of(i)) mask.set(id);
            i = node.end;
            continue;
        }
        const ParseStates::Id next = states_.step(before, node.byte);
        if (next == ParseStates::kDead) {
            i = node.end;
            continue;
        }
        for (const TokenId id : vocabulary_.tokens_at(i)) mask.set(id);
        if (local) local->height = std::max(local->height, states_.height(next));
        if (has_more && has_hole(next)) {
            local->holes.push_back(i);
            local->is_open = local->holes.size() > kMostHoles;
            if (local->is_open) return;
        }
        path_[node.depth] = next;
        i++;
    }
}

TokenMask MaskMaker::mask_by_trying(ParseStates::Id id) {
    TokenMask mask(vocabulary_.size());
    for (TokenId token = 0; token < vocabulary_.size(); token++) {
        states_.begin_work();
        ParseStates::Id state = id;
        for (const char c : vocabulary_.bytes(token)) state = states_.step(state, static_cast<uint8_t>(c));
        const bool reads = !vocabulary_.bytes(token).empty() && state != ParseStates::kDead;
        const bool ends = vocabulary_.is_end(token) && states_.contains(id, ParseStates::kDone);
        if (vocabulary_.is_end(token) ? ends : reads) mask.set(token);
        if (states_.step_token(id, token) != ParseStates::kDead) mask.set(token);
    }
    return mask;
}

}  // namespace hone::text
