// Where the golden data lie: the folder that the environment variable HONE_GOLDEN names, or tests/golden; and what is
// there.
#pragma once

#include <filesystem>

#include "base/env.h"

namespace hone {

inline std::filesystem::path golden_folder() {
    return env("HONE_GOLDEN").value_or(HONE_TESTS_DIR "/golden");
}

// The families that have a checkpoint there, models/NAME.
inline constexpr const char* kGoldenFamilies[] = {"qwen3", "qwen3_moe", "olmoe", "minimax_m2"};

}  // namespace hone
