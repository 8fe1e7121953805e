// Accuracy of the elementary functions against long double, edge cases, and equal bits on every ISA.

#include "math/kernels/elementary.h"

#include "test_context.h"

namespace hone::math {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Function {
    const char* name;
    RowKernels::Unary RowKernels::*kernel;
    long double (*exact)(long double);
    double max_ulps;
    float lowest, highest;  // where the result is a normal number and the bound holds
};

long double exact_sigmoid(long double x) {
    return 1 / (1 + std::exp(-x));
}

const Function kFunctions[] = {
    {"exp2", &RowKernels::exp2, [](long double x) { return std::exp2(x); }, kExp2MaxUlps, -126.0f, 127.99999f},
    {"exp", &RowKernels::exp, [](long double x) { return std::exp(x); }, kExpMaxUlps, -87.33654f, 88.72283f},
    {"log", &RowKernels::log, [](long double x) { return std::log(x); }, kLogMaxUlps, 0x1p-126f, 0x1.fffffep127f},
    {"sigmoid", &RowKernels::sigmoid, exact_sigmoid, kSigmoidMaxUlps, -87.0f, 100.0f},
    {"tanh", &RowKernels::tanh, [](long double x) { return std::tanh(x); }, kTanhMaxUlps, -100.0f, 100.0f},
    {"sin", &RowKernels::sin, [](long double x) { return std::sin(x); }, kSinCosMaxUlps, -kMaxAngle, kMaxAngle},
    {"cos", &RowKernels::cos, [](long double x) { return std::cos(x); }, kSinCosMaxUlps, -kMaxAngle, kMaxAngle},
};

const RowKernels& fastest() {
    return runnable_kernel_tables().back()->rows;
}

// Every stride-th bit pattern of a float, in blocks.
void for_all_floats(uint32_t stride, const std::function<void(std::span<const float>)>& visit) {
    constexpr size_t kBlock = 4096;
    std::vector<float> block;
    for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += stride) {
        block.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
        if (block.size() == kBlock) {
            visit(block);
            block.clear();
        }
    }
    visit(block);
}

double ulps_between(float actual, long double exact) {
    const float nearest = static_cast<float>(exact);
    const int exponent = nearest == 0 ? -126 : std::max(std::ilogb(nearest), -126);
    return static_cast<double>(std::abs(actual - exact) / std::ldexp(1.0L, exponent - 23));
}

TEST(Elementary, StaysWithinTheStatedErrorOverAllFloats) {
    flush_denormals();
    for (const Function& function : kFunctions) {
        double worst = 0;
        float worst_at = 0;
        std::vector<float> y(4096);
        for_all_floats(4099, [&](std::span<const float> x) {
            (fastest().*function.kernel).run(x.data(), y.data(), static_cast<int64_t>(x.size()));
            for (size_t i = 0; i < x.size(); i++) {
                if (!(x[i] >= function.lowest && x[i] <= function.highest) || std::abs(x[i]) < 0x1p-126f) continue;
                const long double exact = function.exact(x[i]);
                if (std::abs(exact) < 0x1p-126L) continue;  // flushed
                const double ulps = ulps_between(y[i], exact);
                if (!(ulps <= worst)) worst = ulps, worst_at = x[i];
            }
        });
        EXPECT_LE(worst, function.max_ulps) << function.name << " at " << worst_at;
        RecordProperty(std::string("max_ulps_of_") + function.name, fmt::format("{:.3f}", worst));
    }
}

TEST(Elementary, SineAndCosineOfManyLargeAngles) {
    flush_denormals();
    Random random(5);
    std::vector<float> x(1 << 16), y(x.size());
    for (const float range : {10.0f, 1000.0f, 131072.0f, 0x1p20f, kMaxAngle}) {
        for (float& angle : x) angle = range * (2 * static_cast<float>(random.uniform()) - 1);
        for (const Function& function : std::span(kFunctions).last(2)) {
            (fastest().*function.kernel).run(x.data(), y.data(), static_cast<int64_t>(x.size()));
            double worst = 0;
            for (size_t i = 0; i < x.size(); i++) worst = std::max(worst, ulps_between(y[i], function.exact(x[i])));
            EXPECT_LE(worst, function.max_ulps) << function.name << " up to " << range;
        }
    }
}

TEST(Elementary, EdgeCases) {
    flush_denormals();
    const auto expect = [](RowKernels::Unary RowKernels::*kernel, float x, float y) {
        for (const KernelTable* table : runnable_kernel_tables()) {
            float actual = -7;
            (table->rows.*kernel).run(&x, &actual, 1);
            EXPECT_TRUE(same_bits(actual, y)) << (table->rows.*kernel).name << "(" << x << ") = " << actual;
        }
    };
    expect(&RowKernels::exp2, -kInfinity, 0);
    expect(&RowKernels::exp2, -126, 0x1p-126f);
    expect(&RowKernels::exp2, -126.00001f, 0);
    expect(&RowKernels::exp2, 0, 1);
    expect(&RowKernels::exp2, 10, 1024);
    expect(&RowKernels::exp2, 127, 0x1p127f);
    expect(&RowKernels::exp2, 128, kInfinity);
    expect(&RowKernels::exp2, kInfinity, kInfinity);
    expect(&RowKernels::exp2, kNaN, kNaN);
    expect(&RowKernels::exp, -kInfinity, 0);
    expect(&RowKernels::exp, -1e30f, 0);
    expect(&RowKernels::exp, 0, 1);
    expect(&RowKernels::exp, -0.0f, 1);
    expect(&RowKernels::exp, 88.72284f, kInfinity);
    expect(&RowKernels::exp, 1e30f, kInfinity);
    expect(&RowKernels::exp, kInfinity, kInfinity);
    expect(&RowKernels::exp, kNaN, kNaN);
    expect(&RowKernels::log, 0, -kInfinity);
    expect(&RowKernels::log, 1, 0);
    expect(&RowKernels::log, -1, kNaN);
    expect(&RowKernels::log, kInfinity, kInfinity);
    expect(&RowKernels::log, kNaN, kNaN);
    expect(&RowKernels::sigmoid, -kInfinity, 0);
    expect(&RowKernels::sigmoid, 0, 0.5f);
    expect(&RowKernels::sigmoid, kInfinity, 1);
    expect(&RowKernels::sigmoid, kNaN, kNaN);
    expect(&RowKernels::tanh, -kInfinity, -1);
    expect(&RowKernels::tanh, kInfinity, 1);
    expect(&RowKernels::tanh, kNaN, kNaN);
    for (const auto kernel : {&RowKernels::sin, &RowKernels::cos}) {
        expect(kernel, kInfinity, kNaN);
        expect(kernel, -kInfinity, kNaN);
        expect(kernel, kNaN, kNaN);
        expect(kernel, 2 * kMaxAngle, kNaN);
    }
    expect(&RowKernels::sin, 0, 0);
    expect(&RowKernels::cos, 0, 1);
}

TEST(Elementary, EveryIsaGivesTheBitsOfTheReference) {
    flush_denormals();
    const RowKernels& reference = runnable_kernel_tables().front()->rows;
    for (const Function& function : kFunctions) {
        std::vector<float> expected(4096), actual(4096);
        for_all_floats(65519, [&](std::span<const float> x) {
            const auto count = static_cast<int64_t>(x.size());
            (reference.*function.kernel).run(x.data(), expected.data(), count);
            for (const KernelTable* table : runnable_kernel_tables()) {
                (table->rows.*function.kernel).run(x.data(), actual.data(), count);
                for (size_t i = 0; i < x.size(); i++) {
                    ASSERT_TRUE(same_bits(actual[i], expected[i]))
                        << (table->rows.*function.kernel).name << "(" << fmt::format("{}", x[i]) << ")";
                }
            }
        });
    }
}

}  // namespace
}  // namespace hone::math
