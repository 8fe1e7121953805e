// Strong types for ids and counts that could be swapped: `struct SequenceIdTag; using SequenceId = Strong<uint64_t,
// SequenceIdTag>;`
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace hone {

template <class T, class Tag>
struct Strong {
    T value{};
    constexpr auto operator<=>(const Strong&) const = default;
};

}  // namespace hone

template <class T, class Tag>
struct std::hash<hone::Strong<T, Tag>> {
    size_t operator()(const hone::Strong<T, Tag>& x) const { return std::hash<T>{}(x.value); }
};
