#include "model/checkpoint/shapes.h"

#include "model/checkpoint/strict_json.h"

namespace hone::model {

namespace {

struct Shape {
    std::string_view name, config;
};

// The published extents (of those of 100 million weights, which are there to be trained, our own), but for positions: every shape has as many, so that long prompts and conversations can be
// measured with each.
constexpr Shape kShapes[] = {
    {"qwen3-30b-a3b", R"({
        "model_type": "qwen3_moe", "num_hidden_layers": 48, "hidden_size": 2048, "vocab_size": 151936,
        "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144,
        "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "norm_topk_prob": true,
        "decoder_sparse_step": 1, "mlp_only_layers": [], "max_position_embeddings": 65536, "rope_theta": 1000000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": false})"},
    {"olmoe-1b-7b", R"({
        "model_type": "olmoe", "num_hidden_layers": 16, "hidden_size": 2048, "vocab_size": 50304,
        "num_attention_heads": 16, "num_key_value_heads": 16, "intermediate_size": 1024,
        "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false, "clip_qkv": null,
        "max_position_embeddings": 65536, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": false})"},
    {"qwen3-0.6b", R"({
        "model_type": "qwen3", "num_hidden_layers": 28, "hidden_size": 1024, "vocab_size": 151936,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072,
        "max_position_embeddings": 65536, "rope_theta": 1000000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": true})"},
    {"dense-100m", R"({
        "model_type": "qwen3", "num_hidden_layers": 12, "hidden_size": 768, "vocab_size": 32768,
        "num_attention_heads": 12, "num_key_value_heads": 4, "head_dim": 64, "intermediate_size": 2304,
        "max_position_embeddings": 65536, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": true})"},
    {"moe-100m", R"({
        "model_type": "qwen3_moe", "num_hidden_layers": 7, "hidden_size": 512, "vocab_size": 16384,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "intermediate_size": 1024,
        "num_experts": 32, "num_experts_per_tok": 4, "moe_intermediate_size": 256, "norm_topk_prob": true,
        "decoder_sparse_step": 1, "mlp_only_layers": [], "max_position_embeddings": 65536, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": true})"},
    {"tiny-dense", R"({
        "model_type": "qwen3", "num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 288,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "intermediate_size": 96,
        "max_position_embeddings": 65536, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": true})"},
    {"tiny-moe", R"({
        "model_type": "qwen3_moe", "num_hidden_layers": 3, "hidden_size": 64, "vocab_size": 288,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "intermediate_size": 96,
        "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "norm_topk_prob": true,
        "max_position_embeddings": 65536, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": false})"},
    {"tiny-olmoe", R"({
        "model_type": "olmoe", "num_hidden_layers": 2, "hidden_size": 128, "vocab_size": 320,
        "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 64,
        "num_experts": 16, "num_experts_per_tok": 4, "norm_topk_prob": false,
        "max_position_embeddings": 65536, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": false})"},
    {"tiny-minimax-m2", R"({
        "model_type": "minimax_m2", "num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 288,
        "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 32, "rotary_dim": 16,
        "num_local_experts": 12, "num_experts_per_tok": 3, "intermediate_size": 32, "attn_type_list": [1, 1],
        "scoring_func": "sigmoid", "use_routing_bias": true, "use_qk_norm": true, "qk_norm_type": "per_layer",
        "max_position_embeddings": 65536, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": false})"},
};

}  // namespace

std::vector<std::string> shape_names() {
    std::vector<std::string> names;
    for (const Shape& shape : kShapes) names.emplace_back(shape.name);
    return names;
}

Result<boost::json::object> shape_config(std::string_view name) {
    for (const Shape& shape : kShapes) {
        if (shape.name == name) return parse_json_object(shape.config, std::string(name));
    }
    return error("'{}' is not a known shape; choose {}", name, fmt::join(shape_names(), ", "));
}

}  // namespace hone::model
