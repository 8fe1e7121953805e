// lora_linear(): the bits of its definition for any mates, threads and ISA, golden values, and gradients against
// differences in double.

#include "golden_ops.h"
#include "gradient_check.h"
#include "lora_fixture.h"
#include "math/ops/linear.h"

namespace hone::math {
namespace {

// Two matrices over one input, and two adapters of them: one has only the first.
struct Mixed {
    static constexpr int32_t kK = 75, kOutputs[] = {41, 130};
    Factors first{1, kOutputs[0], kK, 8}, second{3, kOutputs[1], kK, 8}, other{5, kOutputs[0], kK, 37};
    const LoraWeights* both[2] = {&first.weights, &second.weights};
    const LoraWeights* one[2] = {&other.weights, nullptr};

    // Rows 0..3 have none, the next 150 the first adapter, the last 7 the second.
    static constexpr int64_t kRows = 160;
    const LoraRun runs[2] = {{.first_row = 3, .rows = 150, .weights = both},
                             {.first_row = 153, .rows = 7, .weights = one}};
    std::vector<float> x = random_values(7, kRows*kK), y = random_values(8, kRows*kOutputs[0]),
                       z = random_values(9, kRows*kOutputs[1]);
};

TEST(Lora, GivesTheBitsOfItsDefinition) {
    flush_denormals();
    const Mixed mixed;
    std::vector<float> y = mixed.y, z = mixed.z;
    for (int64_t row = 3; row < Mixed::kRows; row++) {
        const auto part = [row](auto& values, int64_t n) { return std::span(values).subspan(row * n, n); };
        const auto x = part(mixed.x, Mixed::kK);
        add_by_definition(row < 153 ? mixed.first : mixed.other, x, part(y, Mixed::kOutputs[0]));
        if (row < 153) add_by_definition(mixed.second, x, part(z, Mixed::kOutputs[1]));
    }
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (const int threads : {1, 2, 3}) {
            TestContext context(*table, threads);
            std::vector<float> actual_y = mixed.y, actual_z = mixed.z;
            const MatrixView<float> outputs[] = {{actual_y.data(), Mixed::kRows, Mixed::kOutputs[0]},
                                                 {actual_z.data(), Mixed::kRows, Mixed::kOutputs[1]}};
            lora_linear(context.op, {mixed.x.data(), Mixed::kRows, Mixed::kK}, mixed.runs, outputs);
            const auto what = fmt::format("{} {} threads", describe(*table), threads);
            expect_same_bits(actual_y, y, what);
            expect_same_bits(actual_z, z, what);
        }
    }
}

TEST(Lora, ARowDependsOnItselfAndItsAdapterAlone) {
    flush_denormals();
    const Mixed mixed;
    TestContext context;
    std::vector<float> together = mixed.y, z = mixed.z;
    const MatrixView<float> outputs[] = {{together.data(), Mixed::kRows, Mixed::kOutputs[0]},
                                         {z.data(), Mixed::kRows, Mixed::kOutputs[1]}};
    lora_linear(context.op, {mixed.x.data(), Mixed::kRows, Mixed::kK}, mixed.runs, outputs);
    for (const int64_t row : {0, 3, 60, 152, 153, 159}) {
        constexpr int64_t n = Mixed::kOutputs[0];
        std::vector<float> alone(mixed.y.begin() + row * n, mixed.y.begin() + (row + 1) * n);
        const LoraWeights* weights[] = {row < 153 ? &mixed.first.weights : &mixed.other.weights};
        const LoraRun run{.first_row = 0, .rows = 1, .weights = weights};
        const MatrixView<float> output[] = {{alone.data(), 1, n}};
        lora_linear(context.op, {&mixed.x[static_cast<size_t>(row * Mixed::kK)], 1, Mixed::kK},
                    row < 3 ? std::span<const LoraRun>{} : std::span(&run, 1), output);
        expect_same_bits(std::span(together).subspan(row * n, n), alone, fmt::format("row {}", row));
    }
}

// The gradients of Mixed, one vector for all: dx, then da and db of the three.
std::vector<float> mixed_gradients(OpContext& context, const Mixed& mixed, std::span<const LoraRun> runs,
                                   std::vector<float> start) {
    const MatrixView<const float> dy[] = {{mixed.y.data(), Mixed::kRows, Mixed::kOutputs[0]},
                                          {mixed.z.data(), Mixed::kRows, Mixed::kOutputs[1]}};
    float* next = start.data() + mixed.x.size();
    const auto matrix = [&](int64_t rows, int64_t cols) {
        const MatrixView<float> view(next, rows, cols);
        next += rows * cols;
        return view;
    };
    const auto of = [&](const Factors& factors) {
        const Weight &a = factors.a.weight, &b = factors.b.weight;
        const auto da = matrix(a.n, a.k);
        return LoraGradients{da, matrix(b.n, b.k)};
    };
    const LoraGradients first = of(mixed.first), second = of(mixed.second), other = of(mixed.other);
    std::vector<LoraGradients> gradients;
    for (const LoraRun& run : runs) {
        const bool has_both = run.weights[1] != nullptr;
        gradients.push_back(has_both ? first : other);
        gradients.push_back(has_both ? second : LoraGradients{});
    }
    lora_linear_backward(context, {mixed.x.data(), Mixed::kRows, Mixed::kK}, runs, dy,
                         {start.data(), Mixed::kRows, Mixed::kK}, gradients);
    return start;
}

std::vector<float> start_of_gradients(const Mixed& mixed) {
    size_t size = mixed.x.size();
    for (const Factors* factors : {&mixed.first, &mixed.second, &mixed.other})
        size += factors->a_values.size() + factors->b_values.size();
    return random_values(10, static_cast<int64_t>(size));
}

TEST(LoraBackward, ThreadsAndIsaChangeNoBit) {
    const Mixed mixed;
    expect_same_everywhere(
        [&](OpContext& context) { return mixed_gradients(context, mixed, mixed.runs, start_of_gradients(mixed)); },
        "lora_linear_backward");
}

// Chains of factors go on: a run in two parts, in two calls, gives the bits of one.
TEST(LoraBackward, AddsToWhatIsThere) {
    flush_denormals();
    const Mixed mixed;
    TestContext context;
    const auto whole = mixed_gradients(context.op, mixed, mixed.runs, start_of_gradients(mixed));
    const LoraRun begin[] = {{.first_row = 3, .rows = 59, .weights = mixed.both}},
                  end[] = {{.first_row = 62, .rows = 91, .weights = mixed.both}, mixed.runs[1]};
    auto parts = mixed_gradients(context.op, mixed, begin, start_of_gradients(mixed));
    parts = mixed_gradients(context.op, mixed, end, parts);
    expect_same_bits(parts, whole, "two calls");
    EXPECT_TRUE(std::equal(whole.begin(), whole.begin() + 3 * Mixed::kK, start_of_gradients(mixed).begin()))
        << "rows without an adapter";
}

TEST(LoraBackward, AgreesWithFiniteDifferences) {
    const int32_t n = 11, k = 13, rank = 3;
    const int64_t rows = 5;
    const Factors factors(1, n, k, rank);
    const auto x = random_values(3, rows * k), dy = random_values(4, rows * n);
    auto wide_x = widened(x), wide_a = widened(factors.a_values), wide_b = widened(factors.b_values);
    const auto loss = [&] {
        double sum = 0;
        for (size_t t = 0; t < rows; t++) {
            for (size_t r = 0; r < rank; r++) {
                double h = 0;
                for (size_t i = 0; i < k; i++) h += wide_x[t * k + i] * wide_a[r * k + i];
                for (size_t j = 0; j < n; j++) sum += dy[t * n + j] * factors.weights.scale * h * wide_b[j * rank + r];
            }
        }
        return sum;
    };
    const auto dx_expected = numeric_gradient(wide_x, loss), da_expected = numeric_gradient(wide_a, loss),
               db_expected = numeric_gradient(wide_b, loss);
    const LoraWeights* weights[] = {&factors.weights};
    const LoraRun run{.first_row = 0, .rows = rows, .weights = weights};
    const auto x0 = random_values(5, rows * k), a0 = random_values(6, rank * k), b0 = random_values(7, n * rank);
    auto dx = x0, da = a0, db = b0;
    const LoraGradients gradients{{da.data(), rank, k}, {db.data(), n, rank}};
    const MatrixView<const float> dys[] = {{dy.data(), rows, n}};
    TestContext context;
    lora_linear_backward(context.op, {x.data(), rows, k}, {&run, 1}, dys, {dx.data(), rows, k}, {&gradients, 1});
    expect_added(x0, dx, dx_expected, 1e-6, "dx");
    expect_added(a0, da, da_expected, 1e-6, "da");
    expect_added(b0, db, db_expected, 1e-6, "db");
}

// A case of the golden operation: its adapters, and rows that may each have another one.
void expect_golden(const GoldenOp& golden, const std::string& name, OpContext& context, WeightFormat format) {
    const auto extent = [&](const std::string& tensor, size_t i) {
        return static_cast<int32_t>(golden.shape(name, tensor)[i]);
    };
    const int64_t rows = extent("in/x", 0);
    const int32_t k = extent("in/w", 1), n = extent("in/w", 0);
    const bool is_mixed = golden.has(name, "in/adapter");
    std::vector<int32_t> adapter(static_cast<size_t>(rows));
    if (is_mixed) adapter = golden.values<int32_t>(name, "in/adapter");
    std::vector<Factors> factors;
    std::vector<std::vector<float>> da, db;
    const auto alpha = golden.manifest().at("alpha").to_number<float>();
    const std::vector<std::string> suffixes =
        is_mixed ? std::vector<std::string>{"0", "1"} : std::vector{std::string()};
    for (const std::string& suffix : suffixes) {
        const int32_t rank = extent("in/a" + suffix, 0);
        factors.emplace_back(n, k, rank, alpha / static_cast<float>(rank), golden.values(name, "in/a" + suffix),
                             golden.values(name, "in/b" + suffix));
        da.emplace_back(rank * k);
        db.emplace_back(n * rank);
    }
    std::vector<const LoraWeights*> weights;
    for (const Factors& of_adapter : factors) weights.push_back(&of_adapter.weights);
    std::vector<LoraRun> runs;
    std::vector<LoraGradients> gradients;
    for (int64_t t = 0; t < rows; t++) {
        const int32_t own = adapter[static_cast<size_t>(t)];
        if (own < 0) continue;
        const auto at = static_cast<size_t>(own);
        runs.push_back({t, 1, {&weights[at], 1}});
        gradients.push_back({{da[at].data(), factors[at].rank, k}, {db[at].data(), n, factors[at].rank}});
    }
    const PackedWeight base(format, n, k, golden.values(name, "in/w"));
    const auto x = golden.values(name, "in/x"), dy = golden.values(name, "in/dy");
    std::vector<float> y(dy.size()), dx(x.size());
    const MatrixView<float> outputs[] = {{y.data(), rows, n}};
    const MatrixView<const float> dys[] = {{dy.data(), rows, n}};
    linear(context, {x.data(), rows, k}, base.weight, outputs[0]);
    lora_linear(context, {x.data(), rows, k}, runs, outputs);
    linear_backward_input(context, dys[0], base.weight, {dx.data(), rows, k});
    lora_linear_backward(context, {x.data(), rows, k}, runs, dys, {dx.data(), rows, k}, gradients);
    const auto precision = format == WeightFormat::f32 ? GoldenPrecision::fp32 : GoldenPrecision::bf16;
    golden.expect_within(name, "y", y, precision);
    golden.expect_within(name, "dx", dx, precision);
    for (size_t i = 0; i < suffixes.size(); i++) {
        golden.expect_within(name, "da" + suffixes[i], da[i], GoldenPrecision::fp32);
        golden.expect_within(name, "db" + suffixes[i], db[i], GoldenPrecision::fp32);
    }
}

TEST(Lora, Golden) {
    const GoldenOp golden("lora_linear");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table, 2);
        for (const auto& name : golden.cases()) {
            for (const WeightFormat format : {WeightFormat::f32, WeightFormat::bf16})
                expect_golden(golden, name, context.op, format);
        }
    }
}

}  // namespace
}  // namespace hone::math
