// A mixture-of-experts layer in INT4 and a dense projection, as ops: gathering, quantising and summing included. Shares
// of the int8 peak (many tokens) and of the memory's read rate (few), both measured by the same threads in the same
// run, the median of alternations; with several threads, on a quiet machine only. Experts are chosen at random for each
// token, and weights exceed the caches. Arguments: threads (1), tokens (all).

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include <fmt/core.h>

#include "base/huge_pages.h"
#include "base/rng.h"
#include "bench/limits.h"
#include "math/ops/linear.h"
#include "math/ops/moe.h"

namespace hone::math {
namespace {

struct Bench {
    ThreadPool pool;
    Workspace workspace;
    OpContext context{pool, workspace, *runnable_kernel_tables().back()};
    HugeMemory weights;

    explicit Bench(int threads) : pool(threads) {
        auto memory = HugeMemory::allocate(size_t{512} << 20);
        CHECK(memory.ok(), "{}", memory.error().message);
        weights = std::move(*memory);
        Random random(1);
        auto* words = reinterpret_cast<uint64_t*>(weights.data());
        for (size_t i = 0; i < weights.size() / 8; i++)
            words[i] = random.bits64() & 0x3fff3fff3fff3fffu;  // finite, small
    }

    double seconds_of(FunctionRef<void()> body) const { return timed(pool.threads(), body).seconds; }

    // Alternates `body`, which takes `operations` and reads `bytes` of weights, with both limits.
    void report(const std::string& what, double operations, double bytes, FunctionRef<void()> body) {
        body();
        const auto count = static_cast<int64_t>(std::clamp(0.02 / seconds_of(body), 1.0, 1000.0));
        std::vector<double> of_peak, of_memory, times;
        for (int i = 0; i < 11; i++) {
            const double peak = peak_rate(pool, context.kernels.gemm.peak_i8);
            const double memory = read_rate(pool, weights.bytes().first(size_t{128} << 20));
            const double seconds = seconds_of([&] {
                                       for (int64_t n = 0; n < count; n++) body();
                                   }) /
                                   static_cast<double>(count);
            of_peak.push_back(operations / seconds / peak);
            of_memory.push_back(bytes / seconds / memory);
            times.push_back(seconds);
        }
        fmt::print("{:44} {:9.3f} ms  {:5.1f} % of int8 peak  {:5.1f} % of the memory's read rate\n", what,
                   1e3 * median(times), 100 * median(of_peak), 100 * median(of_memory));
        std::fflush(stdout);
    }

    void moe_layer(const std::string& name, int32_t experts, int32_t model, int32_t hidden, int64_t tokens);
    void projection(int32_t n, int32_t k, int64_t tokens);
};

void Bench::moe_layer(const std::string& name, int32_t experts, int32_t model, int32_t hidden, int64_t tokens) {
    constexpr int64_t kSlots = 8;
    const size_t bytes = packed_bytes(WeightFormat::int4_g32, hidden, model);
    CHECK_LE(bytes * static_cast<size_t>(3 * experts), weights.size());
    std::vector<Weight> gate, up, down;
    for (int32_t e = 0; e < experts; e++) {
        const std::byte* at = weights.data() + static_cast<size_t>(e) * 3 * bytes;
        gate.push_back({WeightFormat::int4_g32, hidden, model, at});
        up.push_back({WeightFormat::int4_g32, hidden, model, at + bytes});
        down.push_back({WeightFormat::int4_g32, model, hidden, at + 2 * bytes});
    }
    Random random(3);
    Workspace::Scope scope(workspace);  // as a forward pass has them: in large pages
    const auto x = workspace.matrix<float>(tokens, model), y = workspace.matrix<float>(tokens, model);
    for (int64_t i = 0; i < tokens * model; i++) x.data[i] = random.normal();
    std::vector<float> factors(static_cast<size_t>(tokens * kSlots), 0.125f);
    std::vector<std::vector<int32_t>> routings(32, std::vector<int32_t>(factors.size()));
    for (auto& chosen : routings) {
        for (size_t i = 0; i < chosen.size(); i++) {
            int32_t* own = &chosen[i / size_t{kSlots} * size_t{kSlots}];
            do chosen[i] = static_cast<int32_t>(random.below(static_cast<uint64_t>(experts)));
            while (std::find(own, &chosen[i], chosen[i]) != &chosen[i]);
        }
    }
    const double distinct =
        experts * (1 - std::pow(1 - static_cast<double>(kSlots) / experts, static_cast<double>(tokens)));
    size_t call = 0;
    report(
        fmt::format("moe {} tokens={}", name, tokens), 6.0 * static_cast<double>(tokens) * kSlots * model * hidden,
        3 * distinct * static_cast<double>(bytes), [&] {
            std::vector<int32_t>& chosen = routings[call++ % routings.size()];
            moe(context, x, {{chosen.data(), tokens, kSlots}, {factors.data(), tokens, kSlots}}, {gate, up, down}, y);
        });
}

void Bench::projection(int32_t n, int32_t k, int64_t tokens) {
    const size_t bytes = packed_bytes(WeightFormat::int4_g32, n, k);
    Workspace::Scope scope(workspace);
    const auto x = workspace.matrix<float>(tokens, k), y = workspace.matrix<float>(tokens, n);
    std::fill_n(x.data, tokens * k, 1.0f);
    size_t at = 0;
    report(fmt::format("linear {}x{} tokens={}", k, n, tokens), 2.0 * static_cast<double>(tokens) * n * k,
           static_cast<double>(bytes), [&] {
               linear(context, x, Weight{WeightFormat::int4_g32, n, k, weights.data() + at}, y);
               at = at + 2 * bytes <= weights.size() ? at + bytes : 0;
           });
}

}  // namespace
}  // namespace hone::math

int main(int argc, char** argv) {
    hone::math::Bench bench(argc > 1 ? std::max(1, std::atoi(argv[1])) : 1);
    for (const int64_t tokens : {1, 8, 32, 512}) {
        if (argc > 2 && tokens != std::atoi(argv[2])) continue;
        bench.moe_layer("OLMoE", 64, 2048, 1024, tokens);
        bench.moe_layer("Qwen3-30B-A3B", 128, 2048, 768, tokens);
        bench.projection(4096, 2048, tokens);
    }
}
