// Element types of tensors as checkpoints store them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hone::math {

enum class DType : uint8_t { f64, f32, f16, bf16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u8, boolean };

constexpr size_t size_of(DType type) {
    switch (type) {
        case DType::f64:
        case DType::i64:
            return 8;
        case DType::f32:
        case DType::i32:
            return 4;
        case DType::f16:
        case DType::bf16:
        case DType::i16:
            return 2;
        default:
            return 1;
    }
}

// The name that safetensors uses: "BF16", "F32", "I64"...
constexpr std::string_view name_of(DType type) {
    constexpr std::string_view kNames[] = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2",
                                           "I64", "I32", "I16", "I8",   "U8",      "BOOL"};
    return kNames[static_cast<size_t>(type)];
}

constexpr std::optional<DType> dtype_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(DType::boolean); i++) {
        if (name_of(static_cast<DType>(i)) == name) return static_cast<DType>(i);
    }
    return std::nullopt;
}

}  // namespace hone::math
