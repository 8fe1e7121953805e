#include "model/checkpoint/random_weights.h"

#include <cmath>
#include <set>

#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

LoadedModel random(std::string_view name, WeightChoice weights, uint64_t seed = 1, int threads = 2) {
    ThreadPool pool(threads);
    auto made = random_model(shape(name), std::string(name), {.weights = weights, .seed = seed, .quiet = true}, pool);
    CHECK(made.ok(), "{}", made.error().message);
    return std::move(*made);
}

constexpr const char* kTiny[] = {"tiny-dense", "tiny-moe", "tiny-olmoe", "tiny-minimax-m2"};
constexpr WeightChoice kChoices[] = {WeightChoice::as_stored, WeightChoice::bf16, WeightChoice::int4,
                                     WeightChoice::int4_experts};

TEST(RandomWeights, AreFiniteCentredAndOfTheRightSize) {
    for (const auto* name : kTiny) {
        for (const auto choice : kChoices) {
            const auto made = random(name, choice);
            for (const auto& slot : slots_of(*made.model)) {
                if (slot.vector) {
                    const float expected = slot.role == WeightRole::router_bias ? 0.0f : 1.0f;
                    for (const float value : *slot.vector) EXPECT_EQ(value, expected);
                    continue;
                }
                double sum = 0, squares = 0;
                std::vector<float> row(static_cast<size_t>(slot.k));
                for (int32_t n = 0; n < slot.n; n++) {
                    math::unpack_row(*slot.matrix, n, row.data());
                    for (const float value : row) {
                        ASSERT_TRUE(std::isfinite(value)) << slot.name;
                        sum += value;
                        squares += double{value} * value;
                    }
                }
                const double count = static_cast<double>(slot.n) * slot.k;
                const bool is_tied =
                    slot.role == WeightRole::embedding && slot.matrix->format == math::WeightFormat::bf16;
                const double size = slot.role == WeightRole::embedding && !is_tied ? 0.02 * 1024 : 0.02;
                EXPECT_NEAR(std::sqrt(squares / count), size, size / 5) << slot.name;
                // Five standard deviations of the mean: a mean that is not zero makes all tokens choose the same experts.
                EXPECT_LT(std::abs(sum / count), 5 * size / std::sqrt(count)) << slot.name;
            }
        }
    }
}

TEST(RandomWeights, FormatsAreThoseOfACheckpoint) {
    TemporaryFolder folder;
    for (const auto* name : kTiny) {
        write_checkpoint(folder.path / name, shape(name));
        for (const auto choice : kChoices) {
            const auto made = random(name, choice), loaded = load(folder.path / name, choice);
            const auto a = slots_of(*made.model), b = slots_of(*loaded.model);
            ASSERT_EQ(a.size(), b.size());
            for (size_t i = 0; i < a.size(); i++) {
                if (!a[i].matrix) continue;
                EXPECT_EQ(a[i].matrix->format, b[i].matrix->format) << a[i].name;
            }
            EXPECT_EQ(made.weights.bytes().size(), loaded.weights.bytes().size());
        }
    }
}

TEST(RandomWeights, DependOnTheSeedAlone) {
    for (const auto choice : kChoices) {
        const auto a = random("tiny-olmoe", choice, 5, 1), b = random("tiny-olmoe", choice, 5, 4),
                   c = random("tiny-olmoe", choice, 6);
        expect_same_weights(*a.model, *b.model);
        const auto slots_a = slots_of(*a.model), slots_c = slots_of(*c.model);
        for (size_t i = 0; i < slots_a.size(); i++) {
            EXPECT_EQ(same_bytes(bytes_of(slots_a[i]), bytes_of(slots_c[i])), slots_a[i].vector != nullptr)
                << slots_a[i].name;
        }
    }
}

TEST(RandomWeights, DoNotDependOnHowTheyAreGrouped) {
    for (const auto* name : kTiny) {
        const auto model = make_model(shape(name)).value();
        const WeightPlan plan = plan_weights(*model, WeightChoice::int4_experts).value();
        const auto filled = [&](size_t limit) {
            std::string bytes(plan.bytes, '\0');
            const auto groups = cut_into_groups(plan, limit);
            for (const WeightGroup& group : groups)
                fill_random(plan, group, 3, reinterpret_cast<std::byte*>(bytes.data()) + group.begin, test_pool());
            return std::pair(bytes, groups.size());
        };
        const auto [whole, one] = filled(plan.bytes);
        EXPECT_EQ(one, 1u);
        for (const size_t limit : {1, 5000, 60000}) {
            const auto [bytes, groups] = filled(limit);
            EXPECT_GT(groups, 1u) << limit;
            EXPECT_TRUE(bytes == whole) << name << " in groups of " << limit;
        }
    }
}

TEST(RandomWeights, MatricesAndRowsDiffer) {
    const auto made = random("tiny-moe", WeightChoice::int4);
    std::set<std::vector<float>> rows;
    size_t count = 0;
    for (const auto& slot : slots_of(*made.model)) {
        if (!slot.matrix) continue;
        for (int32_t n = 0; n < slot.n; n++, count++) {
            std::vector<float> row(static_cast<size_t>(slot.k));
            math::unpack_row(*slot.matrix, n, row.data());
            rows.insert(row);
        }
    }
    EXPECT_EQ(rows.size(), count);
}

TEST(RandomWeights, PaddingsStayZero) {
    // The bytes beyond the last column are what packing zeros leaves.
    const auto made = random("tiny-moe", WeightChoice::as_stored);
    for (const auto& slot : slots_of(*made.model)) {
        if (!slot.matrix) continue;
        std::vector<float> values(static_cast<size_t>(slot.n) * static_cast<size_t>(slot.k));
        for (int32_t n = 0; n < slot.n; n++) math::unpack_row(*slot.matrix, n, values.data() + int64_t{n} * slot.k);
        std::vector<std::byte> packed(bytes_of(slot).size());
        math::pack_weight(slot.matrix->format, slot.n, slot.k, 0, slot.n, values.data(), packed.data());
        EXPECT_TRUE(same_bytes(packed, bytes_of(slot))) << slot.name;
    }
}

TEST(RandomWeights, MoreThanTheMachineHasIsAnError) {
    auto config = shape("tiny-dense");
    config["vocab_size"] = 1 << 24;
    config["hidden_size"] = 1 << 20;
    const auto made = random_model(config, "huge", {.quiet = true}, test_pool());
    ASSERT_FALSE(made.ok());
    EXPECT_CONTAINS(made.error().message, "huge");
}

TEST(Shapes, AllAreKnownToTheZoo) {
    for (const auto& name : shape_names()) {
        const auto model = make_model(shape(name));
        EXPECT_TRUE(model.ok()) << name;
    }
    EXPECT_CONTAINS(shape_config("qwen9").error().message, "olmoe-1b-7b");
}

// The sizes that are published, and those of the peers' measured files (parameters; KV bytes a token).
TEST(Shapes, HaveThePublishedSizes) {
    const auto parameters = [](std::string_view name) {
        const auto model = make_model(shape(name)).value();
        std::map<std::string, int64_t> distinct;
        for (const auto& slot : slots_of(*model)) distinct[slot.name] = int64_t{slot.n} * slot.k;
        int64_t sum = 0;
        for (const auto& [tensor, count] : distinct) sum += count;
        return sum;
    };
    EXPECT_EQ(parameters("qwen3-30b-a3b"), 30'532'122'624);
    EXPECT_EQ(parameters("olmoe-1b-7b"), 6'919'161'856);
    EXPECT_EQ(parameters("qwen3-0.6b"), 596'049'920);
    const auto kv_bytes = [](std::string_view name) {
        return make_model(shape(name)).value()->cache_spec().page_bytes / math::kPageTokens;
    };
    EXPECT_EQ(kv_bytes("qwen3-30b-a3b"), 98'304u);
    EXPECT_EQ(kv_bytes("olmoe-1b-7b"), 131'072u);
    EXPECT_EQ(kv_bytes("qwen3-0.6b"), 114'688u);
}

}  // namespace
}  // namespace hone::model
