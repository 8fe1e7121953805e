// AdamW over a list of parameters: their moments, and the count of steps. Owned by the trainer; one thread.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "train/optimisers/adamw.h"
#include "train/parameter.h"

namespace hone::train {

class AdamwState {
  public:
    // Moments of zeros. The parameters' memory outlives the state.
    explicit AdamwState(std::span<const Parameter> parameters);

    // Clips by the norm of all gradients together and takes step t + 1; the norm before clipping. Where it is not finite
    // nothing changes, and the step does not count.
    double step(ThreadPool& pool, const AdamParams& params);
    // Step t + 1 with gradients times a factor, which the caller knows to be finite.
    void apply(ThreadPool& pool, const AdamParams& params, float gradient_factor);
    int64_t steps() const { return steps_; }
    // Goes on as after so many steps, once the moments are set.
    void resume_at(int64_t steps) { steps_ = steps; }
    // First and second moments of parameter i, as its values lie.
    std::span<float> m(size_t i) { return m_[i]; }
    std::span<float> v(size_t i) { return v_[i]; }

  private:
    std::vector<Parameter> parameters_;
    std::vector<std::vector<float>> m_, v_;
    int64_t steps_ = 0;
};

}  // namespace hone::train
