// Whole models forth and back: log-probabilities, losses and the gradient of every weight against the reference
// implementation, within the tolerance of bf16 operands (tests/golden/README.md); and the bits that never change.
#include <map>

#include <gtest/gtest.h>

#include "tests/math/test_context.h"
#include "tests/train/golden_training.h"
#include "train/losses/tinker.h"
#include "train/training_pass.h"

namespace hone::train {
namespace {

using math::GoldenOp;
using math::MatrixView;

// A model of the golden data with a gradient for each of its weights.
class TrainedModel {
  public:
    explicit TrainedModel(const std::string& name, const math::KernelTable& kernels, int threads = 2)
        : pool_(threads), ops_{pool_, workspace_, kernels} {
        loaded_ = load_golden_model(name, pool_);
        loaded_.model->visit([&](const model::WeightSlot& slot) {
            const bool is_new = !gradients_.contains(slot.name);
            auto& gradient = gradients_[slot.name];
            gradient.resize(static_cast<size_t>(slot.n) * static_cast<size_t>(slot.k));
            const MatrixView<float> view(gradient.data(), slot.n, slot.k);
            weights_.train(slot.matrix ? static_cast<const void*>(slot.matrix->data) : slot.vector->data(), view);
            if (!is_new) is_tied_ = true;
        });
    }

    const math::KernelTable& kernels() const { return ops_.kernels; }
    const model::ModelSpec& spec() const { return loaded_.model->spec(); }
    TrainingPass pass(const TrainingOptions& options = {}) {
        return TrainingPass(*loaded_.model, ops_, weights_, options);
    }
    const std::map<std::string, std::vector<float>>& gradients() const { return gradients_; }
    void clear() {
        for (auto& [name, gradient] : gradients_) std::ranges::fill(gradient, 0.0f);
    }
    bool is_tied() const { return is_tied_; }

  private:
    ThreadPool pool_;
    math::Workspace workspace_;
    math::OpContext ops_;
    model::LoadedModel loaded_;
    math::WeightGradients weights_;
    std::map<std::string, std::vector<float>> gradients_;
    bool is_tied_ = false;
};

// One case of a golden file: what goes in, and the loss by name.
struct Case {
    const GoldenOp& golden;
    std::string name;
    GoldenBatch batch;

    Case(const GoldenOp& file, const std::string& case_name)
        : golden(file), name(case_name), batch(file, case_name, "in") {}

    TokenLoss loss(const math::KernelTable& kernels, std::span<const float> lp) const {
        if (name.starts_with("cross_entropy")) return cross_entropy(lp, golden.values(name, "in/weights"));
        const auto q = golden.values(name, "in/logprobs"), advantages = golden.values(name, "in/advantages");
        const RatioInputs in{lp, q, advantages};
        if (name == "importance_sampling") return importance_sampling(kernels, in);
        if (name == "ppo") return ppo(kernels, in);
        if (name == "cispo") return cispo(kernels, in);
        if (name == "dro") return dro(in);
        if (name == "gspo") return gspo(kernels, in, golden.values(name, "in/sequence_ratio_mask"), batch.offsets);
        CHECK(false, "loss {}", name);
    }
};

// What a pass gave.
struct Outcome {
    std::vector<float> logprobs;
    TokenLoss loss;
};

Outcome run(TrainedModel& model, const Case& test, const TrainingOptions& options = {}) {
    Outcome out;
    const PackedBatch batch = test.batch.view();
    out.logprobs.resize(test.batch.targets.size());
    TrainingPass pass = model.pass(options);
    pass.forward(batch, {out.logprobs.data(), batch.targets.rows, batch.targets.cols});
    out.loss = test.loss(model.kernels(), out.logprobs);
    pass.backward({out.loss.dlp.data(), batch.targets.rows, batch.targets.cols});
    return out;
}

// Two models that were trained the same.
void expect_same(const TrainedModel& model, std::span<const float> logprobs, const TrainedModel& other,
                 std::span<const float> expected) {
    math::expect_same_bits(logprobs, expected, "log-probabilities");
    for (const auto& [weight, gradient] : model.gradients())
        math::expect_same_bits(gradient, other.gradients().at(weight), weight);
}

class ModelGradients : public testing::TestWithParam<const char*> {};

TEST_P(ModelGradients, agree_with_the_reference_implementation) {
    const std::string name = GetParam();
    const GoldenOp golden(name, "models");
    for (const auto& case_name : golden.cases()) {
        TrainedModel model(std::string(golden.manifest().at("model").as_string()),
                           *math::runnable_kernel_tables().back());
        const Case test(golden, case_name);
        const Outcome out = run(model, test);
        constexpr auto kBf16 = math::GoldenPrecision::bf16;
        golden.expect_within(case_name, "logprobs", out.logprobs, kBf16);
        golden.expect_within(case_name, "each", out.loss.each, kBf16);
        const auto loss = static_cast<float>(out.loss.sum);
        golden.expect_within(case_name, "loss", {&loss, 1}, kBf16);
        size_t compared = 0;
        for (const auto& [weight, gradient] : model.gradients()) {
            if (!golden.has(case_name, "out/grad/" + weight)) continue;
            golden.expect_within(case_name, "grad/" + weight, gradient, kBf16);
            compared++;
        }
        EXPECT_EQ(compared, model.gradients().size());
    }
}

INSTANTIATE_TEST_SUITE_P(Golden, ModelGradients, testing::Values("dense_losses", "moe_losses", "moe_one_token"));

// The same calls give the same bits: any kernels, any number of threads, any block of logits.
TEST(TrainingPass, no_bit_depends_on_kernels_threads_or_blocks) {
    for (const char* name : {"dense_losses", "moe_losses"}) {
        const GoldenOp golden(name, "models");
        const std::string folder(golden.manifest().at("model").as_string());
        const Case test(golden, "cross_entropy");
        TrainedModel first(folder, *math::runnable_kernel_tables().front(), 1);
        const Outcome expected = run(first, test);
        for (const math::KernelTable* kernels : math::runnable_kernel_tables()) {
            for (const int threads : {1, 2, 3}) {
                TrainedModel model(folder, *kernels, threads);
                const Outcome out =
                    run(model, test, {.logits_bytes = static_cast<size_t>(threads - 1) * 16384, .activation_bytes = 0});
                expect_same(model, out.logprobs, first, expected.logprobs);
            }
        }
    }
}

constexpr float kUntouched = 1;  // no log-probability

// Nor on what is kept: anything from a few inputs to all results of attention and products; or on whether the gradients
// are known before.
TEST(TrainingPass, no_bit_depends_on_what_is_kept) {
    for (const char* name : {"dense_losses", "moe_losses"}) {
        const GoldenOp golden(name, "models");
        const std::string folder(golden.manifest().at("model").as_string());
        const Case test(golden, "cross_entropy");
        const PackedBatch batch = test.batch.view();
        TrainedModel first(folder, *math::runnable_kernel_tables().back());
        const Outcome expected = run(first, test, {.activation_bytes = 0});
        const auto& spec = first.spec();
        const size_t input = batch.tokens.size() * static_cast<size_t>(spec.hidden) * sizeof(float);
        const size_t inputs = static_cast<size_t>(spec.layers + 1) * input;
        for (const size_t bytes :
             {input, inputs, inputs + input, 2 * inputs, 3 * inputs, 4 * inputs, size_t{1} << 30}) {
            SCOPED_TRACE(bytes);
            TrainedModel model(folder, *math::runnable_kernel_tables().back());
            const Outcome out = run(model, test, {.activation_bytes = bytes});
            expect_same(model, out.logprobs, first, expected.logprobs);
            TrainedModel at_once(folder, *math::runnable_kernel_tables().back());
            std::vector<float> logprobs(expected.logprobs.size(), kUntouched), known = expected.logprobs;
            at_once.pass({.activation_bytes = bytes})
                .run(batch, {logprobs.data(), batch.targets.rows, batch.targets.cols},
                     {expected.loss.dlp.data(), batch.targets.rows, batch.targets.cols});
            for (size_t i = 0; i < known.size(); i++)
                if (expected.loss.dlp[i] == 0) known[i] = kUntouched;  // one target a row
            expect_same(at_once, logprobs, first, known);
        }
        EXPECT_GT(std::ranges::count(expected.loss.dlp, 0.0f), 0) << "no row without a gradient";
        std::vector<float> logprobs(expected.logprobs.size());
        first.pass().forward(batch, {logprobs.data(), batch.targets.rows, batch.targets.cols}, false);
        math::expect_same_bits(logprobs, expected.logprobs, "without a way back");
    }
}

TEST(TrainingPass, keeps_as_many_inputs_as_fit) {
    for (int32_t layers = 1; layers <= 100; layers++) {
        int64_t least = 0;  // that any plan takes
        for (int64_t most = layers + 2; most >= 0; most--) {
            const std::vector<bool> kept = kept_inputs(layers, most);
            ASSERT_EQ(std::ssize(kept), layers);
            ASSERT_TRUE(kept[0]);
            int64_t taken = 1, gap = 0, largest = 0;
            for (const bool is_kept : kept) {
                taken += is_kept;
                largest = std::max(largest, gap = is_kept ? 0 : gap + 1);
            }
            taken += largest;
            if (most > layers) {
                ASSERT_EQ(taken, layers + 1);
            }
            if (taken > most && least == 0) least = taken;
            if (least) {
                ASSERT_EQ(taken, least) << layers << " " << most;
            }
        }
        ASSERT_LE(static_cast<double>(least), 2 * std::sqrt(layers) + 2) << layers;
    }
}

}  // namespace
}  // namespace hone::train
