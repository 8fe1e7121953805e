// Rates of the matrix-product kernels as shares of what their dot instruction can do on registers, one thread. Kernel
// and peak loop alternate, and the median share counts, so that a busy machine slows both. Weights that fit the caches
// are read again and again ("cached"); else the kernel walks over copies that do not ("streamed"), and the share of the
// memory's read rate is given too. Arguments: nothing, or parts of kernel names to run ("i8", "avx512").

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/huge_pages.h"
#include "base/rng.h"
#include "bench/limits.h"
#include "math/kernels/kernel_table.h"
#include "math/quant/weight.h"

namespace hone::math {
namespace {

struct Subject {
    const GemmKernels::Gemm& gemm;
    const GemmKernels::PrepareRow& prepare;
    const GemmKernels::Peak& peak;
    ActivationFormat activations;
    WeightFormat format;
};

std::vector<Subject> subjects_of(const GemmKernels& kernels) {
    return {
        {kernels.f32_f32, kernels.prepare_f32, kernels.peak_f32, ActivationFormat::f32, WeightFormat::f32},
        {kernels.bf16_bf16, kernels.prepare_bf16, kernels.peak_bf16, ActivationFormat::bf16, WeightFormat::bf16},
        {kernels.bf16_int4g32, kernels.prepare_bf16, kernels.peak_bf16, ActivationFormat::bf16, WeightFormat::int4_g32},
        {kernels.i8_int4g32, kernels.prepare_i8g32, kernels.peak_i8, ActivationFormat::i8_g32, WeightFormat::int4_g32},
    };
}

HugeMemory allocate(size_t bytes) {
    auto memory = HugeMemory::allocate(bytes);
    CHECK(memory.ok(), "{}", memory.error().message);
    return std::move(*memory);
}

HugeMemory random_activations(const Subject& subject, int32_t rows, int32_t k) {
    const int64_t row_bytes = activation_row_bytes(subject.activations, k);
    HugeMemory lines = allocate(static_cast<size_t>(rows * row_bytes));
    std::vector<float> x(static_cast<size_t>(k));
    Random random(2);
    const EvenSplit tiles = row_tiles(rows);
    for (int64_t row = 0; row < rows; row++) {
        for (float& value : x) value = random.normal();
        const int64_t tile = tiles.part_of(row), line_bytes = line_of(subject.activations).bytes;
        std::byte* first = lines.data() + tiles.first(tile) * row_bytes + (row - tiles.first(tile)) * line_bytes;
        subject.prepare.run(x.data(), k, first, tiles.size(tile) * line_bytes);
    }
    return lines;
}

void measure(ThreadPool& pool, const Subject& subject, std::span<const std::byte> memory, int32_t rows, int32_t k,
             int32_t n, bool streamed) {
    const auto seconds_of = [&](FunctionRef<void()> body) { return timed(pool.threads(), body).seconds; };
    const auto bytes = static_cast<int64_t>(packed_bytes(subject.format, n, k));
    const HugeMemory x = random_activations(subject, rows, k);
    const HugeMemory y = allocate(static_cast<size_t>(rows) * static_cast<size_t>(n) * sizeof(float));
    GemmTask task{.activations = x.data(), .rows = rows, .n = n, .k = k, .y_stride = n};
    task.y = reinterpret_cast<float*>(y.data());
    task.panels = (n + panel_columns(subject.format) - 1) / panel_columns(subject.format);
    const int64_t copies = streamed ? static_cast<int64_t>(memory.size()) / bytes : 1;
    int64_t at = 0;
    const auto run = [&](int64_t count) {
        for (; count > 0; count--, at = (at + 1) % copies) {
            task.weight = memory.data() + at * bytes;
            subject.gemm.run(task);
        }
    };
    run(1);
    const double operations = 2.0 * rows * k * n;
    const double one = seconds_of([&] { run(1); });
    const auto count = static_cast<int64_t>(std::clamp(0.004 / one, 1.0, 1000.0));
    std::vector<double> of_peak, of_memory, rates;
    for (int i = 0; i < (one > 0.1 ? 1 : 9); i++) {
        const double before = peak_rate(pool, subject.peak);
        const double memory_rate = streamed ? read_rate(pool, memory.first(size_t{64} << 20)) : 1;
        const double calls = static_cast<double>(count) / seconds_of([&] { run(count); });
        of_peak.push_back(calls * operations / ((before + peak_rate(pool, subject.peak)) / 2));
        of_memory.push_back(calls * static_cast<double>(bytes) / memory_rate);
        rates.push_back(calls * operations);
    }
    fmt::print("{:28} M={:<4} {:>5}x{:<5} {:8}  {:5.1f} % of peak  {:7.1f} Gop/s", subject.gemm.name, rows, k, n,
               streamed ? "streamed" : "cached", 100 * median(of_peak), median(rates) * 1e-9);
    if (streamed) fmt::print("  {:5.1f} % of the memory's read rate", 100 * median(of_memory));
    fmt::print("\n");
    std::fflush(stdout);
}

// Bytes without infinities or NaNs in any of the formats.
HugeMemory finite_weights(size_t bytes) {
    HugeMemory memory = allocate(bytes);
    Random random(1);
    auto* words = reinterpret_cast<uint64_t*>(memory.data());
    for (size_t i = 0; i < bytes / 8; i++) words[i] = random.bits64() & 0xbfffbfffbfffbfffu;
    return memory;
}

}  // namespace
}  // namespace hone::math

int main(int argc, char** argv) {
    using namespace hone::math;
    hone::ThreadPool pool(1);
    const hone::HugeMemory memory = finite_weights(size_t{256} << 20);
    const auto wanted = [&](std::string_view name) {
        return std::all_of(argv + 1, argv + argc, [&](const char* part) { return name.find(part) != name.npos; });
    };
    struct Shape {
        int32_t k, n;
    };
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (const Subject& subject : subjects_of(table->gemm)) {
            if (!wanted(subject.gemm.name) || table->isa == Isa::reference) continue;
            for (const int32_t rows : {1, 4, 8, 12, 16, 24, 32, 256}) {
                for (const Shape shape : {Shape{2048, 2048}, {2048, 1536}, {2048, 1024}, {768, 2048}}) {
                    measure(pool, subject, memory.bytes(), rows, shape.k, shape.n, false);
                }
                measure(pool, subject, memory.bytes(), rows, 2048, 2048, true);
            }
        }
    }
}
