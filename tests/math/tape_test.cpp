// The tape's gradients: zero at first, one for each matrix, and memory that is used again.
#include "math/autograd/tape.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "test_context.h"

namespace hone::math {
namespace {

TEST(Tape, ReleasedMemoryBecomesAnotherGradient) {
    TestContext context;
    const WeightGradients nothing;
    Tape tape(context.op, nothing);
    std::vector<float> values(3 * 64);
    const MatrixView<const float> large(values.data(), 4, 16), small(values.data() + 64, 2, 16),
        other(values.data() + 128, 4, 8);
    const auto dlarge = tape.gradient(large), dsmall = tape.gradient(small);
    EXPECT_NE(dlarge.data, dsmall.data);
    std::ranges::fill(std::span(dlarge.data, 64), 1.0f);
    EXPECT_EQ(tape.gradient(large).data, dlarge.data);
    tape.release(large);
    tape.release(small);
    const auto dother = tape.gradient(other);
    EXPECT_EQ(dother.data, dsmall.data) << "the smallest that is large enough";
    const auto again = tape.gradient(large);
    EXPECT_EQ(again.data, dlarge.data);
    EXPECT_EQ(std::ranges::count(std::span(again.data, 64), 0.0f), 64);
    tape.release(MatrixView<const float>(values.data() + 1, 1, 1));
}

}  // namespace
}  // namespace hone::math
