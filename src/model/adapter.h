// A low-rank adapter of a model: for each matrix that it changes the factors, packed for the kernels and found by where
// the matrix's data lie, as ops know it. (A head that is tied to the embedding is adapted as a matrix; looking up tokens
// asks for no adapter.) Owns its factors, not the model; immutable, any thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/huge_pages.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "math/ops/lora.h"
#include "model/model.h"

namespace hone::model {

// A matrix [n, k], or the matrices of all experts of a layer (their gates, ups or downs), and its factors, row-major.
struct AdaptedMatrix {
    std::string name;     // its own, or that of all experts
    math::Weight base;    // of experts, that of expert 0
    int32_t experts = 1;  // that there are; 1 for a matrix of its own
    int32_t rank = 0;
    float scale = 1;
    std::span<const float> a, b;  // [experts, rank, k] and [experts, n, rank]; either may be [1, ...], shared by all
};

class Adapter {
  public:
    // Error: no memory. The factors are copied.
    static Result<std::shared_ptr<const Adapter>> pack(std::span<const AdaptedMatrix> matrices, ThreadPool& pool);

    // The factors of a matrix: one, or one for each expert if it is expert 0's. Empty: none.
    std::span<const math::LoraWeights> of(const math::Weight& base) const {
        const auto found = factors_.find(base.data);
        return found == factors_.end() ? std::span<const math::LoraWeights>{} : found->second;
    }
    size_t bytes() const { return memory_.size(); }
    // 32 hexadecimal digits; equal for equal factors of the same matrices, however often they are packed.
    const std::string& fingerprint() const { return fingerprint_; }

  private:
    HugeMemory memory_;
    std::string fingerprint_;
    std::unordered_map<const std::byte*, std::vector<math::LoraWeights>> factors_;
};

}  // namespace hone::model
