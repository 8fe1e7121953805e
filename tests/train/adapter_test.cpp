// Adapters in training: twenty steps of the reference implementation within the tolerance of bf16 operands, what is
// adapted and how it begins, and the bits that never change.
#include "train/adapter.h"

#include <array>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/math/test_context.h"
#include "tests/train/golden_training.h"
#include "train/losses/tinker.h"
#include "train/optimisers/adamw_state.h"

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
        loaded = load_golden_model(name, pool);
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
        for (const Parameter& parameter : adapter_.parameters()) {
            const std::string name = "in/init/" + parameter.name;
            EXPECT_EQ(golden_.shape(kCase, name), parameter.shape) << name;
            std::ranges::copy(golden_.values(kCase, name), parameter.values.begin());
        }
        optimiser_.emplace(parameters());
        publish();
    }

    const GoldenOp& golden() const { return golden_; }
    std::span<const Parameter> parameters() const { return adapter_.parameters(); }

    // Adds to the gradients those of a batch; the sum of its loss.
    float forward_backward(int batch_index, const std::string& loss_name) {
        const std::string prefix = fmt::format("in/batch{}", batch_index);
        const GoldenBatch batch(golden_, kCase, prefix);
        const auto rows = std::ssize(batch.tokens);
        std::vector<float> lp(batch.tokens.size());
        TrainingPass pass(*base_.loaded.model, base_.ops, adapter_.gradients(), {}, published_.get());
        pass.forward(batch.view(), {lp.data(), rows, 1});
        const auto q = golden_.values(kCase, prefix + "/logprobs"),
                   advantages = golden_.values(kCase, prefix + "/advantages");
        const TokenLoss loss = loss_name == "cross_entropy"
                                   ? cross_entropy(lp, golden_.values(kCase, prefix + "/weights"))
                                   : importance_sampling(base_.ops.kernels, {lp, q, advantages});
        pass.backward({loss.dlp.data(), rows, 1});
        return static_cast<float>(loss.sum);
    }

    // One step of AdamW with the gradients as they are, which are then zero; their norm.
    float optimise() {
        const double norm = optimiser_->step(base_.pool, {.learning_rate = number("lr"),
                                                          .beta1 = number("beta1"),
                                                          .beta2 = number("beta2"),
                                                          .eps = number("eps"),
                                                          .weight_decay = number("weight_decay"),
                                                          .grad_clip_norm = number("clip")});
        adapter_.clear_gradients(base_.pool);
        publish();
        return static_cast<float>(norm);
    }

    // Compares every tensor that the golden data has of this kind; how many there were.
    int expect_tensors(const std::string& what) {
        int compared = 0;
        for (size_t i = 0; i < parameters().size(); i++) {
            const Parameter& parameter = parameters()[i];
            const std::string output = what + "/" + parameter.name;
            if (!golden_.has(kCase, "out/" + output)) continue;
            const std::string kind = what.substr(what.find('/') + 1);
            const std::span<const float> values = kind == "param" ? parameter.values
                                                  : kind == "m"   ? optimiser_->m(i)
                                                  : kind == "v"   ? optimiser_->v(i)
                                                                  : parameter.gradient;
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
    std::optional<AdamwState> optimiser_;
};

class AdapterTrace : public testing::TestWithParam<const char*> {};

TEST_P(AdapterTrace, StaysWithTheReferenceImplementation) {
    Trace trace(GetParam());
    const std::string loss(trace.golden().manifest().at("loss").as_string());
    std::vector<float> losses, norms;
    int compared = 0;
    for (int t = 1; t <= 20; t++) {
        losses.push_back(trace.forward_backward((t - 1) % 4, loss));
        norms.push_back(trace.optimise());
        for (const char* kind : {"param", "m", "v"})
            compared += trace.expect_tensors(fmt::format("step{}/{}", t, kind));
    }
    trace.expect_within("loss", losses);
    trace.expect_within("grad_norm", norms);
    EXPECT_GE(compared, 4 * std::ssize(trace.parameters()));
}

INSTANTIATE_TEST_SUITE_P(Golden, AdapterTrace,
                         testing::Values("lora_dense", "lora_shared_outer", "lora_per_expert_decay_clip",
                                         "lora_shared_outer_decay_clip_is"));

// Two losses add up to one gradient, whichever call comes first.
TEST(AdapterSteps, GradientsOfSeveralCallsAddUp) {
    Trace trace("grad_accumulation");
    std::vector<float> first, second, norms;
    int compared = 0;
    for (int t = 1; t <= 3; t++) {
        first.push_back(trace.forward_backward(0, "cross_entropy"));
        compared += trace.expect_tensors(fmt::format("step{}/grad_first", t));
        second.push_back(trace.forward_backward(2, "importance_sampling"));
        compared += trace.expect_tensors(fmt::format("step{}/grad_sum", t));
        norms.push_back(trace.optimise());
        compared += trace.expect_tensors(fmt::format("step{}/param", t));
    }
    trace.expect_within("loss_first", first);
    trace.expect_within("loss_second", second);
    trace.expect_within("grad_norm", norms);
    EXPECT_EQ(compared, 4 * std::ssize(trace.parameters()));
}

// All factors after some steps: no bit depends on kernels or threads.
TEST(AdapterSteps, NoBitDependsOnKernelsOrThreads) {
    for (const char* file : {"lora_dense", "lora_shared_outer", "lora_per_expert_decay_clip"}) {
        const auto after_steps = [&](const math::KernelTable& kernels, int threads) {
            Trace trace(file, kernels, threads);
            std::vector<float> all;
            for (int t = 1; t <= 3; t++) {
                all.push_back(trace.forward_backward(t, "cross_entropy"));
                all.push_back(trace.optimise());
            }
            for (const Parameter& parameter : trace.parameters())
                all.insert(all.end(), parameter.values.begin(), parameter.values.end());
            return all;
        };
        const auto expected = after_steps(*math::runnable_kernel_tables().front(), 1);
        for (const math::KernelTable* kernels : math::runnable_kernel_tables()) {
            for (const int threads : {1, 2, 3}) {
                math::expect_same_bits(after_steps(*kernels, threads), expected,
                                       fmt::format("{} {} {}", file, math::describe(*kernels), threads));
            }
        }
    }
}

std::vector<std::string> names_of(const TrainedAdapter& adapter) {
    std::vector<std::string> names;
    for (const Parameter& parameter : adapter.parameters()) names.push_back(parameter.name);
    return names;
}

TEST(TrainedAdapter, SwitchesChooseMatricesAndChangeNoOther) {
    for (const char* name : {"dense", "moe"}) {
        Base base(name);
        const auto make = [&](bool attention, bool mlp, bool unembed) {
            const AdapterSpec spec{.rank = 4, .attention = attention, .mlp = mlp, .unembed = unembed, .seed = 7};
            return TrainedAdapter(*base.loaded.model, spec, base.pool);
        };
        const TrainedAdapter all = make(true, true, true);
        std::map<std::string, std::vector<float>> values;
        for (const Parameter& parameter : all.parameters())
            values[parameter.name] = {parameter.values.begin(), parameter.values.end()};
        EXPECT_EQ(values.size(), all.parameters().size());
        size_t parts = 0;
        for (const auto& [flags, word] : {std::pair{std::array{true, false, false}, "self_attn"},
                                          {std::array{false, true, false}, ".mlp."},
                                          {std::array{false, false, true}, "unembed_tokens"}}) {
            const TrainedAdapter part = make(flags[0], flags[1], flags[2]);
            for (const Parameter& parameter : part.parameters()) {
                EXPECT_NE(parameter.name.find(word), std::string::npos) << parameter.name;
                math::expect_same_bits(parameter.values, values.at(parameter.name), parameter.name);
            }
            parts += part.parameters().size();
        }
        EXPECT_EQ(parts, values.size());
        EXPECT_EQ(names_of(make(false, false, false)), std::vector<std::string>());
    }
}

TEST(TrainedAdapter, BeginsUniformAndWithoutEffect) {
    Base base("moe");
    const AdapterSpec spec{.rank = 16, .seed = 1};
    TrainedAdapter adapter(*base.loaded.model, spec, base.pool);
    std::set<float> seen;
    size_t count = 0;
    for (const Parameter& parameter : adapter.parameters()) {
        const bool is_b = parameter.name.ends_with(".lora_B.weight");
        const float limit = is_b ? 0 : 1 / std::sqrt(static_cast<float>(parameter.shape.back()));
        double squares = 0;
        for (const float value : parameter.values) {
            ASSERT_LE(std::abs(value), limit);
            squares += double{value} * value;
            if (!is_b) seen.insert(value), count++;
        }
        const double mean = squares / static_cast<double>(parameter.values.size());
        if (!is_b) {
            EXPECT_NEAR(mean / (limit * limit / 3), 1, 0.2) << parameter.name;
        }
    }
    EXPECT_GT(seen.size(), count * 99 / 100) << "no two matrices are alike";
    TrainedAdapter other(*base.loaded.model, {.rank = 16, .seed = 2}, base.pool);
    EXPECT_NE(adapter.parameters()[0].values[0], other.parameters()[0].values[0]);
}

// A published adapter stays as it was, and what is trained is what was published last.
TEST(TrainedAdapter, WhatIsPublishedStays) {
    Base base("dense");
    TrainedAdapter adapter(*base.loaded.model, {.rank = 3}, base.pool);
    for (const Parameter& parameter : adapter.parameters()) std::ranges::fill(parameter.values, 0.5f);
    const auto before = *adapter.publish(base.pool);
    for (const Parameter& parameter : adapter.parameters()) std::ranges::fill(parameter.values, 0.25f);
    const auto after = *adapter.publish(base.pool);
    base.loaded.model->visit([&](const model::WeightSlot& slot) {
        if (slot.role != model::WeightRole::linear) return;
        for (const auto& [published, value] : {std::pair{before, 0.5f}, std::pair{after, 0.25f}}) {
            const auto& factors = published->of(*slot.matrix)[0];
            std::vector<float> row(static_cast<size_t>(slot.k));
            math::unpack_row(factors.a, 2, row.data());
            EXPECT_EQ(row, std::vector<float>(row.size(), value));
            EXPECT_EQ(factors.scale, 32.0f / 3.0f);
            EXPECT_EQ(adapter.gradients().of(factors.a).data != nullptr, published == after);
        }
    });
}

}  // namespace
}  // namespace hone::train
