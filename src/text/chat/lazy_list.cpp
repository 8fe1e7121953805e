#include "text/chat/lazy_list.h"

#include <algorithm>

namespace hone::text::chat {

namespace {

struct LazyList {
    Compute compute;
    Value self;
    Arguments arguments;
};

bool advance_computed(Rendering& rendering, Iterator& iterator, Value& out) {
    return iterator.source.next(rendering, out);
}

bool advance_first(Rendering& rendering, Iterator& iterator, Value& out) {
    const auto& plan = *static_cast<const LazyList*>(iterator.plan);
    Deeper level(rendering);
    if (!level.is_allowed()) return false;
    Value computed = plan.compute(rendering, plan.self, plan.arguments);
    if (rendering.failed()) return false;
    iterator.source = Cursor{computed};
    iterator.advance = advance_computed;
    return iterator.source.next(rendering, out);
}

}  // namespace

Arguments keep_arguments(Rendering& rendering, const Arguments& arguments, size_t skipped) {
    std::span<const Value> positional = arguments.positional.subspan(std::min(skipped, arguments.positional.size()));
    return {rendering.heap().copy(std::vector<Value>(positional.begin(), positional.end())),
            rendering.heap().copy(std::vector<Keyword>(arguments.keyword.begin(), arguments.keyword.end()))};
}

Value lazy_list(Rendering& rendering, Compute compute, const Value& self, const Arguments& arguments) {
    auto* plan = rendering.heap().make<LazyList>(LazyList{compute, self, keep_arguments(rendering, arguments)});
    return rendering.iterator(advance_first, self, "generator", plan);
}

}  // namespace hone::text::chat
