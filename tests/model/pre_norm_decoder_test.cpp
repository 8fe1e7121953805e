#include "model/nn/pre_norm_decoder.h"

#include <algorithm>
#include <deque>

#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

constexpr int32_t kHidden = 32, kRows = 5;

// One attention layer with norms of queries and keys; its feed-forward adds nothing.
class AttentionOnly final : public PreNormDecoder {
  public:
    // Norms factor by 1 + w or by w; either way the factors are the same.
    AttentionOnly(QkNorm qk_norm, math::NormWeight kind) {
        spec_.layers = 1;
        const boost::json::object object = {{"num_hidden_layers", 1},
                                            {"hidden_size", kHidden},
                                            {"vocab_size", 64},
                                            {"num_attention_heads", 4},
                                            {"num_key_value_heads", 2}};
        ConfigReader config(object, "config");
        read_shared_fields(config, object);
        CHECK(config.status().ok(), "{}", config.status().error().message);
        attention_.qk_norm = qk_norm;
        set_norms(1e-6f, kind);
        visit([&](const WeightSlot& slot) {
            auto values = values_of(slot);
            if (slot.vector && kind == math::NormWeight::plain) {
                for (float& value : values) value += 1;  // exact: the values are multiples of 2^-7
            }
            const auto format = format_for(slot, WeightChoice::as_stored);
            auto& bytes = storage_.emplace_back(planned_bytes(slot, format));
            if (format) {
                math::pack_weight(*format, slot.n, slot.k, 0, slot.n, values.data(), bytes.data());
            } else {
                std::memcpy(bytes.data(), values.data(), values.size() * sizeof(float));
            }
            attach(slot, format, bytes.data());
        });
    }

    // The rows after the layer.
    std::vector<float> run() const {
        std::vector<float> rows(kRows * kHidden);
        for (size_t i = 0; i < rows.size(); i++) rows[i] = static_cast<float>(i * 37 % 101) * 0x1p-5f - 1;
        std::vector<std::byte> page(cache_spec().page_bytes + 64);
        const auto aligned = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(page.data()) + 63) / 64 * 64);
        const int32_t pages[] = {0}, positions[] = {0, 1, 2, 3, 4};
        const math::AttentionSegment segments[] = {{0, kRows, 0, pages}};
        math::Workspace workspace;
        math::OpContext ops{test_pool(), workspace, **math::select_kernels("auto")};
        Pass pass{.ops = ops, .positions = positions, .segments = segments, .page_pool = aligned};
        layer(0, {rows.data(), kRows, kHidden}, pass);
        return rows;
    }

  private:
    void visit_feed_forward(int32_t, const std::string&, WeightVisitor) override {}
    void feed_forward(int32_t, math::MatrixView<const float>, math::MatrixView<float> y, Pass&) const override {
        std::fill(y.data, y.data + y.rows * y.stride, 0.0f);
    }

    std::deque<std::vector<std::byte>> storage_;
};

TEST(PreNormDecoder, ZeroCentredNormsHoldForQueriesAndKeysToo) {
    for (const QkNorm qk_norm : {QkNorm::none, QkNorm::per_head, QkNorm::all_heads}) {
        const auto plain = AttentionOnly(qk_norm, math::NormWeight::plain).run();
        const auto one_plus = AttentionOnly(qk_norm, math::NormWeight::one_plus).run();
        EXPECT_EQ(plain, one_plus);
        EXPECT_TRUE(std::all_of(plain.begin(), plain.end(), [](float value) { return std::isfinite(value); }));
    }
    EXPECT_NE(AttentionOnly(QkNorm::none, math::NormWeight::plain).run(),
              AttentionOnly(QkNorm::per_head, math::NormWeight::plain).run());
}

}  // namespace
}  // namespace hone::model
