#include "model/checkpoint/random_weights.h"

#include <algorithm>
#include <cstring>

#include "base/progress.h"
#include "base/rng.h"
#include "math/quant/packed_layout.h"
#include "model/checkpoint/weight_plan.h"
#include "model/zoo/zoo.h"

namespace hone::model {

namespace {

// A multiple of every format's step, so that a chunk begins where a step does.
constexpr size_t kChunkBytes = static_cast<size_t>(math::kInt4Panel.step_bytes) * 1024;
constexpr int64_t kTileRows = 64;

// The random bits kept, and those set, in a word of two bf16 or one fp32: any sign and mantissa, exponent -7 or -6.
struct WordMask {
    uint32_t keep, set;
};
constexpr WordMask kBf16Pair = {0x80ff80ff, 0x3c003c00};
constexpr WordMask kF32 = {0x80ffffff, 0x3c000000};
// The same times 2^10, for embeddings. Attention over random keys is nearly a mean over the sequence, which all tokens
// share; if it outweighed a token's own embedding in the residual stream, all tokens would choose the same experts.
constexpr WordMask kLargeBf16Pair = {0x80ff80ff, 0x41004100};
constexpr WordMask kLargeF32 = {0x80ffffff, 0x41000000};
// Two INT4 scales from 1/256 up to 1.25/256: times codes of -8..7, that is again near 0.02.
constexpr WordMask kScalePair = {0x001f001f, 0x3b803b80};
constexpr WordMask kAnyBits = {0xffffffff, 0};

// Eight stored codes 0..15 (-8..7): -8 becomes 0, so that the weights' mean is 0. A mean of half a step would add up over
// k to one direction that all tokens share after some layers, and all of them would choose the same experts.
void balance_codes(std::byte* codes, size_t bytes) {
    for (size_t at = 0; at < bytes; at += sizeof(uint32_t)) {
        uint32_t word;
        std::memcpy(&word, codes + at, sizeof word);
        const uint32_t nonzero = (word | word >> 1 | word >> 2 | word >> 3) & 0x11111111;
        word |= (~nonzero & 0x11111111) << 3;
        std::memcpy(codes + at, &word, sizeof word);
    }
}

// Random words over [begin, begin + bytes) of a weight; 16 bytes a block of the generator, whose stream is the
// weight's.
void fill_words(uint64_t seed, uint32_t stream, size_t begin, size_t bytes, WordMask mask, std::byte* out) {
    for (size_t at = 0; at < bytes; at += 16) {
        const uint64_t block = (begin + at) / 16;
        Philox4x32 words = philox4x32({static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
                                      {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), stream, 0});
        for (uint32_t& word : words) word = (word & mask.keep) | mask.set;
        std::memcpy(out + at, words.data(), std::min<size_t>(16, bytes - at));
    }
}

// Whether the packed form has no paddings, which must stay zero.
bool fills_its_panels(const PlannedWeight& weight) {
    const int32_t n = weight.slot.n, k = weight.slot.k;
    switch (*weight.format) {
        case math::WeightFormat::f32:
            return n % math::kF32Panel.columns == 0;
        case math::WeightFormat::bf16:
            return n % math::kBf16Panel.columns == 0 && k % 2 == 0;
        case math::WeightFormat::int4_g32:
            return n % math::kInt4Panel.columns == 0 && k % (2 * math::kGroup) == 0;
        case math::WeightFormat::bf16_rows:
            return int64_t{n} * k % 32 == 0;
    }
    return false;
}

// Packed bytes [begin, begin + bytes) of a weight without paddings.
void fill_packed(const PlannedWeight& weight, uint64_t seed, uint32_t stream, size_t begin, size_t bytes,
                 std::byte* out) {
    if (*weight.format != math::WeightFormat::int4_g32) {
        const bool is_f32 = *weight.format == math::WeightFormat::f32,
                   is_large = weight.slot.role == WeightRole::embedding;
        fill_words(seed, stream, begin, bytes, is_f32 ? kF32 : is_large ? kLargeBf16Pair : kBf16Pair, out);
        return;
    }
    for (size_t at = 0; at < bytes; at += math::kInt4Panel.step_bytes) {
        constexpr size_t kScales = math::kInt4ScaleOffset, kOdd = math::kInt4OddGroupOffset;
        fill_words(seed, stream, begin + at, kScales, kAnyBits, out + at);
        fill_words(seed, stream, begin + at + kScales, kOdd - kScales, kScalePair, out + at + kScales);
        fill_words(seed, stream, begin + at + kOdd, math::kInt4Panel.step_bytes - kOdd, kAnyBits, out + at + kOdd);
        balance_codes(out + at, kScales);
        balance_codes(out + at + kOdd, math::kInt4Panel.step_bytes - kOdd);
    }
}

// Rows of a weight with paddings (or a vector): fp32 values, then packed.
void fill_rows(const PlannedWeight& weight, uint64_t seed, uint32_t stream, int64_t first_row, std::byte* block) {
    const WeightSlot& slot = weight.slot;
    const int64_t rows = std::min<int64_t>(kTileRows, slot.n - first_row);
    std::vector<float> values(static_cast<size_t>(rows * slot.k), slot.role == WeightRole::norm ? 1.0f : 0.0f);
    if (!weight.format) {
        std::memcpy(block + static_cast<size_t>(first_row) * sizeof(float), values.data(),
                    values.size() * sizeof(float));
        return;
    }
    const size_t begin = static_cast<size_t>(first_row) * static_cast<size_t>(slot.k) * sizeof(float);
    fill_words(seed, stream, begin, values.size() * sizeof(float),
               slot.role == WeightRole::embedding ? kLargeF32 : kF32, reinterpret_cast<std::byte*>(values.data()));
    math::pack_weight(*weight.format, slot.n, slot.k, first_row, rows, values.data(), block);
}

struct RandomTile {
    uint32_t weight;
    size_t begin;  // byte of the packed form, or row
    bool by_rows;
};

std::vector<RandomTile> cut_into_tiles(const WeightPlan& plan, const WeightGroup& group) {
    std::vector<RandomTile> tiles;
    for (size_t i = group.first; i < group.last; i++) {
        const PlannedWeight& weight = plan.weights[i];
        if (weight.twin) continue;
        const bool by_rows = !weight.format || !fills_its_panels(weight);
        const size_t end = by_rows ? static_cast<size_t>(weight.slot.n) : weight.bytes;
        const size_t step = by_rows ? kTileRows : kChunkBytes;
        for (size_t at = 0; at < end; at += step) tiles.push_back({static_cast<uint32_t>(i), at, by_rows});
    }
    return tiles;
}

}  // namespace

void fill_random(const WeightPlan& plan, const WeightGroup& group, uint64_t seed, std::byte* out, ThreadPool& pool) {
    const std::vector<RandomTile> tiles = cut_into_tiles(plan, group);
    pool.parallel_for(static_cast<int64_t>(tiles.size()), [&](int64_t i, int) {
        const RandomTile& tile = tiles[static_cast<size_t>(i)];
        const PlannedWeight& weight = plan.weights[tile.weight];
        std::byte* own = out + (weight.offset - group.begin);
        if (tile.by_rows) {
            fill_rows(weight, seed, tile.weight, static_cast<int64_t>(tile.begin), own);
        } else {
            const size_t bytes = std::min(kChunkBytes, weight.bytes - tile.begin);
            fill_packed(weight, seed, tile.weight, tile.begin, bytes, own + tile.begin);
        }
    });
}

Result<LoadedModel> random_model(const boost::json::object& config, std::string name, const RandomOptions& options,
                                 ThreadPool& pool) {
    auto model = make_model(config);
    if (!model) return model.error().within(name);
    const auto plan = plan_weights(**model, options.weights);
    if (!plan) return plan.error().within(name);
    if (const Status fits = check_memory(plan->bytes, fmt::format("{}: the weights", name)); !fits) return fits.error();
    auto memory = HugeMemory::allocate(plan->bytes);
    if (!memory) return memory.error().within(name);

    Progress progress(fmt::format("filling {}", name), plan->bytes, Progress::Unit::bytes, options.quiet);
    for (const WeightGroup& group : cut_into_groups(*plan)) {
        fill_random(*plan, group, options.seed, memory->data() + group.begin, pool);
        progress.advance(group.end - group.begin);
    }
    progress.finish();
    for (const auto& weight : plan->weights) attach(weight.slot, weight.format, memory->data() + weight.offset);
    return LoadedModel{.model = std::move(*model),
                       .weights = WeightStore(std::move(*memory)),
                       .config = config,
                       .files = {},
                       .name = std::move(name)};
}

}  // namespace hone::model
