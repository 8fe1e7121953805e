// Counter-based random numbers: the value depends on the key and the counter alone, so any order of drawing gives the
// same numbers. Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <array>
#include <cstdint>

namespace hone {

using Philox4x32 = std::array<uint32_t, 4>;

// The four words of block `counter` under `key`.
Philox4x32 philox4x32(std::array<uint32_t, 2> key, Philox4x32 counter);

// Uniform in [0, 1) with 53 bits, a function of (seed, stream, index) only.
double uniform_at(uint64_t seed, uint64_t stream, uint64_t index);

// Sequential draws from one (seed, stream); for tests, random weights and shuffles.
class Random {
  public:
    explicit Random(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

    uint32_t bits32();
    uint64_t bits64() { return uint64_t{bits32()} << 32 | bits32(); }
    double uniform() { return static_cast<double>(bits64() >> 11) * 0x1p-53; }
    // Uniform in [0, n), n > 0. The bias is below n / 2^64.
    uint64_t below(uint64_t n) { return static_cast<uint64_t>((static_cast<unsigned __int128>(bits64()) * n) >> 64); }
    // Standard normal (Box-Muller).
    float normal();

  private:
    uint64_t seed_, stream_, next_ = 0;
    Philox4x32 block_{};
};

// 64 bits from the operating system, for seeds that nobody gave.
uint64_t entropy64();

}  // namespace hone
