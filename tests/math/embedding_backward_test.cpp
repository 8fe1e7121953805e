// The gradient of the embedding table: bits everywhere, golden values, ascending rows of one id, accumulation.

#include "golden_ops.h"
#include "gradient_check.h"
#include "math/ops/embedding.h"

namespace hone::math {
namespace {

TEST(EmbeddingBackward, TheBitsOfAscendingSumsEverywhere) {
    for (const int64_t dim : {1, 33, 64, 500}) {
        const int64_t vocabulary = 30, rows = 200;
        const auto dx = random_values(1, rows * dim), before = random_values(2, vocabulary * dim);
        std::vector<int32_t> ids;
        for (int64_t t = 0; t < rows; t++) ids.push_back(static_cast<int32_t>(t * t % 23));
        auto expected = before;
        for (int64_t t = 0; t < rows; t++) {
            for (int64_t i = 0; i < dim; i++) expected[ids[t] * dim + i] += dx[t * dim + i];
        }
        const auto run = [&](OpContext& op) {
            auto dtable = before;
            embedding_backward(op, ids, {dx.data(), rows, dim}, {dtable.data(), vocabulary, dim});
            return dtable;
        };
        TestContext context;
        expect_same_bits(run(context.op), expected, "plain loop");
        expect_same_everywhere(run, fmt::format("{} columns", dim));
    }
}

TEST(EmbeddingBackward, Golden) {
    const GoldenOp golden("embedding");
    for (const auto& name : golden.cases()) {
        const Shape shape = golden.shape(name, "in/table");
        const auto ids = golden.values<int32_t>(name, "in/ids");
        const auto dx = golden.values(name, "in/dy");
        std::vector<float> dtable(static_cast<size_t>(shape[0] * shape[1]));
        TestContext context;
        embedding_backward(context.op, ids, {dx.data(), static_cast<int64_t>(ids.size()), shape[1]},
                           {dtable.data(), shape[0], shape[1]});
        golden.expect_within(name, "dtable", dtable, GoldenPrecision::fp32);
    }
}

}  // namespace
}  // namespace hone::math
