// Adapters in training: twenty steps of the reference implementation within the tolerance of bf16 operands, what is
// adapted and how it begins, and the bits that never change.
#include "train/adapter.h"

#include <map>

#include <gtest/gtest.h>

#include "model/checkpoint/load.h"
#include "tests/math/golden_ops.h"
#include "tests/math/test_context.h"
#include "train/losses/tinker.h"
#include "train/optimisers/adamw.h"
#include "train/optimisers/gradient_norm.h"
#include "train/training_pass.h"

namespace hone::train {
namespace {

using math::GoldenOp;
using math::GoldenPrecision;

// A model of the golden data.
struct Base {
    ThreadPool pool;
    math::Workspace workspace;
    math::OpContext ops;
    model::LoadedModel loaded;

    explicit Base(const std::string& name, const math::KernelTable& kernels = *math::runnable_kernel_tables().back(),
                  int threads = 2)
        : pool(threads), ops{pool, workspace, kernels} {
        auto result = model::load_model(golden_folder() / "training/models" / name, {.quiet = true}, pool);
        CHECK(result.ok(), "{}", result.error().message);
        loaded = std::move(*result);
    }
};

// A trace of the golden data and the state that it takes through its steps.
class Trace {
  public:
    explicit Trace(const std::string& file, const math::KernelTable& kernels = *math::runnable_kernel_tables().back(),
                   int threads = 2)
        : golden_(file, "traces"),
          base_(std::string(golden_.manifest().at("model").as_string()), kernels, threads),
          adapter_(
              *base_.loaded.model,
              {.rank = static_cast<int32_t>(number("rank")),
               .alpha = static_cast<float>(number("alpha")),
               .experts = golden_.manifest().at("layout").as_string() == "per_expert" ? ExpertFactors::per_expert
                                                                                      : ExpertFactors::shared_outer},
              base_.pool) {
        for (const AdapterTensor& tensor : adapter_.tensors()) {
            const std::string name = "in/init/" + tensor.name;
            EXPECT_EQ(golden_.shape(kCase, name), tensor.shape) << name;
            std::ranges::copy(golden_.values(kCase, name), tensor.parameter.begin());
            m_.emplace_back(tensor.parameter.size());
            v_.emplace_back(tensor.parameter.size());
        }
        publish();
    }

    const GoldenOp& golden() const { return golden_; }
    std::span<const AdapterTensor> tensors() const { return adapter_.tensors(); }

    // Adds to the gradients those of a batch; the sum of its loss.
    float forward_backward(int batch_index, const std::string& loss_name) {
        const auto name = [&](const char* tensor) { return fmt::format("in/batch{}/{}", batch_index, tensor); };
        const auto tokens = golden_.values<int32_t>(kCase, name("tokens")),
                   targets = golden_.values<int32_t>(kCase, name("targets"));
        std::vector<int64_t> offsets;
        for (const int32_t offset : golden_.values<int32_t>(kCase, name("offsets"))) offsets.push_back(offset);
        const auto rows = std::ssize(tokens);
        std::vector<float> lp(tokens.size());
        TrainingPass pass(*base_.loaded.model, base_.ops, adapter_.gradients(), {}, published_.get());
        pass.forward({tokens, offsets, {targets.data(), rows, 1}}, {lp.data(), rows, 1});
        const auto q = golden_.values(kCase, name("logprobs")), advantages = golden_.values(kCase, name("advantages"));
        const TokenLoss loss = loss_name == "cross_entropy"
                                   ? cross_entropy(lp, golden_.values(kCase, name("weights")))
                                   : importance_sampling(base_.ops.kernels, {lp, q, advantages});
        pass.backward({loss.dlp.data(), rows, 1});
        return static_cast<float>(loss.sum);
    }

    // One step of AdamW with the gradients as they are, which are then zero; their norm.
    float optimise(int64_t t) {
        std::vector<std::span<const float>> gradients;
        std::vector<AdamwTensor> adamw;
        for (size_t i = 0; i < tensors().size(); i++) {
            gradients.push_back(tensors()[i].gradient);
            adamw.push_back({tensors()[i].parameter, tensors()[i].gradient, m_[i], v_[i]});
        }
        const double norm = gradient_norm(base_.pool, gradients);
        adamw_step(base_.pool, adamw,
                   {.learning_rate = number("lr"),
                    .beta1 = number("beta1"),
                    .beta2 = number("beta2"),
                    .eps = number("eps"),
                    .weight_decay = number("weight_decay")},
                   t, clip_factor(norm, number("clip")));
        adapter_.clear_gradients();
        publish();
        return static_cast<float>(norm);
    }

    // Compares every tensor that the golden data has of this kind; how many there were.
    int expect_tensors(const std::string& what) const {
        int compared = 0;
        for (size_t i = 0; i < tensors().size(); i++) {
            const AdapterTensor& tensor = tensors()[i];
            const std::string output = what + "/" + tensor.name;
            if (!golden_.has(kCase, "out/" + output)) continue;
            const std::string kind = what.substr(what.find('/') + 1);
            const std::span<const float> values = kind == "param" ? tensor.parameter
                                                  : kind == "m"   ? std::span<const float>(m_[i])
                                                  : kind == "v"   ? std::span<const float>(v_[i])
                                                                  : tensor.gradient;
            golden_.expect_within(kCase, output, values, GoldenPrecision::bf16);
            compared++;
        }
        return compared;
    }
    void expect_within(const std::string& output, std::span<const float> actual) const {
        golden_.expect_within(kCase, output, actual, GoldenPrecision::bf16);
    }

  private:
    static constexpr const char* kCase = "trace";
    double number(const char* field) const { return golden_.manifest().at(field).to_number<double>(); }
    void publish() {
        auto published = adapter_.publish(base_.pool);
        CHECK(published.ok(), "{}", published.error().message);
        published_ = *published;
    }

    GoldenOp golden_;
    Base base_;
    TrainedAdapter adapter_;
    std::shared_ptr<const model::Adapter> published_;
    std::vector<std::vector<float>> m_, v_;
};

class AdapterTrace : public testing::TestWithParam<const char*> {};

TEST_P(AdapterTrace, StaysWithTheReferenceImplementation) {
    Trace trace(GetParam());
    const std::string loss(trace.golden().manifest().at("loss").as_string());
    std::vector<float> losses, norms;
    int compared = 0;
    for (int t = 1; t <= 20; t++) {
        losses.push_back(trace.forward_backward((t - 1) % 4, loss));
        norms.push_back(trace.optimise(t));
        for (const char* kind : {"param", "m", "v"})
            compared += trace.expect_tensors(fmt::format("step{}/{}", t, kind));
    }
    trace.expect_within("loss", losses);
    trace.expect_within("grad_norm", norms);
    EXPECT_GE(compared, 4 * std::ssize(trace.tensors()));
}

INSTANTIATE_TEST_SUITE_P(Golden, AdapterTrace,
                         testing::Values("lora_dense", "lora_shared_outer", "lora_per_expert_decay_clip",
                                         "lora_shared_outer_decay_clip_is"));

}  // namespace
}  // namespace hone::train
