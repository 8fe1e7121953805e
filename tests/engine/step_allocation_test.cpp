// Memory that runs out between a step's plan and its logits: every allocation there fails once. The requests of the step
// end, and the next one gets the same tokens as before.
// Not under AddressSanitizer, whose allocator these functions would stand beside.
#ifndef __SANITIZE_ADDRESS__

#include <atomic>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "base/log.h"
#include "engine/loop.h"
#include "tests/engine/fake_model.h"

namespace {

std::atomic<int64_t> left_until_failure{-1};  // negative: none fails

}  // namespace

// Not inlined: GCC takes the pair for a mismatch where it sees one half.
__attribute__((noinline)) void* operator new(size_t size) {
    if (left_until_failure.load(std::memory_order_relaxed) >= 0 && left_until_failure.fetch_sub(1) == 0)
        throw std::bad_alloc();
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}

__attribute__((noinline)) void operator delete(void* memory) noexcept {
    std::free(memory);
}

__attribute__((noinline)) void operator delete(void* memory, size_t) noexcept {
    std::free(memory);
}

namespace hone::engine {
namespace {

class StepAllocation : public testing::Test {
  protected:
    // Allocations fail from the plan up to here.
    struct Model final : testing_models::FakeModel {
        Model() : FakeModel(3, 200) {}
        void head(math::MatrixView<const float> x, math::MatrixView<float> logits, model::Pass& pass) const override {
            left_until_failure = -1;
            FakeModel::head(x, logits, pass);
        }
    };

    void SetUp() override { ASSERT_TRUE(start_logging("off").ok()); }
    void TearDown() override { ASSERT_TRUE(start_logging("warn").ok()); }

    void add(uint64_t id) {
        loop_.add({id}, {.prompt = std::vector<int32_t>(70, 9), .sampling = {.max_tokens = 3, .seed = 5}},
                  [this, id](RequestEvent event) {
                      for (const TokenRecord& record : event.tokens) tokens_[id].push_back(record.token);
                      if (event.finish) finish_[id] = *event.finish;
                  });
    }

    Model model_;
    int64_t armed_ = -1;  // the next step's failing allocation
    Loop loop_{model_,
               testing_models::test_kernels(),
               std::move(*PagePool::create(model_.cache_spec().page_bytes, 32)),
               {.policy = [this](ScheduleState& state) {
                   Plan plan = plan_chunked(state);
                   left_until_failure = std::exchange(armed_, -1);
                   return plan;
               }}};
    std::map<uint64_t, std::vector<int32_t>> tokens_;
    std::map<uint64_t, FinishReason> finish_;
};

TEST_F(StepAllocation, EndsTheRequestsOfTheStep) {
    uint64_t id = 0;
    for (int64_t failing = 0; failing < 1000; failing++) {
        add(++id);
        add(++id);
        loop_.step();  // both decode from here on
        loop_.report();
        armed_ = failing;
        loop_.step();
        const bool failed = loop_.idle();
        while (!loop_.idle()) loop_.step();
        loop_.report();
        EXPECT_EQ(loop_.metrics().pages_in_use, 0);
        if (!failed) {
            EXPECT_GE(failing, 8);
            EXPECT_EQ(finish_[id], FinishReason::length);
            break;
        }
        EXPECT_EQ(finish_[id - 1], FinishReason::error);
        EXPECT_EQ(finish_[id], FinishReason::error);
    }
    EXPECT_EQ(tokens_[id].size(), 3u);
    EXPECT_EQ(tokens_[id], tokens_[id - 1]);
    add(++id);
    while (!loop_.idle()) loop_.step();
    loop_.report();
    EXPECT_EQ(tokens_[id], tokens_[id - 1]);
}

}  // namespace
}  // namespace hone::engine

#endif  // __SANITIZE_ADDRESS__
