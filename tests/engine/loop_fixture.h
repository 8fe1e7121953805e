// An engine loop over the fake model: requests go in by add, their events are kept by request.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "engine/loop.h"
#include "tests/engine/fake_model.h"

namespace hone::engine {

class LoopFixture : public testing::Test {
  protected:
    explicit LoopFixture(int32_t vocabulary) : model{3, vocabulary} {}

    // A new loop; events of the one before are forgotten.
    void start(int32_t pages = 64, LoopOptions options = {}) {
        loop = std::make_unique<Loop>(model, testing_models::test_kernels(),
                                      std::move(*PagePool::create(model.cache_spec().page_bytes, pages)),
                                      std::move(options));
        events.clear();
    }
    // `prompt` tokens 9, seed 5.
    static Request request_of(size_t prompt, SamplingParams sampling) {
        Request request{.prompt = std::vector<int32_t>(prompt, 9), .sampling = std::move(sampling)};
        request.sampling.seed = 5;
        return request;
    }
    RequestId add(Request request) {
        const RequestId id{++last_id};
        loop->add(id, std::move(request), [this, id](RequestEvent event) { events[id].push_back(std::move(event)); });
        return id;
    }
    void run() {
        while (!loop->idle()) {
            loop->step();
            loop->report();
        }
    }
    std::vector<TokenRecord> records_of(RequestId id) {
        std::vector<TokenRecord> records;
        for (const RequestEvent& event : events[id])
            records.insert(records.end(), event.tokens.begin(), event.tokens.end());
        return records;
    }

    testing_models::FakeModel model;
    std::unique_ptr<Loop> loop;
    std::map<RequestId, std::vector<RequestEvent>> events;
    uint64_t last_id = 0;
};

}  // namespace hone::engine
