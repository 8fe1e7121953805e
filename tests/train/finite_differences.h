// Central differences in double against a gradient.
#pragma once

#include <cmath>
#include <functional>
#include <span>
#include <vector>

#include <gtest/gtest.h>

namespace hone::train {

// f is a plain double-precision reference; what it keeps constant (a stopped gradient) it has computed before.
inline void expect_gradient(const std::function<double(std::span<const double>)>& f, std::span<const float> x,
                            std::span<const float> gradient, const std::string& what, double tolerance = 1e-5) {
    ASSERT_EQ(x.size(), gradient.size()) << what;
    constexpr double kStep = 1e-5;
    std::vector<double> at(x.begin(), x.end());
    double largest = 1e-3;
    for (const float g : gradient) largest = std::max(largest, std::abs(double{g}));
    for (size_t i = 0; i < at.size(); i++) {
        const double middle = at[i];
        at[i] = middle + kStep;
        const double above = f(at);
        at[i] = middle - kStep;
        const double below = f(at);
        at[i] = middle;
        EXPECT_NEAR((above - below) / (2 * kStep), gradient[i], tolerance * largest) << what << " element " << i;
    }
}

}  // namespace hone::train
