// Where the time of a forward pass goes: the thread that runs the pass says which phase it enters, and the innermost
// one gets the time. Costs two readings of the clock a scope, and one branch where nobody asked.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "math/ops/op_context.h"

namespace hone::math {

// dense: matrix products that every row passes, with what is fused to them; experts: those of chosen rows; quantise:
// preparing activations for any of these, but not what gate and up hand to down within experts; other: norms, rotary,
// residual sums, and the rest; sampling: what the caller does with logits.
enum class Phase : uint8_t { other, attention, experts, dense, head, router, quantise, sampling };
inline constexpr int kPhases = 8;

constexpr std::string_view name_of(Phase phase) {
    constexpr std::string_view kNames[kPhases] = {"other", "attention", "experts",  "dense",
                                                  "head",  "router",    "quantise", "sampling"};
    return kNames[static_cast<size_t>(phase)];
}

class PhaseClock {
  public:
    // Returns the phase that was left.
    Phase enter(Phase phase) {
        const double now = monotonic_seconds();
        seconds_[static_cast<size_t>(phase_)] += now - since_;
        since_ = now;
        return std::exchange(phase_, phase);
    }
    // Of all scopes so far.
    double seconds(Phase phase) const { return seconds_[static_cast<size_t>(phase)]; }
    // Forgets what was measured; time counts as `other` from now on.
    void restart() { *this = PhaseClock(); }

  private:
    std::array<double, kPhases> seconds_{};
    Phase phase_ = Phase::other;
    double since_ = monotonic_seconds();
};

// The phase of the enclosing block.
class PhaseScope {
  public:
    PhaseScope(const OpContext& context, Phase phase) : clock_(context.phases) {
        if (clock_) outer_ = clock_->enter(phase);
    }
    ~PhaseScope() {
        if (clock_) clock_->enter(outer_);
    }
    PhaseScope(const PhaseScope&) = delete;
    PhaseScope& operator=(const PhaseScope&) = delete;

  private:
    PhaseClock* clock_;
    Phase outer_ = Phase::other;
};

}  // namespace hone::math
