// What the phases of a forward pass cost at least: matrix products, and bytes that must come from memory. The limit of a
// phase is the longer of the two, that of a pass the sum over its phases. Nothing is counted for norms, rotary,
// elementwise work, the preparation of activations, the embedding and the writing of keys and values. Pure functions.
#pragma once

#include <array>

#include "cli/bench/machine_limits.h"
#include "math/ops/phase_clock.h"
#include "model/model.h"

namespace hone::cli {

// Of one row of a pass, and of what a pass reads whatever its rows.
struct ModelCost {
    Work dense, head, router;  // operations of a row; bytes of the weights
    Work expert;               // operations of a row in all its experts; bytes of one expert of one layer
    double attention_ops = 0;  // of a row for each key that it sees, all layers
    double key_bytes = 0;      // of a position's keys and values, all layers
};

ModelCost cost_of(model::Model& model, math::NumericClass int4_class);

// What some passes did.
struct PassCounts {
    double passes = 0, rows = 0;
    double head_passes = 0, logits_rows = 0;  // passes with logits, and rows of them
    double experts = 0;                       // distinct experts, over layers and passes
    double keys_seen = 0;                     // keys that a row sees, over rows
    double keys_read = 0;                     // positions of the sequences, over passes
};

using PhaseWork = std::array<Work, math::kPhases>;
PhaseWork work_of(const ModelCost& cost, const PassCounts& counts);

// What all phases need, to say which limits count.
Work sum_of(const PhaseWork& work);
// The seconds that the limits allow.
double seconds_of(const PhaseWork& work, const MachineLimits& limits);

}  // namespace hone::cli
