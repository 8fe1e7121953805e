#include "cli/verbs.h"

#include <cstdio>

#include <fmt/format.h>

namespace hone::cli {

int report(const Status& result) {
    if (result) return 0;
    fmt::print(stderr, "hone: {}\n", result.error().message);
    return 1;
}

}  // namespace hone::cli
