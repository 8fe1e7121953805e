#include "text/tokenizer/base64.h"

#include <array>
#include <cstdint>

namespace hone::text {

namespace {

constexpr std::array<int8_t, 256> make_values() {
    std::array<int8_t, 256> values{};
    values.fill(-1);
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < kAlphabet.size(); ++i)
        values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
    return values;
}

constexpr auto kValues = make_values();

}  // namespace

std::optional<std::string> decode_base64(std::string_view encoded) {
    for (int i = 0; i < 2 && encoded.ends_with('='); ++i) encoded.remove_suffix(1);
    if (encoded.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(encoded.size() * 3 / 4);
    uint32_t bits = 0;
    int count = 0;
    for (const char c : encoded) {
        const int value = kValues[static_cast<unsigned char>(c)];
        if (value < 0) return std::nullopt;
        bits = bits << 6 | static_cast<uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xFF);
        }
    }
    return out;
}

}  // namespace hone::text
