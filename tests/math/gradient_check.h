// What the tests of backward passes share: gradients by central differences in double, and one result on every kernel
// table and thread count.
#pragma once

#include "test_context.h"

namespace hone::math {

inline std::vector<double> widened(std::span<const float> values) {
    return {values.begin(), values.end()};
}

// df / dx_i for every i; f() reads x.
template <class Function>
std::vector<double> numeric_gradient(std::vector<double>& x, Function f, double step = 1e-4) {
    std::vector<double> gradient;
    for (double& value : x) {
        const double middle = value;
        value = middle + step;
        const double above = f();
        value = middle - step;
        gradient.push_back((above - f()) / (2 * step));
        value = middle;
    }
    return gradient;
}

// after - before against the expected gradient, the l2 norm of the difference relative to that of the gradient.
inline void expect_added(std::span<const float> before, std::span<const float> after, std::span<const double> expected,
                         double tolerance, const std::string& what) {
    ASSERT_EQ(before.size(), after.size()) << what;
    ASSERT_EQ(after.size(), expected.size()) << what;
    double error = 0, norm = 0;
    for (size_t i = 0; i < expected.size(); i++) {
        error += std::pow(double{after[i]} - double{before[i]} - expected[i], 2);
        norm += expected[i] * expected[i];
    }
    EXPECT_LE(std::sqrt(error), tolerance * std::sqrt(norm)) << what;
}

// run(OpContext&) gives a vector of floats: the same bits on every kernel table and from 1 to 3 threads.
template <class Run>
void expect_same_everywhere(Run run, const std::string& what) {
    TestContext reference(*runnable_kernel_tables().front());
    const std::vector<float> expected = run(reference.op);
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (const int threads : {1, 2, 3}) {
            TestContext context(*table, threads);
            expect_same_bits(run(context.op), expected,
                             fmt::format("{}: {} with {} threads", what, describe(*table), threads));
        }
    }
}

}  // namespace hone::math
