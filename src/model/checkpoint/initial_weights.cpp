#include "model/checkpoint/initial_weights.h"

#include <algorithm>

#include "base/rng.h"
#include "model/checkpoint/weight_plan.h"
#include "model/zoo/zoo.h"

namespace hone::model {
namespace {

constexpr int64_t kBlockRows = 64;  // a multiple of what pack_weight takes at a time

// FNV-1a (Fowler, Noll, Vo): a name as a number.
uint64_t number_of(std::string_view name) {
    uint64_t hash = 0xcbf29ce484222325;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

double initializer_range(const boost::json::object& config) {
    const auto* const range = config.if_contains("initializer_range");
    return range && range->is_number() ? range->to_number<double>() : 0.02;
}

// Mean 0, deviation 1: the sum of twelve uniform numbers of 16 bits (Irwin and Hall), a normal distribution but for its
// tails beyond 3 deviations, none beyond 6. Whole numbers and one product: the same bits with every C library.
float deviate(Random& random) {
    constexpr int64_t kMean = 6 * 65535;
    int64_t sum = -kMean;
    for (int i = 0; i < 6; i++) {
        const uint32_t bits = random.bits32();
        sum += (bits & 0xffff) + (bits >> 16);
    }
    return static_cast<float>(static_cast<double>(sum) * 0x1p-16);
}

struct Tile {
    const PlannedWeight* weight;
    int64_t first_row;
};

// Rows from tile.first_row on; every row has a stream of the generator.
void fill(const Tile& tile, uint64_t seed, double deviation, std::byte* out) {
    const WeightSlot& slot = tile.weight->slot;
    const int64_t rows = std::min<int64_t>(kBlockRows, slot.n - tile.first_row);
    std::vector<float> values(static_cast<size_t>(rows * slot.k), 1.0f);
    if (!tile.weight->format) {
        std::ranges::copy(values, reinterpret_cast<float*>(out) + tile.first_row);
        return;
    }
    for (int64_t row = 0; row < rows; row++) {
        const auto index = static_cast<uint64_t>(tile.first_row + row);
        Random random(seed, number_of(slot.name) + index * 0x9e3779b97f4a7c15);
        for (float& value : std::span(values).subspan(static_cast<size_t>(row * slot.k), static_cast<size_t>(slot.k)))
            value = static_cast<float>(deviation * double{deviate(random)});
    }
    math::pack_weight(*tile.weight->format, slot.n, slot.k, tile.first_row, rows, values.data(), out);
}

}  // namespace

Result<LoadedModel> initial_model(const boost::json::object& config, FileSet files, std::string name, uint64_t seed,
                                  ThreadPool& pool) {
    auto model = make_model(config);
    if (!model) return model.error().within(name);
    const auto plan = plan_weights(**model, WeightChoice::bf16);
    if (!plan) return plan.error().within(name);
    if (const Status fits = check_memory(plan->bytes, fmt::format("{}: the weights", name)); !fits) return fits.error();
    auto memory = HugeMemory::allocate(plan->bytes);
    if (!memory) return memory.error().within(name);
    std::vector<Tile> tiles;
    for (const PlannedWeight& weight : plan->weights) {
        attach(weight.slot, weight.format, memory->data() + weight.offset);
        if (weight.twin) continue;
        for (int64_t row = 0; row < weight.slot.n; row += kBlockRows) tiles.push_back({&weight, row});
    }
    pool.parallel_for(std::ssize(tiles), [&](int64_t i, int) {
        const Tile& tile = tiles[static_cast<size_t>(i)];
        fill(tile, seed, initializer_range(config), memory->data() + tile.weight->offset);
    });
    return LoadedModel{.model = std::move(*model),
                       .weights = WeightStore(std::move(*memory)),
                       .config = config,
                       .files = std::move(files),
                       .name = std::move(name)};
}

}  // namespace hone::model
