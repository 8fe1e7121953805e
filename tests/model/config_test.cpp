#include <boost/json/parse.hpp>

#include "math/kernels/elementary.h"
#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

namespace json = boost::json;

// The error of making a model of the shape with one field changed.
std::string config_error(std::string_view shape_name, const char* field, const json::value& value) {
    auto config = shape(shape_name);
    config[field] = value;
    const auto model = make_model(config);
    return model ? "(it was made)" : model.error().message;
}

constexpr const char* kShapes[] = {"tiny-dense", "tiny-moe", "tiny-olmoe", "tiny-minimax-m2"};

TEST(Config, RopeThetaOutOfRangeIsAnError) {
    for (const char* name : kShapes) {
        for (const double theta : {0.0, -1.0, 0.5, 1e30, 1e31, 1e300}) {
            EXPECT_CONTAINS(config_error(name, "rope_theta", theta), "config.json: rope_theta");
            for (const char* field : {"rope_parameters", "rope_scaling"}) {
                EXPECT_CONTAINS(config_error(name, field, json::object{{"rope_theta", theta}}), "rope_theta");
            }
        }
        for (const double theta : {1.0, 5e8, 1e29}) EXPECT_EQ(config_error(name, "rope_theta", theta), "(it was made)");
        EXPECT_CONTAINS(config_error(name, "rope_theta", "much"), "field 'rope_theta' must be a number");
    }
}

TEST(Config, NormEpsilonAndClipMustBePositiveInFp32) {
    for (const double value : {0.0, -1e-6, 1e-60, 1e60}) {
        for (const char* name : kShapes) EXPECT_CONTAINS(config_error(name, "rms_norm_eps", value), "'rms_norm_eps'");
        EXPECT_CONTAINS(config_error("tiny-olmoe", "clip_qkv", value), "'clip_qkv'");
    }
    EXPECT_EQ(config_error("tiny-moe", "rms_norm_eps", 1e-5), "(it was made)");
    EXPECT_EQ(config_error("tiny-moe", "rms_norm_eps", nullptr), "(it was made)");
    EXPECT_EQ(config_error("tiny-olmoe", "clip_qkv", 8), "(it was made)");
}

TEST(Config, PositionsEndWhereSinesDo) {
    const auto reach = static_cast<int64_t>(math::kMaxAngle);
    EXPECT_EQ(config_error("tiny-dense", "max_position_embeddings", reach), "(it was made)");
    EXPECT_CONTAINS(config_error("tiny-dense", "max_position_embeddings", reach + 1),
                    "max_position_embeddings 2097153");
    EXPECT_CONTAINS(config_error("tiny-dense", "max_position_embeddings", int64_t{1} << 40), "max_position_embeddings");
}

struct FieldCase {
    const char *field, *value, *message;  // nothing to say: the value is harmless
};

void expect_answers(const char* name, std::span<const FieldCase> cases) {
    for (const FieldCase& field : cases) {
        SCOPED_TRACE(fmt::format("{}: {} {}", name, field.field, field.value));
        const std::string message = config_error(name, field.field, json::parse(field.value));
        if (field.message) {
            EXPECT_CONTAINS(message, field.message);
            EXPECT_EQ(message.find("config.json: "), 0u) << message;
        } else {
            EXPECT_EQ(message, "(it was made)");
        }
    }
}

TEST(Config, FieldsThatChangeTheFunctionAreRefused) {
    const FieldCase cases[] = {
        {"partial_rotary_factor", "0.5", "partial_rotary_factor 0.5 is not supported"},
        {"partial_rotary_factor", "1.0", nullptr},
        {"partial_rotary_factor", "null", nullptr},
        {"rope_parameters", R"({"partial_rotary_factor": 0.25})", "rope_parameters.partial_rotary_factor 0.25"},
        {"rope_parameters", R"({"partial_rotary_factor": 1, "rope_type": "default"})", nullptr},
        {"rope_parameters", R"({"full_attention": {"rope_theta": 3}})", "rope_parameters.full_attention"},
        {"rope_scaling", R"({"partial_rotary_factor": 0.25})", "rope_scaling.partial_rotary_factor 0.25"},
        {"rope_scaling", R"({"type": "yarn", "factor": 4.0})", "rope_scaling of type 'yarn'"},
        {"rope_scaling", "[]", "'rope_scaling' must be an object"},
        {"rope_scaling", "null", nullptr},
        {"layer_types", R"(["full_attention", "sliding_attention"])", "layer_types: 'sliding_attention'"},
        {"layer_types", R"(["full_attention", "full_attention"])", nullptr},
        {"layer_types", "null", nullptr},
        {"layer_types", R"(["full_attention", 3])", "'layer_types' must be a list of strings"},
        {"sliding_window", "128", nullptr},  // use_sliding_window decides
        {"use_sliding_window", "true", "use_sliding_window true"},
        {"use_sliding_window", "false", nullptr},
        {"quantization_config", R"({"quant_method": "fp8"})", "quantization_config: quantised checkpoints"},
        {"quantization_config", "null", nullptr},
        {"compression_config", "{}", "compression_config: quantised checkpoints"},
        {"attention_bias", "true", "attention_bias true"},
        {"hidden_act", R"("gelu")", "hidden_act 'gelu'"},
        {"rotary_dim", "4", "rotary_dim 4 is not supported"},
    };
    for (const char* name : {"tiny-dense", "tiny-moe", "tiny-olmoe"}) expect_answers(name, cases);
}

TEST(Config, MinimaxM2RefusesWhatItsFileDoesNotCompute) {
    const FieldCase cases[] = {
        {"rotary_dim", "8", nullptr},
        {"rotary_dim", "32", nullptr},
        {"rotary_dim", "null", nullptr},
        {"rotary_dim", "33", "'rotary_dim'"},
        {"rotary_dim", "0", "'rotary_dim'"},
        {"rotary_dim", "7", "rotary_dim 7 is odd"},
        {"partial_rotary_factor", "0.5", nullptr},
        {"partial_rotary_factor", "0.25", "rotary_dim 16 is not partial_rotary_factor 0.25"},
        {"partial_rotary_factor", "0", "partial_rotary_factor 0 must be above 0"},
        {"rope_parameters", R"({"partial_rotary_factor": 0.5, "rope_theta": 3})", nullptr},
        {"rope_parameters", R"({"partial_rotary_factor": 1.5})", "partial_rotary_factor 1.5 must be"},
        {"rope_parameters", R"({"rope_type": "yarn"})", "rope_parameters of type 'yarn'"},
        {"quantization_config", R"({"quant_method": "fp8"})", "quantization_config: quantised checkpoints"},
        {"attn_type_list", "[1, 0]", "attn_type_list: only 1"},
        {"scoring_func", R"("softmax")", "scoring_func 'softmax'"},
        {"qk_norm_type", R"("per_head")", "qk_norm_type 'per_head'"},
        {"use_qk_norm", "false", "use_qk_norm false"},
        {"use_routing_bias", "false", "use_routing_bias false"},
        {"norm_topk_prob", "false", "norm_topk_prob false"},
        {"shared_intermediate_size", "64", "shared_intermediate_size other than 0"},
        {"shared_intermediate_size", "0", nullptr},
        {"router_jitter_noise", "0.1", "router_jitter_noise other than 0"},
        {"sliding_window", "128", "sliding_window other than 0"},
        {"sliding_window", "null", nullptr},
        {"routed_scaling_factor", "2.5", "routed_scaling_factor 2.5"},
        {"num_experts_per_tok", "13", "num_experts_per_tok 13 is more than num_local_experts 12"},
        {"use_mtp", "true", nullptr},
    };
    expect_answers("tiny-minimax-m2", cases);
}

// No value of any field ends the program: each is made a model of, or refused.
TEST(Config, AbsurdValuesAreNeverFatal) {
    const json::value absurd[] = {
        0,     -1,    0.5,  3,  1e31,          -1e300,         (int64_t{1} << 24),  ~uint64_t{0},
        false, "abc", true, {}, json::array{}, json::object{}, json::array{-1, 1e9}};
    for (const char* name : kShapes) {
        for (const auto& field : shape(name)) {
            for (const auto& value : absurd) {
                auto config = shape(name);
                config[field.key()] = value;
                const auto model = make_model(config);
                if (model) {
                    EXPECT_GT((*model)->cache_spec().page_bytes, 0u) << field.key();
                }
            }
        }
    }
}

}  // namespace
}  // namespace hone::model
