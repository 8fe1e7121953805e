// Attention as an op, one thread and two: prefill as a share of what the bf16 dot instruction can do on registers,
// decode as a share of the rate at which the same threads read memory. Op and limit alternate, and the median share
// counts, so that a busy machine slows both; repeats in which a thread had to wait for its core are left out while
// there are others ("unclean" if not). Arguments: nothing, or the name of an ISA.

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/huge_pages.h"
#include "base/rng.h"
#include "bench/limits.h"
#include "math/ops/attention.h"

namespace hone::math {
namespace {

constexpr int32_t kHeadDim = 128;
constexpr size_t kMemory = size_t{768} << 20;

// Prints the median of rate / limit; both give units a second.
void compare(const std::string& what, const char* unit, int threads, double limit_units, FunctionRef<void()> limit,
             double units, FunctionRef<void()> body) {
    struct Sample {
        double share, rate, limit;
        bool clean;
    };
    std::vector<Sample> samples;
    body();
    size_t clean = 0;
    for (int i = 0; i < 25 && clean < 9; i++) {
        const Timed before = timed(threads, limit), run = timed(threads, body), after = timed(threads, limit);
        const double limit_rate = 2 * limit_units / (before.seconds + after.seconds), rate = units / run.seconds;
        samples.push_back({rate / limit_rate, rate, limit_rate, before.clean && run.clean && after.clean});
        clean += samples.back().clean;
    }
    if (clean >= 3) std::erase_if(samples, [](const Sample& sample) { return !sample.clean; });
    const auto median_of = [&](double Sample::*member) {
        std::vector<double> values;
        for (const Sample& sample : samples) values.push_back(sample.*member);
        return median(values);
    };
    fmt::print("{:58} {:5.1f} %  {:7.1f} of {:7.1f} {}{}\n", what, 100 * median_of(&Sample::share),
               1e-9 * median_of(&Sample::rate), 1e-9 * median_of(&Sample::limit), unit, clean >= 3 ? "" : "  unclean");
    std::fflush(stdout);
}

class Bench {
  public:
    Bench(const KernelTable& kernels, int threads) : pool_(threads), context_{pool_, workspace_, kernels} {
        auto memory = HugeMemory::allocate(kMemory);
        CHECK(memory.ok(), "{}", memory.error().message);
        memory_ = std::move(*memory);
        Random random(1);
        std::vector<bf16> values(1 << 16);
        for (bf16& value : values) value = round_to_bf16(random.normal());
        const size_t bytes = values.size() * sizeof(bf16);
        for (size_t at = 0; at + bytes <= kMemory; at += bytes) std::memcpy(memory_.data() + at, values.data(), bytes);
    }

    void prefill(int32_t heads, int32_t kv_heads, int32_t first_position, int32_t rows) {
        const KvLayer layer = layer_of(kv_heads);
        const std::vector<int32_t> pages = pages_from(0, first_position + rows);
        const AttentionSegment segment{0, rows, first_position, pages};
        Buffers buffers(rows, heads);
        double operations = 0;
        for (int32_t row = 0; row < rows; row++) operations += 4.0 * kHeadDim * heads * (first_position + row + 1);
        const auto& peak = context_.kernels.gemm.peak_bf16;
        const auto turns = static_cast<int64_t>(0.01 * 4e11 / peak.operations);
        compare(
            fmt::format("prefill {:>2} x {} heads, positions {}..{}, {} thread(s)", kv_heads, heads / kv_heads,
                        first_position, first_position + rows - 1, pool_.threads()),
            "Gop/s", pool_.threads(), static_cast<double>(turns) * peak.operations * pool_.threads(),
            [&] { run_peak(pool_, peak, turns); }, operations,
            [&] {
                attention(context_, {&segment, 1}, buffers.q, heads, layer, buffers.y);
            });
    }

    // Calls over successive stretches of the memory, as the layers of a model are.
    void decode(int32_t heads, int32_t kv_heads, int32_t depth) {
        const KvLayer layer = layer_of(kv_heads);
        const int32_t pages_a_call = depth / kPageTokens;
        const auto calls = static_cast<int32_t>(kMemory / layer.page_bytes) / pages_a_call;
        constexpr size_t kBytesATime = size_t{192} << 20;
        const auto calls_a_time = static_cast<int32_t>(kBytesATime / (layer.page_bytes * pages_a_call));
        Buffers buffers(1, heads);
        int32_t next = 0;
        compare(
            fmt::format("decode  {:>2} x {} heads, depth {}, {} thread(s)", kv_heads, heads / kv_heads, depth,
                        pool_.threads()),
            "GB/s", pool_.threads(), static_cast<double>(kBytesATime),
            [&] { read_memory(pool_, next_bytes(kBytesATime)); },
            static_cast<double>(layer.page_bytes) * pages_a_call * calls_a_time,
            [&] {
                for (int32_t call = 0; call < calls_a_time; call++, next = (next + 1) % calls) {
                    const std::vector<int32_t> pages = pages_from(next * pages_a_call, depth);
                    const AttentionSegment segment{0, 1, depth - 1, pages};
                    attention(context_, {&segment, 1}, buffers.q, heads, layer, buffers.y);
                }
            });
    }

  private:
    struct Buffers {
        Buffers(int32_t rows, int32_t heads) : q_values(int64_t{rows} * heads * kHeadDim), y_values(q_values.size()) {
            Random random(2);
            for (float& value : q_values) value = random.normal();
            q = {q_values.data(), rows, int64_t{heads} * kHeadDim};
            y = {y_values.data(), rows, int64_t{heads} * kHeadDim};
        }
        std::vector<float> q_values, y_values;
        MatrixView<const float> q;
        MatrixView<float> y;
    };

    KvLayer layer_of(int32_t kv_heads) const {
        return {memory_.data(), kv_layer_bytes(kv_heads, kHeadDim), 0, kv_heads, kHeadDim};
    }
    static std::vector<int32_t> pages_from(int32_t first, int32_t tokens) {
        std::vector<int32_t> pages((tokens + kPageTokens - 1) / kPageTokens);
        std::iota(pages.begin(), pages.end(), first);
        return pages;
    }

    // The next `bytes` of the memory.
    std::span<const std::byte> next_bytes(size_t bytes) {
        if (read_at_ + bytes > kMemory) read_at_ = 0;
        read_at_ += bytes;
        return memory_.bytes().subspan(read_at_ - bytes, bytes);
    }

    ThreadPool pool_;
    Workspace workspace_;
    OpContext context_;
    HugeMemory memory_;
    size_t read_at_ = 0;
};

}  // namespace
}  // namespace hone::math

int main(int argc, char** argv) {
    const auto kernels = hone::math::select_kernels(argc > 1 ? argv[1] : "auto");
    if (!kernels.ok()) {
        fmt::print(stderr, "{}\n", kernels.error().message);
        return 1;
    }
    for (const int threads : {1, 2}) {
        hone::math::Bench bench(**kernels, threads);
        for (const int32_t position : {0, 2048, 7168}) bench.prefill(32, 4, position, 512);
        bench.prefill(16, 16, 2048, 512);
        bench.decode(32, 4, 8192);
        bench.decode(16, 16, 8192);
        bench.decode(32, 4, 512);
    }
}
