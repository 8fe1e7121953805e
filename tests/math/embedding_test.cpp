// Embedding lookup from plain rows and from a packed head.

#include "math/ops/embedding.h"

#include "golden_ops.h"
#include "test_context.h"

namespace hone::math {
namespace {

// Packs row-major values into one of the weight formats; `bytes` holds them.
Weight packed(WeightFormat format, std::span<const float> values, int64_t n, int64_t k, std::vector<std::byte>& bytes) {
    bytes.assign(packed_bytes(format, n, k), std::byte{});
    pack_weight(format, n, k, 0, n, values.data(), bytes.data());
    return {.format = format, .n = static_cast<int32_t>(n), .k = static_cast<int32_t>(k), .data = bytes.data()};
}

TEST(Embedding, Golden) {
    const GoldenOp golden("embedding");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            const Shape shape = golden.shape(name, "in/table");
            const auto ids = golden.values<int32_t>(name, "in/ids");
            auto expected = golden.values(name, "out/y");
            for (float& value : expected) value = to_float(round_to_bf16(value));
            for (const WeightFormat format : {WeightFormat::bf16_rows, WeightFormat::bf16}) {
                std::vector<std::byte> bytes;
                const Weight weight = packed(format, golden.values(name, "in/table"), shape[0], shape[1], bytes);
                std::vector<float> x(ids.size() * static_cast<size_t>(shape[1]));
                embedding(context.op, weight, ids, {x.data(), static_cast<int64_t>(ids.size()), shape[1]});
                expect_same_bits(x, expected, name);
            }
        }
    }
}

TEST(Embedding, ManyRowsOverThreads) {
    const int64_t vocabulary = 300, dim = 257;
    const auto values = random_values(1, vocabulary * dim);
    std::vector<std::byte> bytes;
    const Weight weight = packed(WeightFormat::bf16_rows, values, vocabulary, dim, bytes);
    std::vector<int32_t> ids(400);
    for (size_t i = 0; i < ids.size(); i++) ids[i] = static_cast<int32_t>(i * 37 % 300);
    for (const int threads : {1, 2, 3}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        std::vector<float> x(ids.size() * dim);
        embedding(context.op, weight, ids, {x.data(), static_cast<int64_t>(ids.size()), dim});
        for (size_t i = 0; i < x.size(); i++) {
            ASSERT_EQ(x[i], to_float(round_to_bf16(values[static_cast<size_t>(ids[i / dim]) * dim + i % dim])));
        }
    }
}

}  // namespace
}  // namespace hone::math
