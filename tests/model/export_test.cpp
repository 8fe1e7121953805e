// Folders in Hugging Face layout: sharding, types, small files, and that they appear whole or not at all.
#include <bit>
#include <csignal>

#include <sys/resource.h>

#include "checkpoint_files.h"
#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/export_weights.h"
#include "model/checkpoint/strict_json.h"
#include "model/checkpoint/weight_filler.h"

namespace hone::model {
namespace {

using math::DType;

boost::json::object read_json(const fs::path& path) {
    return read_json_object(path, kMaxConfigBytes).value();
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
}

// Tensor i: i + 1 bytes, in two pieces.
Status write_bytes(const fs::path& out, size_t count, size_t shard_bytes, size_t failing = SIZE_MAX) {
    std::vector<TensorDeclaration> tensors;
    for (size_t i = 0; i < count; i++)
        tensors.push_back({fmt::format("t{}", i), DType::u8, {static_cast<int64_t>(i + 1)}});
    const std::vector<SmallFile> files = {{"config.json", "{}"}, {"additional_chat_templates/rag.jinja", "rag"}};
    const auto values = [&](size_t tensor, PutBytes put) -> Status {
        if (tensor == failing) return error("tensor {} cannot be had", tensor);
        const std::vector<std::byte> bytes(tensor + 1, static_cast<std::byte>(tensor));
        if (const Status written = put(std::span(bytes).first(1)); !written) return written;
        return put(std::span(bytes).subspan(1));
    };
    return write_hugging_face_folder(out, tensors, files, values, shard_bytes);
}

TEST(HuggingFaceFolder, ShardsHoldEveryTensorOnce) {
    const TemporaryFolder folder;
    for (const size_t limit : {1, 10, 54, 55}) {
        const fs::path out = folder.path / std::to_string(limit);
        const Status written = write_bytes(out, 10, limit);
        ASSERT_TRUE(written.ok()) << written.error().message;
        EXPECT_EQ(read_file(out / "additional_chat_templates/rag.jinja"), "rag");
        const auto opened = CheckpointFolder::open(out);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        ASSERT_EQ(opened->tensors().size(), 10u);
        for (size_t i = 0; i < 10; i++) {
            const std::string name = fmt::format("t{}", i);
            const auto bytes = opened->tensors().at(name)->bytes;
            EXPECT_EQ(bytes.size(), i + 1);
            EXPECT_TRUE(std::ranges::all_of(bytes, [&](std::byte b) { return b == static_cast<std::byte>(i); }));
        }
        const auto names = names_in(out);
        const size_t shards = limit == 1 ? 10 : limit == 10 ? 7 : limit == 54 ? 2 : 1;
        EXPECT_EQ(names.size(), 2 + shards + (shards > 1)) << limit;
        EXPECT_EQ(fs::exists(out / "model.safetensors"), shards == 1);
        EXPECT_EQ(fs::exists(out / fmt::format("model-{:05}-of-{:05}.safetensors", shards, shards)), shards > 1);
        if (shards == 1) continue;
        const auto index = read_json(out / "model.safetensors.index.json");
        EXPECT_EQ(index.at("metadata").at("total_size"), 55);
        EXPECT_EQ(index.at("weight_map").as_object().size(), 10u);
    }
    for (const std::string& name : names_in(folder.path)) EXPECT_EQ(name.find(".tmp"), std::string::npos);
}

TEST(HuggingFaceFolder, AppearsWholeOrNotAtAll) {
    const TemporaryFolder folder;
    const fs::path out = folder.path / "out";
    const auto message = [&](const Status& status) { return status ? "(written)" : status.error().message; };
    EXPECT_CONTAINS(message(write_bytes(out, 10, 20, 9)), "tensor 9 cannot be had");
    EXPECT_TRUE(names_in(folder.path).empty());

    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit full{100, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    const std::string failure = message(write_bytes(out, 10, 20));
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    EXPECT_CONTAINS(failure, out.string());
    EXPECT_CONTAINS(failure, "(it takes 60 B, ");
    EXPECT_TRUE(names_in(folder.path).empty());

    ASSERT_TRUE(write_bytes(out, 1, 20).ok());
    EXPECT_CONTAINS(message(write_bytes(out, 2, 20)), "is there already");
    EXPECT_EQ(CheckpointFolder::open(out)->tensors().size(), 1u);
}

std::map<std::string, DType> types_in(const fs::path& folder) {
    std::map<std::string, DType> types;
    const auto opened = CheckpointFolder::open(folder).value();
    for (const auto& [name, tensor] : opened.tensors()) types.emplace(name, tensor->dtype);
    return types;
}

// Every golden model: its checkpoint once more, in the types that hold the values.
TEST(ExportModel, ACheckpointComesBackAsItWas) {
    for (const fs::path& path : golden_models()) {
        const TemporaryFolder folder;
        auto loaded = load(path);
        const fs::path out = folder.path / "out";
        const Status exported = export_model(*loaded.model, loaded.config, loaded.files, out,
                                             {.shard_bytes = 100'000, .quiet = true}, test_pool());
        ASSERT_TRUE(exported.ok()) << exported.error().message;
        const auto given = CheckpointFolder::open(path).value(), made = CheckpointFolder::open(out).value();
        ASSERT_EQ(given.tensors().size(), made.tensors().size());
        for (const auto& [name, tensor] : given.tensors()) {
            const math::TensorView& other = *made.tensors().at(name);
            // What is fp32 in a checkpoint may need it.
            if (tensor->dtype != DType::f32) {
                EXPECT_EQ(other.dtype, DType::bf16) << name;
            }
            EXPECT_EQ(other.shape, tensor->shape) << name;
            const auto count = static_cast<size_t>(math::element_count(tensor->shape));
            std::vector<float> a(count), b(count);
            widen(*tensor, 0, math::element_count(tensor->shape), a.data());
            widen(other, 0, math::element_count(tensor->shape), b.data());
            if (other.dtype == DType::bf16)
                for (float& value : a) value = math::to_float(math::round_to_bf16(value));
            EXPECT_EQ(a, b) << name;
        }
        EXPECT_EQ(read_json(out / "config.json"), loaded.config);
        EXPECT_EQ(read_file(out / "tokenizer.json"), read_file(path / "tokenizer.json"));
    }
}

TEST(ExportModel, WhatIsReplacedStaysUntilTheNewOneIsWhole) {
    const TemporaryFolder folder;
    auto loaded = load(golden_models().front());
    const auto write = [&](const FolderOptions& how) {
        return export_model(*loaded.model, loaded.config, loaded.files, folder.path / "out",
                            {.folder = how, .quiet = true}, test_pool());
    };
    ASSERT_TRUE(write({.more = {{"step.txt", "4"}}}).ok());
    constexpr auto replace = AtomicFolder::Existing::replace;
    EXPECT_FALSE(write({.existing = replace, .more = {{"config.json/no", ""}}}).ok());
    EXPECT_EQ(read_file(folder.path / "out/step.txt"), "4");
    ASSERT_TRUE(write({.existing = replace, .more = {{"step.txt", "8"}}}).ok());
    EXPECT_EQ(read_file(folder.path / "out/step.txt"), "8");
}

TEST(ExportModel, TypesAreTheNarrowestThatHoldTheValues) {
    const TemporaryFolder folder;
    auto config = shape("qwen3-30b-a3b");
    for (const auto& [field, value] : std::map<std::string, int>{{"vocab_size", 96},
                                                                 {"hidden_size", 64},
                                                                 {"num_hidden_layers", 1},
                                                                 {"num_attention_heads", 2},
                                                                 {"num_key_value_heads", 1},
                                                                 {"head_dim", 32},
                                                                 {"moe_intermediate_size", 40},
                                                                 {"num_experts", 4},
                                                                 {"num_experts_per_tok", 2}})
        config[field] = value;
    config["tie_word_embeddings"] = true;
    config["torch_dtype"] = "bfloat16";
    const fs::path source = folder.path / "source";
    write_checkpoint(source, config);
    const auto exported = [&](WeightChoice choice, const std::string& name, float norm) {
        auto loaded = load(source, choice);
        std::vector<float> changed;
        loaded.model->visit([&](const WeightSlot& slot) {
            if (slot.name != "model.norm.weight") return;
            changed.assign(slot.vector->begin(), slot.vector->end());
            changed[3] = norm;
            *slot.vector = changed;
        });
        const Status status =
            export_model(*loaded.model, loaded.config, loaded.files, folder.path / name, {.quiet = true}, test_pool());
        EXPECT_TRUE(status.ok()) << status.error().message;
        return types_in(folder.path / name);
    };
    const std::string expert = "model.layers.0.mlp.experts.3.down_proj.weight";
    const auto as_bf16 = exported(WeightChoice::as_stored, "bf16", 1 + 0x1p-20f);
    EXPECT_EQ(as_bf16.at("model.norm.weight"), DType::f32);
    EXPECT_EQ(as_bf16.at(expert), DType::bf16);
    EXPECT_FALSE(as_bf16.contains("lm_head.weight"));
    EXPECT_EQ(read_json(folder.path / "bf16/config.json"), config);

    const auto experts = exported(WeightChoice::int4_experts, "experts", 1 + 0x1p-7f);
    EXPECT_EQ(experts.at("model.norm.weight"), DType::bf16);
    EXPECT_EQ(experts.at(expert), DType::f32);
    EXPECT_EQ(experts.at("model.layers.0.self_attn.q_proj.weight"), DType::bf16);
    EXPECT_EQ(read_json(folder.path / "experts/config.json").at("torch_dtype"), "float32");
    EXPECT_EQ(read_json(folder.path / "experts/config.json").at("tie_word_embeddings"), true);

    const auto all = exported(WeightChoice::int4, "all", 1);
    EXPECT_EQ(all.at("lm_head.weight"), DType::f32);
    EXPECT_EQ(all.at("model.embed_tokens.weight"), DType::bf16);
    EXPECT_EQ(read_json(folder.path / "all/config.json").at("tie_word_embeddings"), false);
}

}  // namespace
}  // namespace hone::model
