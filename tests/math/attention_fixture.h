// What the tests of attention share: sequences of queries, keys and values, and pages to store them in.
#pragma once

#include <numeric>

#include "math/ops/attention.h"
#include "test_context.h"

namespace hone::math {

struct Shapes {
    int32_t heads, kv_heads, head_dim;

    int64_t q_columns() const { return int64_t{heads} * head_dim; }
    int64_t kv_columns() const { return int64_t{kv_heads} * head_dim; }
    std::string text() const { return fmt::format("{} heads over {}, head_dim {}", heads, kv_heads, head_dim); }
};

// Queries, keys and values of one sequence.
struct Sequence {
    Sequence(Shapes shapes, int32_t length, uint64_t seed)
        : shapes(shapes),
          length(length),
          q(random_values(seed, length * shapes.q_columns(), 2)),
          k(random_values(seed + 1, length * shapes.kv_columns(), 1.5f)),
          v(random_values(seed + 2, length * shapes.kv_columns())) {}

    Shapes shapes;
    int32_t length;
    std::vector<float> q, k, v;

    std::span<const float> q_rows(int32_t first, int32_t rows) const {
        return std::span(q).subspan(first * shapes.q_columns(), rows * shapes.q_columns());
    }
};

// A pool of pages of two layers, of which the second is used; pages are handed out in a shuffled order.
class Pages {
  public:
    Pages(Shapes shapes, int32_t count, uint64_t shuffle = 0) : order_(count) {
        const size_t layer_bytes = kv_layer_bytes(shapes.kv_heads, shapes.head_dim);
        bytes_.resize(count * 2 * layer_bytes + 64);
        auto address = reinterpret_cast<uintptr_t>(bytes_.data());
        layer_ = {bytes_.data() + (64 - address % 64) % 64, 2 * layer_bytes, layer_bytes, shapes.kv_heads,
                  shapes.head_dim};
        std::iota(order_.begin(), order_.end(), 0);
        Random random(shuffle);
        for (size_t i = order_.size() - 1; shuffle != 0 && i > 0; i--)
            std::swap(order_[i], order_[random.below(i + 1)]);
    }
    const KvLayer& layer() const { return layer_; }
    // Pages for `length` tokens, not handed out before.
    std::span<const int32_t> take(int32_t length) {
        const auto count = static_cast<size_t>((length + kPageTokens - 1) / kPageTokens);
        CHECK_LE(taken_ + count, order_.size());
        taken_ += count;
        return std::span(order_).subspan(taken_ - count, count);
    }
    // Finite numbers in every slot, as a page that was used before has them.
    void fill_with_stale_values(uint64_t seed) {
        Random random(seed);
        auto* values = reinterpret_cast<bf16*>(layer_.pool);
        for (size_t i = 0; i < (bytes_.size() - 64) / 2; i++) values[i] = round_to_bf16(1000 * random.normal());
    }

  private:
    std::vector<std::byte> bytes_;
    KvLayer layer_;
    std::vector<int32_t> order_;
    size_t taken_ = 0;
};

}  // namespace hone::math
