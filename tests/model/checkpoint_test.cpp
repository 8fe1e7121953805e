#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/open_checkpoint.h"
#include "model/checkpoint/random_weights.h"
#include "model/printable.h"
#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

using math::WeightFormat;

// The slot's tensor packed in one call, as the format's definition has it.
std::vector<std::byte> packed_alone(const WeightSlot& slot, WeightFormat format, const std::vector<float>& values) {
    std::vector<std::byte> packed(math::packed_bytes(format, slot.n, slot.k));
    math::pack_weight(format, slot.n, slot.k, 0, slot.n, values.data(), packed.data());
    return packed;
}

// The format that a role gets when `choice` is asked for, written out as the command line promises it.
WeightFormat expected_format(const WeightSlot& slot, WeightChoice choice, bool tied) {
    const bool quantises_all = choice == WeightChoice::int4;
    switch (slot.role) {
        case WeightRole::router:
            return WeightFormat::f32;
        case WeightRole::embedding:
            return tied && !quantises_all ? WeightFormat::bf16 : WeightFormat::bf16_rows;
        case WeightRole::expert:
            return quantises_all || choice == WeightChoice::int4_experts ? WeightFormat::int4_g32 : WeightFormat::bf16;
        default:
            return quantises_all ? WeightFormat::int4_g32 : WeightFormat::bf16;
    }
}

void expect_weights(const LoadedModel& loaded, WeightChoice choice,
                    const std::function<std::vector<float>(const WeightSlot&)>& values) {
    const auto slots = slots_of(*loaded.model);
    const bool tied = slots.back().name == slots.front().name;
    const auto store = loaded.weights.bytes();
    for (const auto& slot : slots) {
        const auto found = bytes_of(slot);
        EXPECT_GE(found.data(), store.data()) << slot.name;
        EXPECT_LE(found.data() + found.size(), store.data() + store.size()) << slot.name;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(found.data()) % 64, 0u) << slot.name;
        if (slot.vector) {
            EXPECT_EQ(std::vector<float>(slot.vector->begin(), slot.vector->end()), values(slot)) << slot.name;
            continue;
        }
        EXPECT_EQ(slot.matrix->format, expected_format(slot, choice, tied)) << slot.name;
        EXPECT_EQ(slot.matrix->n, slot.n);
        EXPECT_EQ(slot.matrix->k, slot.k);
        EXPECT_TRUE(same_bytes(found, packed_alone(slot, slot.matrix->format, values(slot)))) << slot.name;
    }
}

constexpr WeightChoice kChoices[] = {WeightChoice::as_stored, WeightChoice::bf16, WeightChoice::int4,
                                     WeightChoice::int4_experts};

TEST(Checkpoint, GoldenWeightsArePackedFromTheirTensors) {
    ASSERT_FALSE(golden_models().empty());
    for (const auto& path : golden_models()) {
        for (const auto choice : kChoices) {
            SCOPED_TRACE(fmt::format("{} as {}", path.filename().string(), name_of(choice)));
            const auto folder = CheckpointFolder::open(path);
            ASSERT_TRUE(folder.ok()) << folder.error().message;
            expect_weights(load(path, choice), choice, [&](const WeightSlot& slot) {
                const auto& tensor = *folder->tensors().at(slot.name);
                std::vector<float> values(static_cast<size_t>(math::element_count(tensor.shape)));
                widen(tensor, 0, static_cast<int64_t>(values.size()), values.data());
                return values;
            });
        }
    }
}

TEST(Checkpoint, EveryShapeAndStoredTypeGivesTheSameWeights) {
    TemporaryFolder folder;
    for (const auto* name : {"tiny-dense", "tiny-moe", "tiny-olmoe", "tiny-minimax-m2"}) {
        for (const auto dtype : {math::DType::bf16, math::DType::f16, math::DType::f32}) {
            SCOPED_TRACE(fmt::format("{} stored as {}", name, math::name_of(dtype)));
            const auto path = folder.path / fmt::format("{}-{}", name, math::name_of(dtype));
            write_checkpoint(path, shape(name), {.dtype = dtype});
            for (const auto choice : kChoices) expect_weights(load(path, choice), choice, values_of);
        }
    }
}

TEST(Checkpoint, MatricesOfManyTilesArePackedWhole) {
    TemporaryFolder folder;
    auto config = shape("tiny-dense");
    config["vocab_size"] = 9001;  // more than two tiles of rows, the last one ragged
    write_checkpoint(folder.path, config);
    for (const auto choice : kChoices) expect_weights(load(folder.path, choice), choice, values_of);
}

TEST(Checkpoint, GroupsHoldEveryWeightOnceInFileOrder) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"));
    const auto checkpoint = open_checkpoint(folder.path, WeightChoice::as_stored);
    ASSERT_TRUE(checkpoint.ok());
    for (const size_t limit : {size_t{1}, size_t{20'000}, size_t{1} << 30}) {
        std::vector<const PlannedWeight*> seen;
        size_t groups = 0, largest = 0;
        const Status done = for_each_group(
            *checkpoint, "testing", true,
            [&](const WeightGroup& place, std::span<FillJob> group) {
                EXPECT_EQ(place.begin, group.front().weight->offset);
                EXPECT_EQ(place.end, group.back().weight->offset + group.back().weight->bytes);
                size_t before_last = 0;
                for (const auto& job : group) seen.push_back(job.weight);
                for (const auto& job : group.first(group.size() - 1)) before_last += job.source->bytes.size();
                largest = std::max(largest, before_last);
                groups++;
                return ok();
            },
            limit);
        EXPECT_TRUE(done.ok());
        EXPECT_LT(largest, limit);
        EXPECT_EQ(groups == 1, limit == size_t{1} << 30);
        std::vector<const PlannedWeight*> expected;
        for (const auto& weight : checkpoint->plan.weights) {
            if (!weight.twin) expected.push_back(&weight);
        }
        EXPECT_EQ(seen, expected);
        EXPECT_EQ(seen.size() + 1, checkpoint->plan.weights.size());  // but for the tied embedding
    }
    const auto stop = [](const WeightGroup&, std::span<FillJob>) { return error("enough"); };
    const Status stopped = for_each_group(*checkpoint, "testing", true, stop);
    EXPECT_FALSE(stopped.ok());
}

TEST(Checkpoint, TiedHeadAndEmbeddingAreOneCopyInBf16) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"));
    const auto same_data = [&](WeightChoice choice) {
        const auto loaded = load(folder.path, choice);
        const auto slots = slots_of(*loaded.model);
        return slots.front().matrix->data == slots.back().matrix->data;
    };
    EXPECT_TRUE(same_data(WeightChoice::as_stored));
    EXPECT_TRUE(same_data(WeightChoice::int4_experts));
    EXPECT_FALSE(same_data(WeightChoice::int4));
}

TEST(Checkpoint, HalfPrecisionWidensExactly) {
    const uint16_t halves[] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00};
    const float expected[] = {0.0f, -0.0f, 0x1p-24f, -1023 * 0x1p-24f, 0x1p-14f, 1, -2, 65504, INFINITY, -INFINITY};
    const math::TensorView tensor{math::DType::f16, {10}, std::as_bytes(std::span(halves))};
    float values[10];
    widen(tensor, 0, 10, values);
    for (size_t i = 0; i < 10; i++)
        EXPECT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(expected[i])) << i;
    widen(tensor, 5, 2, values);
    EXPECT_EQ(values[1], -2);
}

TEST(Checkpoint, FoundUnderEveryPrefix) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "plain", shape("tiny-moe"));
    const auto plain = load(folder.path / "plain");
    const auto without_model = [](const std::string& name) {
        return name.starts_with("model.") ? name.substr(6) : name;
    };
    const std::vector<std::function<std::string(const std::string&)>> renames = {
        without_model,
        [](const std::string& name) { return "language_model." + name; },
        [&](const std::string& name) { return "language_model." + without_model(name); },
        [&](const std::string& name) {
            return name.starts_with("model.") ? "model.language_model." + without_model(name) : name;
        },
        [](const std::string& name) { return "model." + name; },
    };
    for (size_t i = 0; i < renames.size(); i++) {
        const auto path = folder.path / std::to_string(i);
        write_checkpoint(path, shape("tiny-moe"), {.rename = renames[i]});
        expect_same_weights(*load(path).model, *plain.model);
    }
}

TEST(Checkpoint, ShardsGiveTheSameWeights) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "single", shape("tiny-moe"));
    write_checkpoint(folder.path / "sharded", shape("tiny-moe"), {.shards = 3});
    for (const auto choice : kChoices) {
        const auto single = load(folder.path / "single", choice), sharded = load(folder.path / "sharded", choice);
        expect_same_weights(*single.model, *sharded.model);
    }
}

TEST(Checkpoint, ThreadsDoNotMatter) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-olmoe"));
    ThreadPool one(1), five(5);
    const LoadOptions options{.weights = WeightChoice::int4, .quiet = true};
    const auto a = load_model(folder.path, options, one), b = load_model(folder.path, options, five);
    ASSERT_TRUE(a.ok() && b.ok());
    expect_same_weights(*a->model, *b->model);
}

TEST(Checkpoint, MovingTheModelLeavesTheBytesInPlace) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"));
    auto first = load(folder.path);
    const auto* data = slots_of(*first.model)[3].matrix->data;
    const LoadedModel second = std::move(first);
    EXPECT_EQ(slots_of(*second.model)[3].matrix->data, data);
    expect_weights(second, WeightChoice::as_stored, values_of);
}

TEST(Checkpoint, BringsItsSmallFilesAndName) {
    TemporaryFolder folder;
    const auto path = folder.path / "some-model";
    write_checkpoint(path, shape("tiny-dense"));
    write_file(path / "chat_template.jinja", "{{ messages }}");
    write_file(path / "tokenizer.model", std::string("\0\1\xff", 3));
    write_file(path / "README.md", "not ours");
    const auto loaded = load(path / "");
    EXPECT_EQ(loaded.name, "some-model");
    EXPECT_EQ(loaded.files.read("chat_template.jinja").value(), "{{ messages }}");
    EXPECT_EQ(loaded.files.read("tokenizer.model").value(), std::string("\0\1\xff", 3));
    EXPECT_FALSE(loaded.files.has("tiktoken.model"));
    EXPECT_CONTAINS(loaded.files.read("tiktoken.model").error().message, (path / "tiktoken.model").string());
    EXPECT_EQ(loaded.config, shape("tiny-dense"));
}

// Adds empty tensors of these names to the folder's single file.
void add_tensors(const fs::path& folder, const std::vector<TensorDeclaration>& added) {
    const auto path = folder / "model.safetensors";
    std::vector<TensorDeclaration> tensors = added;
    std::vector<std::string> contents(added.size());
    {
        const auto file = SafetensorsFile::open(path);
        ASSERT_TRUE(file.ok()) << file.error().message;
        for (const auto& [name, view] : file->tensors()) {
            tensors.push_back({name, view.dtype, view.shape});
            contents.emplace_back(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
        }
    }
    for (size_t i = 0; i < added.size(); i++) {
        const auto elements = static_cast<size_t>(math::element_count(added[i].shape));
        contents[i].assign(elements * math::bits_of(added[i].dtype) / 8, '\0');
    }
    auto writer = SafetensorsWriter::create(path, tensors);
    ASSERT_TRUE(writer.ok()) << writer.error().message;
    for (size_t i = 0; i < tensors.size(); i++) {
        ASSERT_TRUE(writer->write(i, 0, std::as_bytes(std::span(contents[i]))).ok());
    }
    ASSERT_TRUE(writer->finish().ok());
}

TEST(Checkpoint, TensorsOutsideOfTheModelAreLeftAlone) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"));
    using enum math::DType;
    // A tied head's copy and buffers are passed over; the others are listed. None is of a type that could be a weight.
    add_tensors(folder.path, {{"lm_head.weight", i64, {1}},
                              {"model.layers.0.self_attn.rotary_emb.inv_freq", u32, {2}},
                              {"model.layers.10.mlp.up_proj.weight", u16, {2}},
                              {"model.layers.2.self_attn.q_proj.weight", f8_e8m0, {2}},
                              {"model.vision_tower.layers.0.self_attn.q_proj.bias", u64, {2}},
                              {"mtp.layers.0.norm.weight", c64, {2}}});
    expect_weights(load(folder.path), WeightChoice::as_stored, values_of);
    const auto checkpoint = open_checkpoint(folder.path, WeightChoice::as_stored);
    ASSERT_TRUE(checkpoint.ok());
    EXPECT_EQ(checkpoint->unused,
              (std::vector<std::string_view>{
                  "model.layers.10.mlp.up_proj.weight", "model.layers.2.self_attn.q_proj.weight",
                  "model.vision_tower.layers.0.self_attn.q_proj.bias", "mtp.layers.0.norm.weight"}));
}

TEST(CheckpointErrors, PathsAndConfigs) {
    TemporaryFolder folder;
    EXPECT_CONTAINS(load_error(folder.path / "none"), "no such file or folder");
    EXPECT_CONTAINS(load_error(folder.path), "config.json");
    write_file(folder.path / "config.json", "{\"model_type\": ");
    EXPECT_CONTAINS(load_error(folder.path), "config.json: not valid JSON");
    write_file(folder.path / "config.json", "[]");
    EXPECT_CONTAINS(load_error(folder.path), "config.json: must hold a JSON object");
    write_file(folder.path / "config.json", boost::json::serialize(shape("tiny-dense")));
    EXPECT_CONTAINS(load_error(folder.path), "neither model.safetensors nor model.safetensors.index.json");
    fs::create_directory(folder.path / "model.safetensors");
    EXPECT_CONTAINS(load_error(folder.path), "not a regular file");
    fs::remove(folder.path / "model.safetensors");
    write_checkpoint(folder.path, shape("tiny-dense"));
    write_file(folder.path / "config.json", R"({"model_type": "gpt-17"})");
    EXPECT_CONTAINS(load_error(folder.path), "model_type 'gpt-17' is not supported");
    fs::resize_file(folder.path / "config.json", size_t{17} << 20);
    EXPECT_CONTAINS(load_error(folder.path), "more than");
    write_file(folder.path / "model.txt", "not a model");
    EXPECT_CONTAINS(load_error(folder.path / "model.txt"), "neither a folder nor a file that `hone pack` made");
}

TEST(CheckpointErrors, TensorsOfTheModelsOwnPartsThatNoSlotWants) {
    for (const char* name :
         {"model.layers.0.self_attn.q_proj.bias", "model.layers.1.mlp.experts.0.up_proj.weight_scale",
          "model.layers.1.pre_feedforward_layernorm.weight", "model.norm.bias", "lm_head.bias",
          "model.embed_tokens.bias"}) {
        TemporaryFolder folder;
        write_checkpoint(folder.path, shape("tiny-dense"));
        add_tensors(folder.path, {{name, math::DType::bf16, {4}}});
        EXPECT_CONTAINS(load_error(folder.path), fmt::format("tensor '{}' belongs to a part of the model", name));
    }
    // Under a wrapper's prefix too, where the wrapper's other layers are none of the model's.
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"),
                     {.rename = [](const std::string& name) { return "language_model." + name; }});
    add_tensors(folder.path, {{"model.layers.0.self_attn.q_proj.bias", math::DType::bf16, {4}}});
    EXPECT_EQ(load_error(folder.path), "(it loaded)");
    add_tensors(folder.path, {{"language_model.model.layers.0.self_attn.q_proj.bias", math::DType::bf16, {4}}});
    EXPECT_CONTAINS(load_error(folder.path), "'language_model.model.layers.0.self_attn.q_proj.bias' belongs");
}

TEST(CheckpointErrors, ControlCharactersInNamesAreEscaped) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"));
    add_tensors(folder.path, {{"model.norm.\x1b[31m\xc2\x9b\r", math::DType::bf16, {4}}});
    EXPECT_CONTAINS(load_error(folder.path), R"('model.norm.\x1b[31m\x9b\x0d' belongs)");
    auto config = shape("tiny-dense");
    config["hidden_act"] = "si\x1blu";
    write_file(folder.path / "config.json", boost::json::serialize(config));
    EXPECT_CONTAINS(load_error(folder.path), R"(hidden_act 'si\x1blu')");
    EXPECT_EQ(printable("plain \xc3\xa9 text"), "plain \xc3\xa9 text");
}

TEST(CheckpointErrors, ConfigsOfImpossibleSize) {
    TemporaryFolder folder;
    auto config = shape("tiny-moe");
    write_checkpoint(folder.path, config);
    config["num_hidden_layers"] = 4096;
    config["num_experts"] = 65536;
    write_file(folder.path / "config.json", boost::json::serialize(config));
    EXPECT_CONTAINS(load_error(folder.path), "num_hidden_layers 4096 and num_experts 65536 make at least");
    EXPECT_CONTAINS(random_model(config, "random", {}, test_pool()).error().message, "more than any model has");
    config = shape("tiny-dense");
    config["vocab_size"] = 1 << 24;
    config["hidden_size"] = 1 << 20;
    write_file(folder.path / "config.json", boost::json::serialize(config));
    EXPECT_NE(load_error(folder.path), "(it loaded)");
}

size_t resident_bytes() {
    std::ifstream statistics("/proc/self/statm");
    size_t total = 0, resident = 0;
    statistics >> total >> resident;
    return resident * 4096;
}

TEST(CheckpointErrors, MoreWeightsThanTensorsAreRefusedBeforeTheyAreNamed) {
    TemporaryFolder folder;
    auto config = shape("tiny-moe");
    write_checkpoint(folder.path, config);
    config["num_hidden_layers"] = 4096;
    config["num_experts"] = 320;
    write_file(folder.path / "config.json", boost::json::serialize(config));
    const auto model = make_model(config).value();  // a few MiB by itself
    const size_t before = resident_bytes();
    EXPECT_CONTAINS(load_error(folder.path), "num_experts 320 make at least 3944448 tensors");
    EXPECT_LT(resident_bytes(), before + (size_t{16} << 20));
}

TEST(CheckpointErrors, MissingTensorIsNamed) {
    TemporaryFolder folder;
    const std::string missing = "model.layers.1.mlp.experts.5.up_proj.weight";
    write_checkpoint(folder.path, shape("tiny-moe"),
                     {.keep = [&](const std::string& name) { return name != missing; }});
    EXPECT_CONTAINS(load_error(folder.path), fmt::format("tensor '{}' is missing", missing));
    write_checkpoint(folder.path, shape("tiny-moe"),
                     {.keep = [](const std::string& name) { return name != "lm_head.weight"; }});
    EXPECT_CONTAINS(load_error(folder.path), "tie_word_embeddings");
}

TEST(CheckpointErrors, WrongShapeShowsBoth) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-moe"));
    auto config = shape("tiny-moe");
    config["vocab_size"] = 300;
    write_file(folder.path / "config.json", boost::json::serialize(config));
    const std::string message = load_error(folder.path);
    EXPECT_CONTAINS(message, "'model.embed_tokens.weight'");
    EXPECT_CONTAINS(message, "has shape [288, 64], config.json makes it [300, 64]");
}

TEST(CheckpointErrors, WrongTypeIsNamed) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"));
    std::string file = read_file(folder.path / "model.safetensors");
    const size_t at = file.find("\"BF16\"", file.find("q_proj"));
    file.replace(at, 6, "\"I16\" ");
    write_file(folder.path / "model.safetensors", file);
    EXPECT_CONTAINS(load_error(folder.path), "q_proj.weight': has type I16");
}

std::string index_of(const std::string& tensor, const std::string& shard) {
    return boost::json::serialize(boost::json::object{{"weight_map", boost::json::object{{tensor, shard}}}});
}

TEST(CheckpointErrors, IndexThatLeavesTheFolder) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "a", shape("tiny-dense"));
    write_checkpoint(folder.path / "b", shape("tiny-dense"), {.shards = 2});
    const auto index = folder.path / "b" / "model.safetensors.index.json";
    const std::string outside = (folder.path / "a" / "model.safetensors").string();
    for (const std::string& shard : {std::string("../a/model.safetensors"), outside,
                                     std::string("x/../../a/model.safetensors"), std::string(), std::string("..")}) {
        write_file(index, index_of("model.norm.weight", shard));
        EXPECT_CONTAINS(load_error(folder.path / "b"), "outside the folder");
        EXPECT_CONTAINS(load_error(folder.path / "b"), "'model.norm.weight'");
    }
}

TEST(CheckpointErrors, BrokenIndex) {
    TemporaryFolder folder;
    write_checkpoint(folder.path, shape("tiny-dense"), {.shards = 2});
    const auto index = folder.path / "model.safetensors.index.json";
    const auto message = [&](const std::string& text) {
        write_file(index, text);
        return load_error(folder.path);
    };
    EXPECT_CONTAINS(message("{"), "index.json: not valid JSON");
    EXPECT_CONTAINS(message("{}"), "field 'weight_map'");
    EXPECT_CONTAINS(message(R"({"weight_map": []})"), "field 'weight_map'");
    EXPECT_CONTAINS(message(R"({"weight_map": {"a": 3}})"), "shard of tensor 'a' must be a string");
    EXPECT_CONTAINS(message(R"({"weight_map": {"a": "x", "a": "y"}})"), "'a' appears twice");
    EXPECT_CONTAINS(message(index_of("model.norm.weight", "model-00007.safetensors")), "model-00007.safetensors");
    EXPECT_CONTAINS(message(index_of("model.norm.bias", "model-00001.safetensors")), "has no tensor 'model.norm.bias'");
    EXPECT_CONTAINS(message(R"({"weight_map": {}})"), "'model.embed_tokens.weight' is missing");
}

TEST(WeightChoice, Names) {
    EXPECT_EQ(weight_choice_named("auto").value(), WeightChoice::as_stored);
    EXPECT_EQ(weight_choice_named("bf16").value(), WeightChoice::bf16);
    EXPECT_EQ(weight_choice_named("int4").value(), WeightChoice::int4);
    EXPECT_EQ(weight_choice_named("int4-experts").value(), WeightChoice::int4_experts);
    EXPECT_CONTAINS(weight_choice_named("int3").error().message, "int4-experts");
    for (const char* name : {"auto", "bf16", "int4", "int4-experts"}) {
        EXPECT_EQ(name_of(weight_choice_named(name).value()), name);
    }
}

}  // namespace
}  // namespace hone::model
