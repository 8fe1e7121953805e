// Stable sorting by keys whose comparison may fail, as Python's sorted().
#pragma once

#include <numeric>
#include <vector>

#include "text/chat/operators.h"

namespace hone::text::chat {

// Sorts the elements by key(element), a Value; false if two keys cannot be compared. A merge sort: whatever the
// comparisons answer, it ends and stays inside, which std::stable_sort does not promise for orders that are none (NaN,
// failures).
template <class T, class Key>
bool sort_by(Rendering& rendering, std::vector<T>& elements, Key&& key, bool is_reverse = false) {
    if (!rendering.admit_values(3 * elements.size())) return false;
    std::vector<Value> keys;
    keys.reserve(elements.size());
    for (const T& element : elements) keys.push_back(key(element));
    std::vector<size_t> order(elements.size()), merged(elements.size());
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t width = 1; width < order.size() && !rendering.failed(); width *= 2) {
        for (size_t low = 0; low < order.size(); low += 2 * width) {
            size_t middle = std::min(low + width, order.size()), high = std::min(low + 2 * width, order.size());
            size_t left = low, right = middle;
            for (size_t at = low; at < high; ++at) {
                bool takes_right = left == middle;
                if (!takes_right && right < high) {
                    const Value &a = keys[order[left]], &b = keys[order[right]];
                    takes_right = is_reverse ? less(rendering, a, b) : less(rendering, b, a);
                }
                merged[at] = order[takes_right ? right++ : left++];
            }
        }
        order.swap(merged);
    }
    std::vector<T> sorted;
    sorted.reserve(elements.size());
    for (size_t index : order) sorted.push_back(elements[index]);
    elements.swap(sorted);
    return !rendering.failed();
}

}  // namespace hone::text::chat
