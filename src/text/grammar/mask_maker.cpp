#include "text/grammar/mask_maker.h"

#include <algorithm>

namespace hone::text {

constexpr int32_t kFew = 512;          // tokens that are listed rather than marked
constexpr uint32_t kWorthTaking = 16;  // nodes of a subtree that is looked at as a whole

std::shared_ptr<const TokenMask> MaskMaker::mask(ParseStates::Id id) {
    if (const auto known = masks_.find(id); known != masks_.end()) return known->second;
    auto mask = std::make_shared<TokenMask>(vocabulary_.size());
    const std::vector<ParseStates::StackId> stacks(states_.stacks(id).begin(), states_.stacks(id).end());
    for (const ParseStates::StackId stack : stacks) add_stack(stack, *mask);
    masks_.emplace(id, mask);
    memory_ += mask->words().size_bytes() + 128;
    return mask;
}

void MaskMaker::add_stack(ParseStates::StackId stack, TokenMask& mask) {
    if (stack == ParseStates::kDone) {
        for (const TokenId id : vocabulary_.ends()) {
            if (id >= 0 && id < vocabulary_.size()) mask.set(id);
        }
        return;
    }
    const uint32_t state = states_.stack(stack).state;
    for (const auto& edge : grammar_.token_edges(grammar_.state(state))) {
        for (Symbol symbol = edge.low; symbol <= edge.high; symbol++) {
            const auto id = static_cast<TokenId>(symbol - kFirstToken);
            if (id < vocabulary_.size()) mask.set(id);
        }
    }
    if (grammar_.byte_edges(grammar_.state(state)).empty()) return;
    const Local& alone = local(state);
    if (states_.stack(states_.stack(stack).parent).depth + alone.height > grammar_.depth()) {
        return walk(0, states_.only(stack), mask, nullptr);
    }
    if (alone.many) mask.add(*alone.many);
    for (const TokenId id : alone.few) mask.set(id);
    if (alone.holes.empty() || states_.stack(stack).parent == ParseStates::kDone) return;
    const ParseStates::Id behind = states_.after_return(stack);
    for (const uint32_t node : alone.holes) walk(node, behind, mask, nullptr);
}

const MaskMaker::Local& MaskMaker::local(uint32_t state) {
    const auto [entry, is_new] = locals_.try_emplace(state);
    Local& made = entry->second;
    if (!is_new) return made;
    auto all = std::make_unique<TokenMask>(vocabulary_.size());
    walk(0, states_.above_hole(state), *all, &made);
    if (all->count() > kFew) {
        memory_ += all->words().size_bytes();
        made.many = std::move(all);
    } else {
        made.few = all->tokens();
    }
    memory_ += sizeof(Local) + 64 + made.few.size() * sizeof(TokenId) + made.holes.size() * sizeof(uint32_t);
    return made;
}

bool MaskMaker::take_whole(uint32_t node, ParseStates::Id state, TokenMask& mask) {
    if (!states_.loops_on(state, vocabulary_.nodes()[node].kinds)) return false;
    for (const TokenId id : vocabulary_.tokens_below(node)) mask.set(id);
    return true;
}

void MaskMaker::walk(uint32_t root, ParseStates::Id from, TokenMask& mask, Local* local) {
    const auto nodes = vocabulary_.nodes();
    const uint32_t end = nodes[root].end, depth = nodes[root].depth;
    path_[depth] = from;
    for (uint32_t i = root + 1; i < end;) {
        const MaskVocabulary::Node& node = nodes[i];
        const ParseStates::Id next = states_.step(path_[node.depth - 1], node.byte);
        if (next == ParseStates::kDead) {
            i = node.end;
            continue;
        }
        for (const TokenId id : vocabulary_.tokens_at(i)) mask.set(id);
        const bool has_more = node.end > i + 1;
        const bool has_hole = local && states_.contains(next, ParseStates::kHole);
        if (local) local->height = std::max(local->height, states_.height(next));
        if (has_more && has_hole) local->holes.push_back(i);
        path_[node.depth] = next;
        const bool whole = !has_hole && node.end - i > kWorthTaking && take_whole(i, next, mask);
        i = whole ? node.end : i + 1;
    }
}

TokenMask MaskMaker::mask_by_trying(ParseStates::Id id) {
    TokenMask mask(vocabulary_.size());
    for (TokenId token = 0; token < vocabulary_.size(); token++) {
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
