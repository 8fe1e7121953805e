// Non-owning views: TensorView of stored bytes of any type (a checkpoint's tensor), MatrixView of typed rows (what ops
// take). Row-major; a MatrixView's stride is in elements. Whoever made the memory keeps it alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "math/tensor/dtype.h"

namespace hone::math {

using Shape = std::vector<int64_t>;

// Product of the extents; 1 for a scalar. The loader has checked that it does not overflow.
inline int64_t element_count(const Shape& shape) {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    return count;
}

struct TensorView {
    DType dtype = DType::f32;
    Shape shape;
    std::span<const std::byte> bytes;

    template <class T>
    const T* data() const {
        CHECK_EQ(sizeof(T), size_of(dtype));
        return reinterpret_cast<const T*>(bytes.data());
    }
};

template <class T>
struct MatrixView {
    T* data = nullptr;
    int64_t rows = 0, cols = 0, stride = 0;

    MatrixView() = default;
    MatrixView(T* data, int64_t rows, int64_t cols) : MatrixView(data, rows, cols, cols) {}
    MatrixView(T* data, int64_t rows, int64_t cols, int64_t stride)
        : data(data), rows(rows), cols(cols), stride(stride) {}
    // A view that may be written is one that may be read.
    operator MatrixView<const T>() const requires(!std::is_const_v<T>) { return {data, rows, cols, stride}; }

    T* row(int64_t i) const { return data + i * stride; }
    std::span<T> row_span(int64_t i) const { return {row(i), static_cast<size_t>(cols)}; }
    MatrixView rows_from(int64_t first, int64_t count) const {
        CHECK(first >= 0 && count >= 0 && first + count <= rows, "rows {}+{} of {}", first, count, rows);
        return {row(first), count, cols, stride};
    }
};

}  // namespace hone::math
