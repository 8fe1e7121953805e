// Where the time of a pass goes: the thread that runs it says which phase it enters, and the innermost one gets the
// time; and which way it goes, in training. Costs two readings of the clock a scope, and one branch where nobody asked.
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
// residual sums, and the rest; sampling: what the caller does with logits; lora: products with factors of adapters, but
// those that end in the tiles of experts.
enum class Phase : uint8_t { other, attention, experts, dense, head, router, quantise, sampling, lora };
inline constexpr int kPhases = 9;

constexpr std::string_view name_of(Phase phase) {
    constexpr std::string_view kNames[kPhases] = {"other",  "attention", "experts",  "dense", "head",
                                                  "router", "quantise",  "sampling", "lora"};
    return kNames[static_cast<size_t>(phase)];
}

// again: what was computed forward once is computed once more for the way back.
enum class Way : uint8_t { forward, again, back };
inline constexpr int kWays = 3;

constexpr std::string_view name_of(Way way) {
    constexpr std::string_view kNames[kWays] = {"forward", "again", "back"};
    return kNames[static_cast<size_t>(way)];
}

class PhaseClock {
  public:
    // Returns the phase that was left.
    Phase enter(Phase phase) {
        take_time();
        return std::exchange(phase_, phase);
    }
    Phase current() const { return phase_; }
    // From here on; returns the way that was left.
    Way turn(Way way) {
        take_time();
        return std::exchange(way_, way);
    }
    // Of all scopes so far.
    double seconds(Phase phase, Way way = Way::forward) const {
        return seconds_[static_cast<size_t>(way)][static_cast<size_t>(phase)];
    }
    // Forgets what was measured; time counts as `other` from now on.
    void restart() { *this = PhaseClock(); }

  private:
    void take_time() {
        const double now = monotonic_seconds();
        seconds_[static_cast<size_t>(way_)][static_cast<size_t>(phase_)] += now - since_;
        since_ = now;
    }

    std::array<std::array<double, kPhases>, kWays> seconds_{};
    Phase phase_ = Phase::other;
    Way way_ = Way::forward;
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

// Which way the enclosing block goes.
class WayScope {
  public:
    WayScope(const OpContext& context, Way way) : clock_(context.phases) {
        if (clock_) outer_ = clock_->turn(way);
    }
    ~WayScope() {
        if (clock_) clock_->turn(outer_);
    }
    WayScope(const WayScope&) = delete;
    WayScope& operator=(const WayScope&) = delete;

  private:
    PhaseClock* clock_;
    Way outer_ = Way::forward;
};

}  // namespace hone::math
