// Element types of tensors as checkpoints store them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hone::math {

// All that safetensors 0.8 defines (its Rust enum Dtype).
enum class DType : uint8_t {
    f64,
    f32,
    f16,
    bf16,
    f8_e4m3,
    f8_e5m2,
    i64,
    i32,
    i16,
    i8,
    u8,
    boolean,
    u64,
    u32,
    u16,
    f8_e8m0,
    f8_e4m3fnuz,
    f8_e5m2fnuz,
    f6_e2m3,
    f6_e3m2,
    f4,
    c64,
};

constexpr size_t bits_of(DType type) {
    constexpr uint8_t kBits[] = {64, 32, 16, 16, 8, 8, 64, 32, 16, 8, 8, 8, 64, 32, 16, 8, 8, 8, 6, 6, 4, 64};
    return kBits[static_cast<size_t>(type)];
}

// Bytes of an element; 0 for those of less than a byte.
constexpr size_t size_of(DType type) {
    return bits_of(type) / 8;
}

// The name that safetensors uses: "BF16", "F32", "I64"...
constexpr std::string_view name_of(DType type) {
    constexpr std::string_view kNames[] = {
        "F64",  "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2",     "I64",         "I32",     "I16",     "I8", "U8",
        "BOOL", "U64", "U32", "U16",  "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4", "C64"};
    return kNames[static_cast<size_t>(type)];
}

constexpr std::optional<DType> dtype_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(DType::c64); i++) {
        if (name_of(static_cast<DType>(i)) == name) return static_cast<DType>(i);
    }
    return std::nullopt;
}

}  // namespace hone::math
