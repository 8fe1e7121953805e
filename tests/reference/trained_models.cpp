// trained_models OUT: trains the golden models for some steps, exports them and an adapter of each, and writes what Hone
// computes of random documents with them, for transformers and peft to be compared with (tests/reference/*.py):
//
//   OUT/CASE/model/                 in Hugging Face layout
//   OUT/CASE/hone.safetensors       ids [T], offsets [D + 1]; logprobs [T, vocabulary]; experts.LAYER [T, k]
//   OUT/CASE/adapter/               in PEFT's layout, of the bf16 cases
//   OUT/CASE/adapted.safetensors    as hone.safetensors, with the adapter
#include <cstdio>
#include <map>

#include "base/rng.h"
#include "model/adapter_file.h"
#include "model/checkpoint/export_weights.h"
#include "model/checkpoint/load.h"
#include "model/checkpoint/safetensors_writer.h"
#include "tests/golden_folder.h"
#include "train/adapter.h"
#include "train/full_parameters.h"
#include "train/losses/tinker.h"
#include "train/optimisers/adamw_state.h"
#include "train/training_pass.h"

namespace hone::train {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDocuments = 8, kLength = 40, kRows = kDocuments * kLength;
constexpr int kSteps = 6;

// Aborts with the reason.
void succeed(const Status& status) {
    CHECK(status.ok(), "{}", status.error().message);
}

class Case {
  public:
    Case(const std::string& family, model::WeightChoice weights)
        : pool_(2), ops_{pool_, workspace_, *math::runnable_kernel_tables().back(), math::NumericClass::f32seq} {
        auto loaded = model::load_model(golden_folder() / "models" / family, {.quiet = true}, pool_);
        CHECK(loaded.ok(), "{}", loaded.error().message);
        loaded_ = std::move(*loaded);
        auto parameters = FullParameters::create(*loaded_.model, weights, pool_);
        CHECK(parameters.ok(), "{}", parameters.error().message);
        parameters_.emplace(std::move(*parameters));
        Random random(7);
        const auto vocabulary = static_cast<uint64_t>(loaded_.model->spec().vocabulary);
        for (int64_t i = 0; i <= kRows; i++) ids_.push_back(static_cast<int32_t>(random.below(vocabulary)));
        for (int64_t d = 0; d <= kDocuments; d++) offsets_.push_back(d * kLength);
    }

    void train() {
        AdamwState optimiser(parameters_->parameters());
        const std::vector<float> weights(kRows, 1.0f);
        for (int step = 0; step < kSteps; step++) {
            TrainingPass pass(*loaded_.model, ops_, parameters_->gradients());
            std::vector<float> lp(kRows);
            pass.forward({std::span(ids_).first(kRows), offsets_, {ids_.data() + 1, kRows, 1}}, {lp.data(), kRows, 1});
            const TokenLoss loss = cross_entropy(lp, weights);
            pass.backward({loss.dlp.data(), kRows, 1});
            optimiser.step(pool_, {.learning_rate = 1e-3});
            parameters_->clear_gradients(ops_.pool);
            parameters_->publish();
        }
    }

    void write(const fs::path& folder, bool with_adapter) {
        fs::create_directories(folder);
        succeed(model::export_model(*loaded_.model, loaded_.config, loaded_.files, folder / "model", {.quiet = true},
                                    pool_));
        write_logprobs(folder / "hone.safetensors", nullptr);
        if (!with_adapter) return;
        TrainedAdapter adapter(*loaded_.model, {.rank = 4, .alpha = 8, .experts = ExpertFactors::per_expert}, pool_);
        Random random(9);
        for (const Parameter& parameter : adapter.parameters()) {
            for (float& value : parameter.values) value = 0.1f * random.normal();
        }
        succeed(model::write_adapter(folder / "adapter", model::AdapterLayout::peft, adapter.contents()));
        write_logprobs(folder / "adapted.safetensors", adapter.publish(pool_)->get());
    }

  private:
    void write_logprobs(const fs::path& path, const model::Adapter* adapter) {
        const int64_t vocabulary = loaded_.model->spec().vocabulary;
        std::vector<int32_t> every_token;
        for (int64_t i = 0; i < kRows * vocabulary; i++) every_token.push_back(static_cast<int32_t>(i % vocabulary));
        std::map<int32_t, std::vector<int32_t>> experts;
        const auto tap = [&](int32_t layer, math::MatrixView<const float>, const math::Routing& routing) {
            for (int64_t row = 0; row < routing.experts.rows; row++) {
                const auto chosen = routing.experts.row_span(row);
                experts[layer].insert(experts[layer].end(), chosen.begin(), chosen.end());
            }
        };
        const model::RouterTap router_tap(tap);
        const math::WeightGradients nothing;
        TrainingPass pass(*loaded_.model, ops_, nothing, {.router_tap = &router_tap}, adapter);
        std::vector<float> lp(every_token.size());
        pass.forward({std::span(ids_).first(kRows), offsets_, {every_token.data(), kRows, vocabulary}},
                     {lp.data(), kRows, vocabulary});

        struct Tensor {
            model::TensorDeclaration declaration;
            std::span<const std::byte> bytes;
        };
        const std::vector<int32_t> offsets(offsets_.begin(), offsets_.end());
        using math::DType;
        std::vector<Tensor> tensors = {
            {{"ids", DType::i32, {kRows}}, std::as_bytes(std::span(ids_).first(kRows))},
            {{"offsets", DType::i32, {std::ssize(offsets)}}, std::as_bytes(std::span(offsets))},
            {{"logprobs", DType::f32, {kRows, vocabulary}}, std::as_bytes(std::span(lp))}};
        for (const auto& [layer, chosen] : experts) {
            tensors.push_back({{fmt::format("experts.{}", layer), DType::i32, {kRows, std::ssize(chosen) / kRows}},
                               std::as_bytes(std::span(chosen))});
        }
        std::vector<model::TensorDeclaration> declared;
        for (const Tensor& tensor : tensors) declared.push_back(tensor.declaration);
        auto writer = model::SafetensorsWriter::create(path, declared);
        CHECK(writer.ok(), "{}", writer.error().message);
        for (size_t i = 0; i < tensors.size(); i++) succeed(writer->write(i, 0, tensors[i].bytes));
        succeed(writer->finish());
    }

    ThreadPool pool_;
    math::Workspace workspace_;
    math::OpContext ops_;
    model::LoadedModel loaded_;
    std::optional<FullParameters> parameters_;
    std::vector<int32_t> ids_;
    std::vector<int64_t> offsets_;
};

void write_all(const fs::path& out) {
    using model::WeightChoice;
    for (const char* family : kGoldenFamilies) {
        for (const auto weights : {WeightChoice::bf16, WeightChoice::int4, WeightChoice::int4_experts}) {
            Case trained(family, weights);
            trained.train();
            trained.write(out / fmt::format("{}-{}", family, model::name_of(weights)), weights == WeightChoice::bf16);
        }
    }
}

}  // namespace
}  // namespace hone::train

int main(int arguments, char** values) {
    if (arguments != 2) {
        std::fputs("usage: trained_models OUT\n", stderr);
        return 2;
    }
    hone::train::write_all(values[1]);
    return 0;
}
