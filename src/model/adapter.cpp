#include "model/adapter.h"

#include <xxhash.h>

namespace hone::model {

namespace {

constexpr auto kFormat = math::WeightFormat::f32;

// One matrix to pack, and where it goes.
struct Packing {
    int32_t n, k;
    const float* values;
    size_t offset;
};

// Lists the one or many matrices [n, k] that `values` holds.
void list_packings(std::span<const float> values, int32_t n, int32_t k, int32_t experts, size_t& bytes,
                   std::vector<Packing>& packings) {
    const size_t size = static_cast<size_t>(n) * static_cast<size_t>(k);
    CHECK(values.size() == size || values.size() == size * static_cast<size_t>(experts),
          "{} values for [{}, {}] and {} experts", values.size(), n, k, experts);
    for (size_t at = 0; at < values.size(); at += size) {
        packings.push_back({n, k, &values[at], bytes});
        bytes += math::packed_bytes(kFormat, n, k);
    }
}

// Of the packed factors, by blocks, and of what they change and how.
std::string fingerprint_of(std::span<const AdaptedMatrix> matrices, std::span<const std::byte> packed,
                           ThreadPool& pool) {
    constexpr size_t kBlock = size_t{1} << 20;
    std::vector<XXH128_hash_t> blocks((packed.size() + kBlock - 1) / kBlock);
    pool.parallel_for(std::ssize(blocks), [&](int64_t i, int) {
        const auto block = packed.subspan(static_cast<size_t>(i) * kBlock);
        blocks[static_cast<size_t>(i)] = XXH3_128bits(block.data(), std::min(kBlock, block.size()));
    });
    std::string facts;
    for (const AdaptedMatrix& matrix : matrices) {
        const auto scale = static_cast<double>(matrix.scale);
        facts += fmt::format("{} {} {} {:a} {} {};", matrix.name, matrix.experts, matrix.rank, scale, matrix.a.size(),
                             matrix.b.size());
    }
    const XXH128_hash_t content = XXH3_128bits(blocks.data(), blocks.size() * sizeof(XXH128_hash_t));
    const XXH128_hash_t both = XXH3_128bits_withSeed(facts.data(), facts.size(), content.low64 ^ content.high64);
    return fmt::format("{:016x}{:016x}", content.low64 ^ both.low64, content.high64 ^ both.high64);
}

}  // namespace

Result<std::shared_ptr<const Adapter>> Adapter::pack(std::span<const AdaptedMatrix> matrices, ThreadPool& pool) {
    size_t bytes = 0;
    std::vector<Packing> packings;
    for (const AdaptedMatrix& matrix : matrices) {
        list_packings(matrix.a, matrix.rank, matrix.base.k, matrix.experts, bytes, packings);
        list_packings(matrix.b, matrix.base.n, matrix.rank, matrix.experts, bytes, packings);
    }
    auto memory = HugeMemory::allocate(bytes);
    if (!memory) return memory.error();
    auto adapter = std::make_shared<Adapter>();
    adapter->memory_ = std::move(*memory);
    std::byte* data = adapter->memory_.data();
    pool.parallel_for(std::ssize(packings), [&](int64_t i, int) {
        const auto& [n, k, values, offset] = packings[static_cast<size_t>(i)];
        math::pack_weight(kFormat, n, k, 0, n, values, data + offset);
    });

    adapter->fingerprint_ = fingerprint_of(matrices, adapter->memory_.bytes(), pool);
    size_t next = 0;
    for (const AdaptedMatrix& matrix : matrices) {
        const auto weights_of = [&](std::span<const float> values, int32_t n, int32_t k) {
            const size_t count = values.size() / (static_cast<size_t>(n) * static_cast<size_t>(k));
            std::vector<math::Weight> weights;
            for (size_t i = 0; i < count; i++) weights.push_back({kFormat, n, k, data + packings[next++].offset});
            weights.resize(static_cast<size_t>(matrix.experts), weights.back());
            return weights;
        };
        const auto a = weights_of(matrix.a, matrix.rank, matrix.base.k);
        const auto b = weights_of(matrix.b, matrix.base.n, matrix.rank);
        auto& factors = adapter->factors_[matrix.base.data];
        CHECK(factors.empty(), "a matrix is adapted twice");
        for (size_t e = 0; e < a.size(); e++) factors.push_back({a[e], b[e], matrix.scale});
    }
    return std::shared_ptr<const Adapter>(std::move(adapter));
}

}  // namespace hone::model
