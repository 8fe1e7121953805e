#include <bit>
#include <cstring>

#include "base/rng.h"
#include "cli/bench/kernel_cases.h"

namespace hone::cli {

Result<std::unique_ptr<KernelStage>> KernelStage::create(const math::KernelTable& kernels, int threads, int repeats) {
    std::unique_ptr<KernelStage> stage(new KernelStage(kernels, threads, repeats));
    auto meter = LimitMeter::create(stage->pool_, kernels);
    if (!meter) return meter.error();
    stage->meter_ = std::make_unique<LimitMeter>(std::move(*meter));
    stage->watch_ = std::make_unique<Stopwatch>(*stage->meter_);
    return stage;
}

math::OpContext KernelStage::measured(math::NumericClass int4_class) {
    return {pool_, workspace_, kernels_, int4_class};
}

math::OpContext KernelStage::reference(math::NumericClass int4_class) {
    return {pool_, workspace_, *math::runnable_kernel_tables().front(), int4_class};
}

Result<std::span<const std::byte>> KernelStage::numbers(size_t bytes) {
    bytes = std::max(bytes, uncached_bytes(pool_.threads()));
    if (numbers_.size() >= bytes) return std::span<const std::byte>(numbers_.bytes());
    // Of every 16 bits, as bf16: any sign and mantissa, exponents from -7 to 0.
    constexpr uint64_t kKeep = 0x83ff83ff83ff83ff, kSet = 0x3c003c003c003c00;
    constexpr size_t kPart = size_t{1} << 20;
    auto memory = HugeMemory::allocate((bytes + kPart - 1) / kPart * kPart);
    if (!memory) return memory.error();
    numbers_ = std::move(*memory);
    pool_.parallel_for(static_cast<int64_t>(numbers_.size() / kPart), [&](int64_t part, int) {
        Random random(1, static_cast<uint64_t>(part));
        std::byte* to = numbers_.data() + static_cast<size_t>(part) * kPart;
        for (size_t at = 0; at < kPart; at += sizeof(uint64_t)) {
            const uint64_t word = (random.bits64() & kKeep) | kSet;
            std::memcpy(to + at, &word, sizeof word);
        }
    });
    return std::span<const std::byte>(numbers_.bytes());
}

Result<std::span<std::byte>> KernelStage::outputs(size_t bytes) {
    if (outputs_.size() < bytes) {
        auto memory = HugeMemory::allocate(bytes);
        if (!memory) return memory.error();
        outputs_ = std::move(*memory);
    }
    return outputs_.bytes().first(bytes);
}

Status same_bits(std::string_view kernel, std::span<const float> actual, std::span<const float> expected) {
    CHECK_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); i++) {
        if (std::bit_cast<uint32_t>(actual[i]) == std::bit_cast<uint32_t>(expected[i])) continue;
        return error("{} is wrong: output {} of a sample is {} where the reference kernel gives {}", kernel, i,
                     actual[i], expected[i]);
    }
    return ok();
}

void fill_normal(math::MatrixView<float> x, uint64_t seed) {
    Random random(seed);
    for (int64_t row = 0; row < x.rows; row++) {
        for (float& value : x.row_span(row)) value = random.normal();
    }
}

Work work_of(math::ActivationFormat activations, double operations) {
    switch (activations) {
        case math::ActivationFormat::f32:
            return {.f32_ops = operations};
        case math::ActivationFormat::bf16:
            return {.bf16_ops = operations};
        case math::ActivationFormat::i8_g32:
        case math::ActivationFormat::i8_p32:
            break;
    }
    return {.i8_ops = operations};
}

}  // namespace hone::cli
