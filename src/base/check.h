// CHECK: our own mistakes abort with the condition, the place and the values. Never for input from outside
// (base/result.h).
#pragma once

#include <string>

#include <fmt/format.h>

namespace hone {

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);

inline std::string check_message() {
    return {};
}
template <class... Args>
std::string check_message(fmt::format_string<Args...> format, Args&&... args) {
    return fmt::format(format, std::forward<Args>(args)...);
}

}  // namespace hone

#define CHECK(condition, ...)                                                                         \
    do {                                                                                              \
        if (!(condition)) [[unlikely]]                                                                \
            ::hone::check_failed(__FILE__, __LINE__, #condition, ::hone::check_message(__VA_ARGS__)); \
    } while (false)

#define HONE_CHECK_COMPARE(a, op, b)                                                        \
    do {                                                                                    \
        const auto& check_a = (a);                                                          \
        const auto& check_b = (b);                                                          \
        if (!(check_a op check_b)) [[unlikely]]                                             \
            ::hone::check_failed(__FILE__, __LINE__, #a " " #op " " #b,                     \
                                 ::hone::check_message("{} against {}", check_a, check_b)); \
    } while (false)

#define CHECK_EQ(a, b) HONE_CHECK_COMPARE(a, ==, b)
#define CHECK_LE(a, b) HONE_CHECK_COMPARE(a, <=, b)
#define CHECK_LT(a, b) HONE_CHECK_COMPARE(a, <, b)
#define CHECK_GE(a, b) HONE_CHECK_COMPARE(a, >=, b)
#define CHECK_GT(a, b) HONE_CHECK_COMPARE(a, >, b)
