#include "model/checkpoint/inspect.h"

#include <boost/json/parse.hpp>

#include "model/checkpoint/pack.h"
#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

Inspection inspect(const fs::path& path, WeightChoice weights = WeightChoice::as_stored) {
    auto inspection = inspect_model(path, weights);
    CHECK(inspection.ok(), "{}", inspection.error().message);
    return std::move(*inspection);
}

constexpr WeightChoice kChoices[] = {WeightChoice::as_stored, WeightChoice::bf16, WeightChoice::int4,
                                     WeightChoice::int4_experts};

TEST(Inspect, AgreesWithWhatLoadingMakes) {
    ASSERT_FALSE(golden_models().empty());
    for (const auto& path : golden_models()) {
        for (const auto choice : kChoices) {
            SCOPED_TRACE(fmt::format("{} as {}", path.filename().string(), name_of(choice)));
            const auto loaded = load(path, choice);
            const auto inspection = inspect(path, choice);
            const auto slots = slots_of(*loaded.model);
            const ModelSpec& spec = loaded.model->spec();
            ASSERT_EQ(inspection.tensors.size(), slots.size());
            std::map<const std::byte*, size_t> distinct;
            std::map<std::string, int64_t> parameters;
            double active = 0, read = 0;
            for (size_t i = 0; i < slots.size(); i++) {
                const auto& tensor = inspection.tensors[i];
                const auto format = slots[i].matrix ? std::optional(slots[i].matrix->format) : std::nullopt;
                EXPECT_EQ(tensor.name, slots[i].name);
                EXPECT_EQ(tensor.format, name_of(format));
                const size_t size = tensor.stored == "F32" ? 4 : 2;  // golden ones are bf16, some routers fp32
                EXPECT_EQ(tensor.stored_bytes, static_cast<size_t>(tensor.parameters()) * size);
                const auto* data = slots[i].matrix ? slots[i].matrix->data : bytes_of(slots[i]).data();
                distinct[data] = planned_bytes(slots[i], format);
                parameters[slots[i].name] = tensor.parameters();
                if (slots[i].role == WeightRole::embedding) continue;
                const bool is_expert = slots[i].role == WeightRole::expert;
                const double share = is_expert ? static_cast<double>(spec.experts_per_token) / spec.experts : 1;
                active += share * static_cast<double>(tensor.parameters());
                read += share * static_cast<double>(planned_bytes(slots[i], format));
            }
            size_t bytes = 0;
            for (const auto& [data, size] : distinct) bytes += size;
            int64_t count = 0;
            for (const auto& [name, size] : parameters) count += size;
            EXPECT_EQ(inspection.weight_bytes, bytes);
            EXPECT_EQ(inspection.parameters, count);
            EXPECT_NEAR(static_cast<double>(inspection.active_parameters), active, spec.experts_per_token);
            EXPECT_NEAR(static_cast<double>(inspection.bytes_per_token), read, spec.experts_per_token);
            EXPECT_EQ(inspection.kv_bytes_per_token,
                      static_cast<size_t>(spec.layers) * spec.kv_heads * spec.head_dim * 2 * 2);
        }
    }
}

TEST(Inspect, PackAndFolderAgree) {
    TemporaryFolder folder;
    for (const auto* name : {"tiny-dense", "tiny-moe"}) {
        write_checkpoint(folder.path / name, shape(name));
        for (const auto choice : kChoices) {
            const auto out = folder.path / "packed";
            ASSERT_TRUE(pack_model(folder.path / name, out, {.weights = choice, .quiet = true}, test_pool()).ok());
            const auto of_pack = to_json(inspect(out)), of_folder = to_json(inspect(folder.path / name, choice));
            for (const char* field : {"architecture", "memory", "totals", "parameters", "active_parameters"}) {
                EXPECT_EQ(of_pack.at(field), of_folder.at(field)) << field;
            }
            EXPECT_EQ(of_pack.at("kind"), "pack");
            EXPECT_EQ(of_folder.at("kind"), "folder");
        }
    }
}

// A server tells what inspect tells; of weights without files, or with others' files, what is in memory.
TEST(Inspect, OfALoadedModelAgrees) {
    for (const auto& path : golden_models()) {
        const auto loaded = load(path, WeightChoice::int4);
        const auto of_files = to_json(inspect(path, WeightChoice::int4));
        EXPECT_EQ(to_json(inspect_loaded(loaded, path, WeightChoice::int4)), of_files);
        for (const fs::path& other : {fs::path(), path / "none", golden_models().front() / "config.json"}) {
            const auto in_memory = to_json(inspect_loaded(loaded, other, WeightChoice::int4));
            for (const char* field : {"architecture", "memory", "totals", "layers", "parameters", "active_parameters"})
                EXPECT_EQ(in_memory.at(field), of_files.at(field)) << field;
        }
        EXPECT_EQ(inspect_loaded(loaded, {}, WeightChoice::int4).kind, "shape");
    }
}

// Each tensor is in one part of one layer, or of what is in none.
TEST(Inspect, LayersHaveAllTensors) {
    for (const auto& path : golden_models()) {
        const auto told = to_json(inspect(path));
        const auto& layers = told.at("layers").as_array();
        ASSERT_EQ(layers.size(), told.at("architecture").at("layers").to_number<size_t>() + 1);
        EXPECT_TRUE(layers[0].at("layer").is_null());
        size_t tensors = 0, bytes = 0;
        for (size_t i = 0; i < layers.size(); i++) {
            if (i > 0) {
                EXPECT_EQ(layers[i].at("layer").to_number<size_t>(), i - 1);
            }
            for (const auto& part : layers[i].at("parts").as_array()) {
                tensors += part.at("tensors").to_number<size_t>();
                bytes += part.at("bytes").to_number<size_t>();
                EXPECT_NE(part.at("name").as_string(), "");
            }
        }
        EXPECT_EQ(tensors, told.at("tensors").as_array().size());
        EXPECT_EQ(bytes, told.at("memory").at("weights").to_number<size_t>());
    }
}

TEST(Inspect, TotalsAddUp) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-moe"));
    const auto inspection = inspect(folder.path, WeightChoice::int4_experts);
    size_t tensors = 0, bytes = 0;
    for (const auto& total : inspection.totals) {
        tensors += total.tensors;
        bytes += total.bytes;
        EXPECT_EQ(total.format == "int4_g32", total.role == WeightRole::expert);
    }
    EXPECT_EQ(tensors, inspection.tensors.size());
    EXPECT_EQ(bytes, inspection.weight_bytes);
}

TEST(Inspect, TokensThatFitAreWholePages) {
    Inspection inspection;
    inspection.kv_bytes_per_token = 1000;
    EXPECT_EQ(tokens_that_fit(inspection, 63'999), 0);
    EXPECT_EQ(tokens_that_fit(inspection, 64'000), 64);
    EXPECT_EQ(tokens_that_fit(inspection, 200'000), 192);
}

TEST(Inspect, PrintsTheTable) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-moe"));
    const std::string text = to_text(inspect(folder.path, WeightChoice::int4));
    EXPECT_CONTAINS(text, "qwen3_moe: 3 layers, hidden 64, vocabulary 288, up to 65536 positions");
    EXPECT_CONTAINS(text, "4 heads of 32, 2 key-value heads");
    EXPECT_CONTAINS(text, "8, 2 a token");
    EXPECT_CONTAINS(text, "model.layers.*.mlp.experts.*.gate_proj.weight");
    EXPECT_CONTAINS(text, "lm_head.weight");
    EXPECT_CONTAINS(text, "KV cache      768 B a token");
    EXPECT_CONTAINS(text, "1 GiB holds 1398080, 4 GiB");
}

TEST(Inspect, JsonHoldsEveryTensor) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"));
    const auto inspection = inspect(folder.path);
    const auto text = boost::json::serialize(to_json(inspection));
    const auto parsed = boost::json::parse(text).as_object();
    EXPECT_EQ(parsed.at("tensors").as_array().size(), inspection.tensors.size());
    EXPECT_EQ(parsed.at("architecture").at("layers").as_int64(), 2);
    EXPECT_EQ(parsed.at("tensors").as_array()[0].at("shares_bytes"), true);
    EXPECT_EQ(parsed.at("memory").at("weights").as_int64(), static_cast<int64_t>(inspection.weight_bytes));
}

TEST(Inspect, ReportsWhatIsWrong) {
    TemporaryFolder folder;
    EXPECT_CONTAINS(inspect_model(folder.path / "none", WeightChoice::as_stored).error().message, "no such file");
    write_checkpoint(folder.path, shape("tiny-dense"),
                     {.keep = [](const std::string& name) { return name != "model.norm.weight"; }});
    EXPECT_CONTAINS(inspect_model(folder.path, WeightChoice::as_stored).error().message,
                    "'model.norm.weight' is missing");
}

}  // namespace
}  // namespace hone::model
