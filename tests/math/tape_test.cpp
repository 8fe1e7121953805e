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
    std::vector<float> values(4 * 64);
    const MatrixView<float> large(values.data(), 4, 16), small(values.data() + 64, 2, 16),
        other(values.data() + 128, 4, 8), more(values.data() + 192, 1, 32);
    const auto dlarge = tape.gradient(large), dsmall = tape.gradient(small);
    EXPECT_NE(dlarge.data, dsmall.data);
    std::ranges::fill(std::span(dlarge.data, 64), 1.0f);
    EXPECT_EQ(tape.gradient(large).data, dlarge.data);
    tape.forget(small);
    tape.release(large);
    tape.release(small);
    EXPECT_EQ(tape.gradient(other).data, small.data) << "the smallest that is large enough";
    EXPECT_EQ(tape.gradient(more).data, dsmall.data) << "a matrix is forgotten once";
    EXPECT_EQ(tape.gradient(small).data, large.data);
    const auto again = tape.gradient(large);
    EXPECT_EQ(again.data, dlarge.data);
    EXPECT_EQ(std::ranges::count(std::span(again.data, 64), 0.0f), 64);
    tape.release(MatrixView<float>(values.data() + 1, 1, 1));
}

TEST(Tape, AMatrixWithoutValuesLendsNoMemory) {
    TestContext context;
    const WeightGradients nothing;
    Tape tape(context.op, nothing);
    std::vector<float> given(64), values(64);
    const auto x = tape.without_values(4, 16), y = tape.without_values(4, 16);
    EXPECT_NE(x.data, y.data);
    tape.set_gradient(x, {given.data(), 4, 16});
    tape.release(x);
    const auto dvalues = tape.gradient({values.data(), 4, 16});
    EXPECT_NE(dvalues.data, x.data);
    EXPECT_NE(dvalues.data, given.data());
}

TEST(Tape, AGradientThatWasSetIsTheSummandsToo) {
    TestContext context;
    const WeightGradients nothing;
    Tape tape(context.op, nothing);
    std::vector<float> values(4 * 16), given(16, 2.0f);
    const MatrixView<float> x(values.data(), 1, 16), y(values.data() + 16, 1, 16), z(values.data() + 32, 1, 16),
        own(values.data() + 48, 1, 16);
    tape.gradient(z);
    EXPECT_FALSE(tape.is_set(x) || tape.is_set(z));
    tape.set_gradient(x, {given.data(), 1, 16});
    EXPECT_TRUE(tape.is_set(x));
    tape.add_gradient(x, y);
    EXPECT_TRUE(tape.is_set(y)) << "x's";
    EXPECT_EQ(tape.gradient(y).data, given.data());
    tape.release(y);
    EXPECT_NE(tape.gradient(own).data, given.data()) << "memory that is not the tape's";
    std::ranges::fill(std::span(tape.gradient(z).data, 16), 1.0f);
    tape.add_gradient(x, z);
    EXPECT_EQ(tape.gradient(z).data[15], 3.0f) << "used elsewhere too";
    tape.add_gradient(z, own);
    EXPECT_NE(tape.gradient(own).data, tape.gradient(z).data);
}

}  // namespace
}  // namespace hone::math
