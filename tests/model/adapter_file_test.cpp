// Adapter folders that others wrote, well and badly: types, scales and patterns, and an error with the tensor or field for
// everything that cannot be followed.
#include "model/adapter_file.h"

#include <limits>

#include <gtest/gtest.h>

#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

constexpr const char* kModule = "base_model.model.model.layers.0.self_attn.q_proj";
constexpr const char* kPlain = R"({"r": 2, "lora_alpha": 4)";  // to be closed

// The tensors of an adapter folder; values count up from 1 in each, by quarters.
struct Files {
    TemporaryFolder folder;
    std::vector<TensorDeclaration> tensors;
    std::string config = std::string(kPlain) + "}";
    std::function<void(size_t tensor, std::vector<float>&)> edit = [](size_t, std::vector<float>&) {};

    void add(const std::string& name, math::Shape shape, math::DType dtype = math::DType::f32) {
        tensors.push_back({name, dtype, std::move(shape)});
    }
    void add_pair(const std::string& module, int64_t rank = 2, math::DType dtype = math::DType::f32) {
        add(module + ".lora_A.weight", {rank, 6}, dtype);
        add(module + ".lora_B.weight", {4, rank}, dtype);
    }
    void write() const {
        write_file(folder.path / "adapter_config.json", config);
        auto writer = SafetensorsWriter::create(folder.path / "adapter_model.safetensors", tensors).value();
        for (size_t i = 0; i < tensors.size(); i++) {
            std::vector<float> values(static_cast<size_t>(math::element_count(tensors[i].shape)));
            for (size_t j = 0; j < values.size(); j++) values[j] = 1 + 0.25f * static_cast<float>(j);
            edit(i, values);
            const std::string bytes = encode(values, tensors[i].dtype);
            ASSERT_TRUE(writer.write(i, 0, std::as_bytes(std::span(bytes))).ok());
        }
        ASSERT_TRUE(writer.finish().ok());
    }
    std::string read_error() const {
        write();
        const auto read = read_adapter(folder.path);
        return read ? "(it was read)" : read.error().message;
    }
};

// A plain adapter whose config has these fields too.
std::string error_with(const std::string& fields) {
    Files files;
    files.add_pair(kModule);
    files.config = std::string(kPlain) + ", " + fields + "}";
    return files.read_error();
}

TEST(AdapterFolder, EveryFloatTypeIsRead) {
    for (const auto dtype : {math::DType::f32, math::DType::bf16, math::DType::f16}) {
        Files files;
        files.add_pair(kModule, 2, dtype);
        files.write();
        const auto read = read_adapter(files.folder.path);
        ASSERT_TRUE(read.ok()) << read.error().message;
        ASSERT_EQ(read->factors.size(), 1u);
        const AdapterFactors& factors = read->factors[0];
        EXPECT_EQ(factors.target, kModule);
        EXPECT_EQ(factors.rank, 2);
        EXPECT_EQ(factors.scale(), 2.0f);
        EXPECT_EQ(factors.a_shape, (math::Shape{2, 6}));
        EXPECT_EQ(factors.a[11], 3.75f);
        EXPECT_EQ(factors.b[7], 2.75f);
    }
}

TEST(AdapterFolder, PatternsGiveModulesRanksAndScalesOfTheirOwn) {
    Files files;
    const std::string layer = "base_model.model.model.layers.";
    files.add_pair(layer + "0.self_attn.q_proj");
    files.add_pair(layer + "1.self_attn.q_proj", 3);
    files.add_pair(layer + "11.self_attn.q_proj", 5);
    files.config = std::string(kPlain) +
                   R"(, "rank_pattern": {"^model.layers.1.self_attn.q_proj": 3, "11\\.self_attn\\.q_proj": 5},
                        "alpha_pattern": {"layers.11.self_attn.q_proj": 10, "attn.q_proj": 99}, "peft_type": "LORA",
                        "bias": "none", "modules_to_save": null, "use_dora": false, "target_modules": ["q_proj"]})";
    files.write();
    const auto read = read_adapter(files.folder.path);
    ASSERT_TRUE(read.ok()) << read.error().message;
    ASSERT_EQ(read->factors.size(), 3u);
    EXPECT_EQ(read->factors[0].rank, 2);
    EXPECT_EQ(read->factors[0].alpha, 4);
    EXPECT_EQ(read->factors[1].rank, 3);
    EXPECT_EQ(read->factors[2].rank, 5);
    EXPECT_EQ(read->factors[2].alpha, 10);
}

TEST(AdapterFolder, RankStabilisedScaleIsAlphaOverTheRoot) {
    Files files;
    files.add_pair(kModule);
    files.config = R"({"r": 2, "lora_alpha": 3, "use_rslora": true})";
    files.write();
    EXPECT_EQ(read_adapter(files.folder.path)->factors[0].scale(), static_cast<float>(3 / std::sqrt(2.0)));
}

TEST(AdapterFolder, FieldsThatCannotBeFollowedAreNamed) {
    EXPECT_EQ(error_with(R"("lora_dropout": 0.1)"), "(it was read)");
    EXPECT_CONTAINS(error_with(R"("use_dora": true)"), "'use_dora'");
    EXPECT_CONTAINS(error_with(R"("bias": "all")"), "'bias'");
    EXPECT_CONTAINS(error_with(R"("modules_to_save": ["lm_head"])"), "'modules_to_save'");
    EXPECT_CONTAINS(error_with(R"("peft_type": "IA3")"), "'peft_type'");
    EXPECT_CONTAINS(error_with(R"("init_lora_weights": "pissa_niter_4")"), "'init_lora_weights'");
    EXPECT_CONTAINS(error_with(R"("rank_pattern": {"a|b": 4})"), "'a|b'");
    EXPECT_CONTAINS(error_with(R"("rank_pattern": {"q_proj": 0})"), "must have a rank");
    EXPECT_CONTAINS(error_with(R"("alpha_pattern": [1])"), "'alpha_pattern'");
}

TEST(AdapterFolder, RanksAreWithinTheirLimits) {
    Files files;
    files.add_pair(kModule);
    for (const char* config : {R"({"lora_alpha": 4})", R"({"r": 0, "lora_alpha": 4})", R"({"r": -1, "lora_alpha": 4})",
                               R"({"r": 1025, "lora_alpha": 4})", R"({"r": 2.5, "lora_alpha": 4})"}) {
        files.config = config;
        EXPECT_CONTAINS(files.read_error(), "'r'") << config;
    }
    for (const char* config : {R"({"r": 2})", R"({"r": 2, "lora_alpha": 0})", R"({"r": 2, "lora_alpha": "4"})"}) {
        files.config = config;
        EXPECT_CONTAINS(files.read_error(), "'lora_alpha'") << config;
    }
    files.config = R"({"r": 4, "lora_alpha": 4})";
    EXPECT_CONTAINS(files.read_error(), "adapter_config.json makes it 4");
}

TEST(AdapterFolder, TensorsThatAreNoFactorsAreNamed) {
    const std::pair<const char*, const char*> cases[] = {
        {"base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "DoRA"},
        {"base_model.model.model.embed_tokens.lora_embedding_A", "embedding"},
        {"base_model.model.model.layers.0.self_attn.q_proj.bias", "bias"},
        {"base_model.model.lm_head.weight", "no factor"},
        {"model.layers.0.self_attn.q_proj.lora_A.weight", "no factor"}};
    for (const auto& [tensor, why] : cases) {
        Files files;
        files.add_pair(kModule);
        files.add(tensor, {2, 6});
        const std::string message = files.read_error();
        EXPECT_CONTAINS(message, tensor);
        EXPECT_CONTAINS(message, why);
        EXPECT_CONTAINS(message, "adapter_model.safetensors");
    }
}

TEST(AdapterFolder, AFactorNeedsItsPartner) {
    for (const char* one : {"A", "B"}) {
        Files files;
        files.add(fmt::format("{}.lora_{}.weight", kModule, one), {2, 2});
        EXPECT_CONTAINS(files.read_error(),
                        one[0] == 'A' ? "q_proj.lora_B.weight' is missing" : "q_proj.lora_A.weight' is missing");
    }
}

TEST(AdapterFolder, ShapesFitEachOther) {
    const auto message = [](math::Shape a, math::Shape b, math::DType dtype = math::DType::f32) {
        Files files;
        files.add(std::string(kModule) + ".lora_A.weight", std::move(a), dtype);
        files.add(std::string(kModule) + ".lora_B.weight", std::move(b), dtype);
        return files.read_error();
    };
    EXPECT_EQ(message({2, 6}, {4, 2}), "(it was read)");
    EXPECT_CONTAINS(message({2, 6}, {4, 3}), "its partner 2");
    EXPECT_CONTAINS(message({0, 6}, {4, 0}), "shape [0, 6]");
    EXPECT_CONTAINS(message({2, 0}, {4, 2}), "shape [2, 0]");
    EXPECT_CONTAINS(message({12}, {4, 2}), "shape [12]");
    EXPECT_CONTAINS(message({1, 2, 6}, {4, 2}), "shape [1, 2, 6]");
}

TEST(AdapterFolder, ExpertsAreCompleteAndAlike) {
    const std::string experts = "base_model.model.model.layers.0.mlp.experts.";
    const auto by_numbers = [&](std::initializer_list<const char*> numbers) {
        Files files;
        for (const char* number : numbers) files.add_pair(experts + number + ".up_proj");
        return files.read_error();
    };
    EXPECT_EQ(by_numbers({"0", "1", "2"}), "(it was read)");
    EXPECT_CONTAINS(by_numbers({"0", "2"}), "none of expert 1");
    EXPECT_CONTAINS(by_numbers({"2000000000"}), "none of expert 0");

    Files mixed;
    mixed.add_pair(experts + "0.up_proj");
    mixed.add(experts + "w3.lora_A.weight", {1, 2, 6});
    EXPECT_CONTAINS(mixed.read_error(), "second factor");

    Files unlike;
    unlike.add_pair(experts + "0.up_proj");
    unlike.add(experts + "1.up_proj.lora_A.weight", {2, 7});
    unlike.add(experts + "1.up_proj.lora_B.weight", {4, 2});
    EXPECT_CONTAINS(unlike.read_error(), "experts.1.up_proj.lora_A.weight' has shape [2, 7]");

    Files counts;
    counts.add(experts + "w3.lora_A.weight", {3, 2, 6});
    counts.add(experts + "w3.lora_B.weight", {2, 4, 2});
    EXPECT_CONTAINS(counts.read_error(), "of 2 experts, its partner of 3");

    Files scaled;
    scaled.add_pair(experts + "0.up_proj");
    scaled.add_pair(experts + "1.up_proj");
    scaled.config = std::string(kPlain) + R"(, "alpha_pattern": {"1.up_proj": 3}})";
    EXPECT_CONTAINS(scaled.read_error(), "alpha_pattern");
}

TEST(AdapterFolder, ValuesAreFinite) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        Files files;
        files.add_pair(kModule);
        files.edit = [bad](size_t tensor, std::vector<float>& values) {
            if (tensor == 1) values[3] = bad;
        };
        EXPECT_CONTAINS(files.read_error(), "q_proj.lora_B.weight': its value 3 is");
    }
}

TEST(AdapterFolder, DamagedFilesAreRefused) {
    Files files;
    files.add_pair(kModule);
    files.write();
    const auto error = [&] { return read_adapter(files.folder.path).error().message; };
    const std::string good = read_file(files.folder.path / "adapter_model.safetensors");
    std::string huge = good;
    huge.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
    write_file(files.folder.path / "adapter_model.safetensors", huge);
    EXPECT_CONTAINS(error(), "header");
    write_file(files.folder.path / "adapter_model.safetensors", good.substr(0, good.size() - 4));
    EXPECT_CONTAINS(error(), "cut short");
    std::filesystem::remove(files.folder.path / "adapter_model.safetensors");
    EXPECT_CONTAINS(error(), "adapter_model.safetensors");
    write_file(files.folder.path / "adapter_config.json", "{");
    EXPECT_CONTAINS(error(), "not valid JSON");
    std::filesystem::remove(files.folder.path / "adapter_config.json");
    EXPECT_CONTAINS(error(), "adapter_config.json");
    EXPECT_CONTAINS(read_adapter(files.folder.path / "nowhere").error().message, "no adapter folder");

    Files empty;
    EXPECT_CONTAINS(empty.read_error(), "no factors");
}

TEST(AdapterFolder, OtherModelsFactorsAreNamed) {
    const auto model = load(golden_folder() / "models" / "qwen3_moe");
    const auto targets = adapter_targets(*model.model);
    const auto error_of = [&](const std::string& module, math::Shape a, math::Shape b) {
        Files files;
        files.add(module + ".lora_A.weight", std::move(a));
        files.add(module + ".lora_B.weight", std::move(b));
        files.write();
        const auto adapter = load_adapter(files.folder.path, targets, test_pool());
        return adapter ? "(it fits)" : adapter.error().message;
    };
    const auto& spec = model.model->spec();
    const int64_t hidden = spec.hidden, rows = spec.heads * spec.head_dim, experts = spec.experts;
    const std::string layer = "base_model.model.model.layers.0.";
    EXPECT_EQ(error_of(kModule, {2, hidden}, {rows, 2}), "(it fits)");
    EXPECT_CONTAINS(error_of(kModule, {2, hidden + 1}, {rows, 2}), "q_proj.lora_A has shape");
    EXPECT_CONTAINS(error_of(kModule, {2, hidden}, {rows + 1, 2}), "q_proj.lora_B has shape");
    for (const char* module : {"self_attn.qq_proj", "mlp.gate", "input_layernorm", "mlp.experts.gate_up_proj"})
        EXPECT_CONTAINS(error_of(layer + module, {2, hidden}, {rows, 2}), module);
    const std::string up = layer + "mlp.experts.w3";
    const int64_t inner =
        std::ranges::find_if(targets, [&](const AdapterTarget& target) { return target.name == up; })->n;
    EXPECT_EQ(error_of(up, {1, 2, hidden}, {experts, inner, 2}), "(it fits)");
    EXPECT_EQ(error_of(up, {1, 2, hidden}, {1, inner, 2}), "(it fits)");
    EXPECT_CONTAINS(error_of(up, {1, 2, hidden}, {experts - 1, inner, 2}), "[1 or");
    EXPECT_CONTAINS(error_of(layer + "mlp.experts.0.up_proj", {2, hidden}, {inner, 2}), "expert 0 alone");
}

TEST(AdapterFolder, AFolderThatIsThereIsNotReplaced) {
    Files files;
    files.add_pair(kModule);
    files.write();
    const auto contents = read_adapter(files.folder.path).value();
    EXPECT_CONTAINS(write_adapter(files.folder.path, AdapterLayout::peft, contents).error().message,
                    "is there already");
    fs::create_directories(files.folder.path / "a");
    const auto copy = files.folder.path / "a/b";
    ASSERT_TRUE(write_adapter(copy, AdapterLayout::peft, contents).ok());
    EXPECT_TRUE(read_adapter(copy).ok());
    for (const auto& entry : fs::directory_iterator(files.folder.path / "a"))
        EXPECT_EQ(entry.path().filename(), "b");  // nothing else is left
}

}  // namespace
}  // namespace hone::model
