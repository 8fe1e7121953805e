#include "base/env.h"

#include <cstdlib>

namespace hone {

std::optional<std::string> env(const char* name) {
    const char* value = std::getenv(name);
    if (!value || !*value) return std::nullopt;
    return value;
}

}  // namespace hone
