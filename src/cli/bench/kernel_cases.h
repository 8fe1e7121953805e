// What `hone bench kernels` measures: kernels of a table, and the ops made of them, on the shapes of known models. A case
// measures its row and, in the same call, compares a sample of the output with the reference kernels, bit for bit. One
// thread; cases run one after the other on one stage.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/huge_pages.h"
#include "cli/bench/stopwatch.h"
#include "cli/bench/zoo_shapes.h"
#include "math/ops/op_context.h"

namespace hone::cli {

// Threads, memory and limits that the cases share.
class KernelStage {
  public:
    // Errors: no memory.
    static Result<std::unique_ptr<KernelStage>> create(const math::KernelTable& kernels, int threads, int repeats);

    ThreadPool& pool() { return pool_; }
    math::Workspace& workspace() { return workspace_; }
    const math::KernelTable& kernels() const { return kernels_; }
    LimitMeter& meter() { return *meter_; }
    const Stopwatch& watch() const { return *watch_; }
    int repeats() const { return repeats_; }

    // Ops on the kernels that are measured, and on those that specify them.
    math::OpContext measured(math::NumericClass int4_class = math::NumericClass::i8g32);
    math::OpContext reference(math::NumericClass int4_class = math::NumericClass::i8g32);

    // At least so many random bytes, more than the caches hold, that are finite numbers of at most 2 as fp32, as bf16
    // and as packed weights of every format. They are the same at each call. Errors: no memory.
    Result<std::span<const std::byte>> numbers(size_t bytes);
    // As many bytes to write to.
    Result<std::span<std::byte>> outputs(size_t bytes);

  private:
    KernelStage(const math::KernelTable& kernels, int threads, int repeats)
        : pool_(threads), kernels_(kernels), repeats_(repeats) {}

    ThreadPool pool_;
    math::Workspace workspace_;
    const math::KernelTable& kernels_;
    std::unique_ptr<LimitMeter> meter_;
    std::unique_ptr<Stopwatch> watch_;
    HugeMemory numbers_, outputs_;
    int repeats_;
};

struct KernelCase {
    std::string name;
    bool is_quick = false;  // part of --quick
    std::function<Result<BenchRow>(KernelStage& stage)> measure;
};

// Matrix products by rows of activations.
std::vector<KernelCase> gemm_cases(const math::KernelTable& kernels, const ZooShapes& shapes);
// The backward products of these matrices by rows.
std::vector<KernelCase> backward_cases(const math::KernelTable& kernels, const ZooShapes& shapes);
// Mixtures of experts by tokens, experts picked at random.
std::vector<KernelCase> expert_cases(const math::KernelTable& kernels, const ZooShapes& shapes);
// Attention by depth, prefill of 512 tokens and decode, and its gradients by documents.
std::vector<KernelCase> attention_cases(const math::KernelTable& kernels, const ZooShapes& shapes);
// Kernels over single rows.
std::vector<KernelCase> row_cases(const math::KernelTable& kernels);

// The error of outputs that differ from the reference's, the first of them named.
Status same_bits(std::string_view kernel, std::span<const float> actual, std::span<const float> expected);

// Normal values.
void fill_normal(math::MatrixView<float> x, uint64_t seed);

// Operations of a product over activations of that format.
Work work_of(math::ActivationFormat activations, double operations);

}  // namespace hone::cli
