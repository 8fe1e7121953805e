#include "base/rng.h"

#include <cmath>
#include <numbers>
#include <random>

namespace hone {

Philox4x32 philox4x32(std::array<uint32_t, 2> key, Philox4x32 counter) {
    constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
    constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
    for (int round = 0; round < 10; round++) {
        const uint64_t product0 = kMultiplier0 * counter[0], product1 = kMultiplier1 * counter[2];
        counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
                   static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
        key[0] += kWeyl0;
        key[1] += kWeyl1;
    }
    return counter;
}

static Philox4x32 block_at(uint64_t seed, uint64_t stream, uint64_t index) {
    return philox4x32({static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
                      {static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), static_cast<uint32_t>(stream),
                       static_cast<uint32_t>(stream >> 32)});
}

double uniform_at(uint64_t seed, uint64_t stream, uint64_t index) {
    const Philox4x32 words = block_at(seed, stream, index);
    return static_cast<double>((uint64_t{words[0]} << 32 | words[1]) >> 11) * 0x1p-53;
}

uint32_t Random::bits32() {
    if (next_ % 4 == 0) block_ = block_at(seed_, stream_, next_ / 4);
    return block_[next_++ % 4];
}

float Random::normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return static_cast<float>(radius * std::cos(2 * std::numbers::pi * uniform()));
}

uint64_t entropy64() {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
}

}  // namespace hone
