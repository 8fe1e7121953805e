// A model without arithmetic: hidden states are hashes of everything that came before, read back through the cache
// pages, so that a wrong page, position, layer range, order of layers or a missing row changes the logits.
// Deterministic; no kernels, no weights.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "base/check.h"
#include "model/adapter.h"
#include "model/model.h"

namespace hone::testing_models {

class FakeModel : public model::Model {
  public:
    static constexpr int32_t kHidden = 4;

    explicit FakeModel(int32_t layers = 5, int32_t vocabulary = 1500, int32_t max_positions = 4096) {
        spec_.architecture = "fake";
        spec_.layers = layers;
        spec_.hidden = kHidden;
        spec_.vocabulary = vocabulary;
        spec_.max_positions = max_positions;
        spec_.experts = 16;
        spec_.experts_per_token = 2;
    }

    // The logits of a row whose own token is this one are NaN.
    int32_t poison = -1;
    // Pause in every layer; may be changed while the model runs.
    std::atomic<int> layer_microseconds = 0;
    // Called in every layer with its number.
    std::function<void(int32_t layer)> on_layer;
    mutable std::atomic<int64_t> rows = 0;  // that crossed a layer

    const model::ModelSpec& spec() const override { return spec_; }
    model::CacheSpec cache_spec() const override {
        return {static_cast<size_t>(spec_.layers) * math::kPageTokens * sizeof(uint64_t)};
    }
    void copy_cache_rows(const std::byte* from, std::byte* to, int32_t rows) const override {
        const size_t layer_bytes = math::kPageTokens * sizeof(uint64_t);
        for (size_t at = 0; at < cache_spec().page_bytes; at += layer_bytes) {
            std::memcpy(to + at, from + at, static_cast<size_t>(rows) * sizeof(uint64_t));
        }
    }
    void visit(model::WeightVisitor) override {}

    void embed(std::span<const int32_t> ids, math::MatrixView<float> x, model::Pass& pass) const override {
        check_pass(x.rows, pass);
        CHECK_EQ(std::ssize(ids), x.rows);
        for (int64_t row = 0; row < x.rows; row++) {
            const int32_t id = ids[static_cast<size_t>(row)];
            CHECK(id >= 0 && id < spec_.vocabulary, "token {}", id);
            write_row(x.row(row), mix(1, static_cast<uint64_t>(id)));
            x.row(row)[kHidden - 1] = id == poison ? 1.0f : 0.0f;
        }
    }

    void layer(int32_t i, math::MatrixView<float> x, model::Pass& pass) const override {
        check_pass(x.rows, pass);
        if (on_layer) on_layer(i);
        if (const int pause = layer_microseconds; pause > 0)
            std::this_thread::sleep_for(std::chrono::microseconds(pause));
        rows += x.rows;
        for (const auto& segment : pass.segments) {
            for (int32_t row = 0; row < segment.rows; row++) {
                const int32_t position = segment.first_position + row;
                const uint64_t state =
                    mix(read_row(x.row(segment.first_row + row)), version_of(segment.first_row + row, pass));
                const uint64_t key = mix(state, static_cast<uint64_t>(position * 64 + i));
                std::memcpy(slot(pass, segment, i, position), &key, sizeof key);
            }
        }
        for (const auto& segment : pass.segments) attend(i, segment, x, pass);
        if (pass.router_tap) tell_routing(i, x, *pass.router_tap);
    }

    void head(math::MatrixView<const float> x, math::MatrixView<float> logits, model::Pass& pass) const override {
        CHECK_EQ(std::ssize(pass.positions), x.rows);
        CHECK_EQ(logits.cols, spec_.vocabulary);
        for (int64_t row = 0; row < x.rows; row++) {
            const uint64_t state = read_row(x.row(row));
            for (int32_t v = 0; v < spec_.vocabulary; v++) {
                // Squared: a few tokens stand out, as in a real model.
                const auto uniform = static_cast<float>(mix(state, static_cast<uint64_t>(v)) >> 40) * 0x1p-24f;
                logits.row(row)[v] = 12.0f * uniform * uniform - 3.0f;
            }
            if (x.row(row)[kHidden - 1] != 0) logits.row(row)[3] = std::bit_cast<float>(0x7fc00000);
        }
    }

  private:
    static uint64_t mix(uint64_t a, uint64_t b) {
        uint64_t x = (a ^ (b + 0x9E3779B97F4A7C15 + (a << 6))) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 29)) * 0x94D049BB133111EB;
        return x ^ (x >> 32);
    }

    // Of the row's adapter, by its content.
    static uint64_t version_of(int64_t row, const model::Pass& pass) {
        for (const model::AdapterRun& run : pass.adapters) {
            if (row >= run.first_row && row < run.first_row + run.rows)
                return std::hash<std::string>()(run.adapter->fingerprint());
        }
        return 0;
    }

    // A row carries 60 bits of state as three whole numbers, and the poison flag.
    static void write_row(float* x, uint64_t state) {
        for (int i = 0; i < 3; i++) x[i] = static_cast<float>((state >> (20 * i)) & 0xFFFFF);
    }
    static uint64_t read_row(const float* x) {
        uint64_t state = 0;
        for (int i = 0; i < 3; i++) state |= static_cast<uint64_t>(x[i]) << (20 * i);
        return state;
    }

    void check_pass(int64_t rows, const model::Pass& pass) const {
        CHECK_EQ(std::ssize(pass.positions), rows);
        int32_t covered = 0;
        for (const auto& segment : pass.segments) {
            CHECK_EQ(segment.first_row, covered);
            for (int32_t row = 0; row < segment.rows; row++) {
                CHECK_EQ(pass.positions[static_cast<size_t>(covered + row)], segment.first_position + row);
            }
            covered += segment.rows;
        }
        CHECK_EQ(int64_t{covered}, rows);
    }

    std::byte* slot(const model::Pass& pass, const math::AttentionSegment& segment, int32_t layer,
                    int32_t position) const {
        CHECK_LT(position, spec_.max_positions);
        CHECK_LT(position / math::kPageTokens, std::ssize(segment.pages));
        const auto page = static_cast<size_t>(segment.pages[static_cast<size_t>(position / math::kPageTokens)]);
        const auto in_page = static_cast<size_t>(layer * math::kPageTokens + position % math::kPageTokens);
        return pass.page_pool + page * cache_spec().page_bytes + in_page * sizeof(uint64_t);
    }

    // Folds the keys of all positions up to each row's, in order, into the row.
    void attend(int32_t i, const math::AttentionSegment& segment, math::MatrixView<float> x,
                const model::Pass& pass) const {
        uint64_t before = 2;
        int32_t position = 0;
        for (int32_t row = 0; row < segment.rows; row++) {
            for (; position <= segment.first_position + row; position++) {
                uint64_t key;
                std::memcpy(&key, slot(pass, segment, i, position), sizeof key);
                CHECK(key != 0, "layer {} never saw position {}", i, position);
                before = mix(before, key);
            }
            float* own = x.row(segment.first_row + row);
            write_row(own, mix(read_row(own), before + static_cast<uint64_t>(i)));
        }
    }

    void tell_routing(int32_t i, math::MatrixView<float> x, const model::RouterTap& tap) const {
        std::vector<int32_t> experts(static_cast<size_t>(x.rows) * 2);
        std::vector<float> weights(experts.size(), 0.5f);
        for (int64_t row = 0; row < x.rows; row++) {
            const uint64_t state = read_row(x.row(row));
            experts[static_cast<size_t>(2 * row)] = static_cast<int32_t>(state % 8);
            experts[static_cast<size_t>(2 * row + 1)] = static_cast<int32_t>(8 + state / 8 % 8);
        }
        tap(i, {}, {.experts = {experts.data(), x.rows, 2}, .weights = {weights.data(), x.rows, 2}});
    }

    model::ModelSpec spec_;
};

// The kernels of tests that only need log-probabilities: the fastest that run here.
inline const math::KernelTable& test_kernels() {
    return *math::runnable_kernel_tables().back();
}

}  // namespace hone::testing_models
