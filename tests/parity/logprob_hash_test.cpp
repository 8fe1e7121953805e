// Log-probabilities of a model with random weights, hashed: one constant per numeric class and weight format, the same
// on every ISA, machine and build. A change of the arithmetic shows here first; it must be meant, and then the
// constants change with it.
#include <gtest/gtest.h>
#include <xxhash.h>

#include "base/rng.h"
#include "model/checkpoint/random_weights.h"
#include "model/checkpoint/shapes.h"
#include "tests/parity/random_schedule.h"

namespace hone::parity {
namespace {

struct Arithmetic {
    const char* name;
    model::WeightChoice weights;
    math::NumericClass int4_class;
    uint64_t hash;

    friend void PrintTo(const Arithmetic& arithmetic, std::ostream* out) { *out << arithmetic.name; }
};

class LogprobHash : public testing::TestWithParam<Arithmetic> {};

uint64_t hash_of(const std::vector<engine::TokenRecord>& records) {
    std::vector<float> logprobs;
    for (const auto& record : records) {
        for (const auto& top : record.top) logprobs.push_back(top.logprob);
        logprobs.push_back(record.raw_logprob);
    }
    return XXH3_64bits(logprobs.data(), logprobs.size() * sizeof(float));
}

TEST_P(LogprobHash, IsTheSameOnEveryIsa) {
    ThreadPool pool(1);
    auto config = model::shape_config("tiny-moe");
    ASSERT_TRUE(config) << config.error().message;
    const auto loaded =
        model::random_model(*config, "tiny-moe", {.weights = GetParam().weights, .seed = 7, .quiet = true}, pool);
    ASSERT_TRUE(loaded) << loaded.error().message;
    engine::Request request;
    Random random(7);
    while (request.prompt.size() < 600)
        request.prompt.push_back(
            static_cast<int32_t>(random.below(static_cast<uint64_t>(loaded->model->spec().vocabulary))));
    request.sampling.seed = 7;
    request.sampling.max_tokens = 0;
    request.sampling.prompt_logprobs = 1;
    for (const auto* kernels : math::runnable_kernel_tables()) {
        const Outcome outcome = run_alone(*loaded->model, *kernels, request, {.int4_class = GetParam().int4_class});
        ASSERT_EQ(outcome.prompt.size(), 599u) << outcome.message;
        EXPECT_EQ(hash_of(outcome.prompt), GetParam().hash)
            << fmt::format("{}: {:#x}", math::name_of(kernels->isa), hash_of(outcome.prompt));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Arithmetics, LogprobHash,
    testing::Values(
        Arithmetic{"bf16_f32seq", model::WeightChoice::as_stored, math::NumericClass::f32seq, 0xe88767b0e50e392f},
        Arithmetic{"int4_f32seq", model::WeightChoice::int4, math::NumericClass::f32seq, 0x25fe976db126b6e2},
        Arithmetic{"int4_i8g32", model::WeightChoice::int4, math::NumericClass::i8g32, 0xbfaf151973bc6d8b},
        Arithmetic{"int4_i8p32", model::WeightChoice::int4, math::NumericClass::i8p32, 0xb34bb96f2dd883f2}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace hone::parity
