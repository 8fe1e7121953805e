// What the golden data of training share: the models by name, and a packed batch under some prefix of a case's inputs.
#pragma once

#include <string>
#include <vector>

#include "model/checkpoint/load.h"
#include "tests/math/golden_ops.h"
#include "train/training_pass.h"

namespace hone::train {

// Aborts with the reason where the checkpoint cannot be loaded.
inline model::LoadedModel load_golden_model(const std::string& name, ThreadPool& pool) {
    auto loaded = model::load_model(golden_folder() / "training/models" / name, {.quiet = true}, pool);
    CHECK(loaded.ok(), "{}", loaded.error().message);
    return std::move(*loaded);
}

// The tensors PREFIX/tokens, targets and offsets ("in", "in/batch0"); several targets a token are target_tokens.
struct GoldenBatch {
    std::vector<int32_t> tokens, targets;
    std::vector<int64_t> offsets;

    GoldenBatch(const math::GoldenOp& golden, const std::string& name, const std::string& prefix) {
        tokens = golden.values<int32_t>(name, prefix + "/tokens");
        const bool has_several = golden.has(name, prefix + "/target_tokens");
        targets = golden.values<int32_t>(name, prefix + (has_several ? "/target_tokens" : "/targets"));
        for (const int32_t offset : golden.values<int32_t>(name, prefix + "/offsets")) offsets.push_back(offset);
    }
    PackedBatch view() const {
        const auto rows = std::ssize(tokens);
        return {tokens, offsets, {targets.data(), rows, std::ssize(targets) / rows}};
    }
};

}  // namespace hone::train
