// Every row kernel walks over rows of 128 MiB, and over as many that it writes, so that memory is what limits it; in a
// model, rows often are in a cache.
#include <array>
#include <cstring>

#include "cli/bench/kernel_cases.h"

namespace hone::cli {
namespace {

using math::KernelTable;

constexpr int64_t kRow = 2048, kHead = 128, kVocabulary = 151936, kSlots = 8;
constexpr size_t kBytes = size_t{128} << 20;

struct RowOperation {
    const char* kernel;
    int64_t length;  // values of x, and of y, from one row to the next
    double bytes;    // that a row reads and writes
    // Reads x, reads or writes y.
    void (*run)(const KernelTable& kernels, const float* x, float* y);
};

const std::array<float, kRow>& ones() {
    static const std::array<float, kRow> values = [] {
        std::array<float, kRow> all;
        all.fill(1);
        return all;
    }();
    return values;
}

void add_functions(const math::RowKernels& rows, std::vector<RowOperation>& operations) {
    constexpr double kBytesOfRow = 8 * kRow;
    const auto add = [&](const char* kernel, void (*run)(const KernelTable&, const float*, float*)) {
        operations.push_back({kernel, kRow, kBytesOfRow, run});
    };
    add(rows.exp.name, [](const KernelTable& k, const float* x, float* y) { k.rows.exp.run(x, y, kRow); });
    add(rows.exp2.name, [](const KernelTable& k, const float* x, float* y) { k.rows.exp2.run(x, y, kRow); });
    add(rows.log.name, [](const KernelTable& k, const float* x, float* y) { k.rows.log.run(x, y, kRow); });
    add(rows.sigmoid.name, [](const KernelTable& k, const float* x, float* y) { k.rows.sigmoid.run(x, y, kRow); });
    add(rows.tanh.name, [](const KernelTable& k, const float* x, float* y) { k.rows.tanh.run(x, y, kRow); });
    add(rows.sin.name, [](const KernelTable& k, const float* x, float* y) { k.rows.sin.run(x, y, kRow); });
    add(rows.cos.name, [](const KernelTable& k, const float* x, float* y) { k.rows.cos.run(x, y, kRow); });
}

void add_layer_rows(const math::RowKernels& rows, std::vector<RowOperation>& operations) {
    const auto add = [&](const char* kernel, int64_t length, double bytes,
                         void (*run)(const KernelTable&, const float*, float*)) {
        operations.push_back({kernel, length, bytes, run});
    };
    add(rows.rms_norm.name, kRow, 8 * kRow, [](const KernelTable& k, const float* x, float* y) {
        k.rows.rms_norm.run(x, ones().data(), 1e-6f, false, y, kRow);
    });
    add(rows.rotate_halves.name, kHead, 4 * kHead, [](const KernelTable& k, const float*, float* y) {
        k.rows.rotate_halves.run(ones().data(), ones().data(), y, kHead / 2);
    });
    add(rows.rotate_pairs.name, kHead, 4 * kHead, [](const KernelTable& k, const float*, float* y) {
        k.rows.rotate_pairs.run(ones().data(), ones().data(), y, kHead / 2);
    });
    add(rows.swiglu.name, kRow, 8 * kRow,
        [](const KernelTable& k, const float* x, float* y) { k.rows.swiglu.run(x, y, y, kRow); });
    add(rows.add.name, kRow, 8 * kRow,
        [](const KernelTable& k, const float* x, float* y) { k.rows.add.run(x, y, kRow); });
    add(rows.clamp.name, kRow, 4 * kRow,
        [](const KernelTable& k, const float*, float* y) { k.rows.clamp.run(0.5f, y, kRow); });
    add(rows.scale.name, kRow, 4 * kRow,
        [](const KernelTable& k, const float*, float* y) { k.rows.scale.run(-1.0f, y, kRow); });
    add(rows.widen_bf16.name, kRow, 6 * kRow, [](const KernelTable& k, const float* x, float* y) {
        k.rows.widen_bf16.run(reinterpret_cast<const math::bf16*>(x), y, kRow);
    });
    add(rows.round_bf16.name, kRow, 6 * kRow, [](const KernelTable& k, const float* x, float* y) {
        k.rows.round_bf16.run(x, reinterpret_cast<math::bf16*>(y), kRow);
    });
    add(rows.softmax.name, kHead, 8 * kHead,
        [](const KernelTable& k, const float* x, float* y) { k.rows.softmax.run(x, y, kHead); });
    add(rows.log_sum_exp.name, kVocabulary, 4 * kVocabulary, [](const KernelTable& k, const float* x, float* y) {
        k.rows.log_sum_exp.run(x, 1, reinterpret_cast<math::LogSum*>(y), kVocabulary);
    });
    add(rows.logprobs.name, kVocabulary, 8 * kVocabulary, [](const KernelTable& k, const float* x, float* y) {
        k.rows.logprobs.run(x, 1, {1, 12}, y, kVocabulary);
    });
}

void add_backward_rows(const math::RowKernels& rows, std::vector<RowOperation>& operations) {
    const auto add = [&](const char* kernel, int64_t length, double bytes,
                         void (*run)(const KernelTable&, const float*, float*)) {
        operations.push_back({kernel, length, bytes, run});
    };
    add(rows.rms_norm_backward.name, kRow, 8 * kRow, [](const KernelTable& k, const float* x, float* y) {
        const float* weight = ones().data();
        k.rows.rms_norm_backward.run({x, weight, 1e-6f, false, weight, y, nullptr}, kRow);
    });
    add(rows.swiglu_backward.name, kRow, 8 * kRow, [](const KernelTable& k, const float* x, float* y) {
        constexpr int64_t kHalf = kRow / 2;
        k.rows.swiglu_backward.run(x, x + kHalf, ones().data(), y, y + kHalf, kHalf);
    });
    add(rows.clamp_backward.name, kRow, 8 * kRow,
        [](const KernelTable& k, const float* x, float* y) { k.rows.clamp_backward.run(x, 0.5f, y, kRow); });
    add(rows.softmax_backward.name, kHead, 8 * kHead, [](const KernelTable& k, const float* x, float* y) {
        k.rows.softmax_backward.run(x, ones().data(), y, kHead);
    });
    add(rows.logprobs_backward.name, kVocabulary, 4 * kVocabulary, [](const KernelTable& k, const float*, float* y) {
        k.rows.logprobs_backward.run(1, {1, 12}, nullptr, 1, y, kVocabulary);
    });
    add(rows.sum.name, kVocabulary, 4 * kVocabulary,
        [](const KernelTable& k, const float* x, float* y) { *y = k.rows.sum.run(x, kVocabulary); });
}

// What matrix products are given, and what becomes of experts' outputs and of new keys and values.
void add_activation_rows(const KernelTable& table, std::vector<RowOperation>& operations) {
    using math::ActivationFormat;
    const auto add = [&](const char* kernel, int64_t length, double bytes,
                         void (*run)(const KernelTable&, const float*, float*)) {
        operations.push_back({kernel, length, bytes, run});
    };
    const auto prepared_bytes = [](ActivationFormat format) {
        return 4 * kRow + static_cast<double>(math::activation_row_bytes(format, kRow));
    };
    add(table.gemm.prepare_f32.name, kRow, prepared_bytes(ActivationFormat::f32),
        [](const KernelTable& k, const float* x, float* y) {
            k.gemm.prepare_f32.run(x, kRow, reinterpret_cast<std::byte*>(y), 64);
        });
    add(table.gemm.prepare_bf16.name, kRow, prepared_bytes(ActivationFormat::bf16),
        [](const KernelTable& k, const float* x, float* y) {
            k.gemm.prepare_bf16.run(x, kRow, reinterpret_cast<std::byte*>(y), 64);
        });
    add(table.gemm.prepare_i8g32.name, kRow, prepared_bytes(ActivationFormat::i8_g32),
        [](const KernelTable& k, const float* x, float* y) {
            k.gemm.prepare_i8g32.run(x, kRow, reinterpret_cast<std::byte*>(y), math::kI8LineBytes);
        });
    add(table.gemm.prepare_i8p32.name, kRow, prepared_bytes(ActivationFormat::i8_p32),
        [](const KernelTable& k, const float* x, float* y) {
            k.gemm.prepare_i8p32.run(x, kRow, reinterpret_cast<std::byte*>(y), math::kI8LineBytes);
        });
    add(table.gemm.weighted_sum.name, kRow, 4 * (kRow + kRow / kSlots),
        [](const KernelTable& k, const float* x, float* y) {
            static constexpr int32_t kPositions[kSlots] = {5, 2, 7, 0, 1, 4, 6, 3};
            k.gemm.weighted_sum.run(x, kRow / kSlots, kPositions, ones().data(), kSlots, y, kRow / kSlots);
        });
    // A page of keys or values of one head.
    constexpr int64_t kTokens = 64;
    add(table.attention.store_key.name, kTokens * kHead, 6 * kTokens * kHead,
        [](const KernelTable& k, const float* x, float* y) {
            for (int32_t slot = 0; slot < kTokens; slot++)
                k.attention.store_key.run(x + slot * kHead, slot, kHead, reinterpret_cast<math::bf16*>(y));
        });
    add(table.attention.store_value.name, kTokens * kHead, 6 * kTokens * kHead,
        [](const KernelTable& k, const float* x, float* y) {
            for (int32_t slot = 0; slot < kTokens; slot++)
                k.attention.store_value.run(x + slot * kHead, slot, kHead, reinterpret_cast<math::bf16*>(y));
        });
}

// One row by both tables, from the same x and y.
Status check(KernelStage& stage, const RowOperation& operation, const float* x) {
    const auto length = static_cast<size_t>(operation.length);
    std::vector<float> actual(x + length, x + 2 * length), expected = actual;
    operation.run(stage.kernels(), x, actual.data());
    operation.run(stage.reference().kernels, x, expected.data());
    return same_bits(operation.kernel, actual, expected);
}

Result<BenchRow> measure_rows(KernelStage& stage, const std::string& name, const RowOperation& operation) {
    auto numbers = stage.numbers(kBytes);
    if (!numbers) return numbers.error();
    auto outputs = stage.outputs(kBytes);
    if (!outputs) return outputs.error();
    const auto* x = reinterpret_cast<const float*>(numbers->data());
    auto* y = reinterpret_cast<float*>(outputs->data());
    if (const Status right = check(stage, operation, x); !right) return right.error();

    const auto rows = static_cast<int64_t>(kBytes / sizeof(float)) / operation.length;
    const int64_t rows_of_tile = std::max<int64_t>(1, (1 << 16) / operation.length);
    const double bytes = static_cast<double>(rows) * operation.bytes;
    return stage.watch().rate(name, "GB/s", bytes / 1e9, {.bytes = bytes}, stage.repeats(), [&] {
        stage.pool().parallel_for((rows + rows_of_tile - 1) / rows_of_tile, [&](int64_t tile, int) {
            const int64_t end = std::min(rows, (tile + 1) * rows_of_tile);
            for (int64_t row = tile * rows_of_tile; row < end; row++)
                operation.run(stage.kernels(), x + row * operation.length, y + row * operation.length);
        });
    });
}

}  // namespace

std::vector<KernelCase> row_cases(const KernelTable& kernels) {
    std::vector<RowOperation> operations;
    add_functions(kernels.rows, operations);
    add_layer_rows(kernels.rows, operations);
    add_backward_rows(kernels.rows, operations);
    add_activation_rows(kernels, operations);
    std::vector<KernelCase> cases;
    for (const RowOperation& operation : operations) {
        std::string name = fmt::format("kernel/{}/{}", operation.kernel, operation.length);
        cases.push_back({name, true, [=](KernelStage& stage) { return measure_rows(stage, name, operation); }});
    }
    return cases;
}

}  // namespace hone::cli
