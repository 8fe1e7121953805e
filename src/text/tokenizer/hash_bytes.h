// A fast hash of short byte strings, for tables in memory only: it is not stable between versions. Inline, because
// every word of a text goes through it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace hone::text {

inline uint64_t hash_bytes(std::string_view bytes) {
    constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;
    const auto mix = [](uint64_t a, uint64_t b) {
        const auto product = static_cast<unsigned __int128>(a) * b;
        return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    };
    const char* p = bytes.data();
    size_t left = bytes.size();
    uint64_t hash = mix(left + 1, kMultiplier);
    uint64_t word;
    for (; left >= 8; left -= 8, p += 8) {
        std::memcpy(&word, p, 8);
        hash = mix(hash ^ word, kMultiplier);
    }
    word = 0;
    if (left >= 4) {  // two overlapping halves
        uint32_t low, high;
        std::memcpy(&low, p, 4);
        std::memcpy(&high, p + left - 4, 4);
        word = uint64_t{high} << 32 | low;
    } else if (left > 0) {
        const auto* bytes_left = reinterpret_cast<const unsigned char*>(p);
        word = uint64_t{bytes_left[0]} | uint64_t{bytes_left[left / 2]} << 8 | uint64_t{bytes_left[left - 1]} << 16;
    }
    return mix(hash ^ word, kMultiplier);
}

}  // namespace hone::text
