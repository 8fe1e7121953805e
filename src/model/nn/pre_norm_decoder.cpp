#include "model/nn/pre_norm_decoder.h"

#include <algorithm>

#include "math/ops/activation.h"

namespace hone::model {

void PreNormDecoder::visit(WeightVisitor visitor) {
    ends_.visit_front(spec_, visitor);
    for (int32_t i = 0; i < spec_.layers; i++) {
        Layer& layer = layers_[static_cast<size_t>(i)];
        const std::string prefix = fmt::format("model.layers.{}.", i);
        const auto norm = [&](const char* name, std::span<const float>& vector) {
            visitor({.name = prefix + name, .role = WeightRole::norm, .n = spec_.hidden, .k = 1, .vector = &vector});
        };
        norm("input_layernorm.weight", layer.attention_norm);
        layer.attention.visit(attention_, prefix + "self_attn.", visitor);
        norm("post_attention_layernorm.weight", layer.feed_forward_norm);
        visit_feed_forward(i, prefix + "mlp.", visitor);
    }
    ends_.visit_back(spec_, visitor);
}

void PreNormDecoder::embed(std::span<const int32_t> ids, math::MatrixView<float> x, Pass& pass) const {
    ends_.embed(ids, x, pass);
}

math::KvLayer PreNormDecoder::cache_of_layer(int32_t i, const Pass& pass) const {
    return {.pool = pass.page_pool,
            .page_bytes = cache_spec().page_bytes,
            .layer_offset = static_cast<size_t>(i) * attention_.kv_bytes(),
            .kv_heads = spec_.kv_heads,
            .head_dim = spec_.head_dim};
}

void PreNormDecoder::layer(int32_t i, math::MatrixView<float> x, Pass& pass) const {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    const math::Workspace::Scope scope(pass.ops.workspace);
    const auto normed = pass.ops.workspace.matrix<float>(x.rows, x.cols);
    const auto branch = pass.ops.workspace.matrix<float>(x.rows, x.cols);

    math::rms_norm(pass.ops, x, layer.attention_norm, ends_.epsilon, ends_.norm_kind, normed);
    grouped_query_attention(attention_, layer.attention, cache_of_layer(i, pass), normed, branch, pass);
    math::add(pass.ops, branch, x);

    math::rms_norm(pass.ops, x, layer.feed_forward_norm, ends_.epsilon, ends_.norm_kind, normed);
    feed_forward(i, normed, branch, pass);
    math::add(pass.ops, branch, x);
}

void PreNormDecoder::head(math::MatrixView<const float> x, math::MatrixView<float> logits, Pass& pass) const {
    ends_.logits(x, logits, pass);
}

// rope_theta (or rope_parameters.rope_theta) over the whole head.
static math::RotarySpec read_rotary(ConfigReader& config, const boost::json::object& object, int32_t head_dim) {
    double theta = config.number("rope_theta", 10000.0);
    for (const char* field : {"rope_parameters", "rope_scaling"}) {
        if (!config.has(field)) continue;
        const auto* rope_object = object.at(field).if_object();
        config.require(rope_object, fmt::format("field '{}' must be an object", field));
        if (!rope_object) continue;
        ConfigReader rope(*rope_object, field);
        theta = rope.number("rope_theta", theta);
        const std::string type = rope.text("rope_type", rope.text("type", "default"));
        if (const Status status = rope.status(); !status) config.require(false, status.error().message);
        config.require(type == "default",
                       fmt::format("{} of type '{}' is not supported for this architecture", field, type));
    }
    config.require(theta > 0 && theta < 1e30, "rope_theta must be positive");
    return {.head_dim = head_dim,
            .inverse_frequencies = math::rotary_inverse_frequencies(static_cast<float>(theta), head_dim)};
}

void PreNormDecoder::read_shared_fields(ConfigReader& config, const boost::json::object& object,
                                        int32_t head_dim_fallback) {
    spec_.architecture = config.text("model_type", "");
    spec_.layers = config.count("num_hidden_layers", std::nullopt, 4096);
    spec_.hidden = config.count("hidden_size", std::nullopt, 1 << 20);
    spec_.vocabulary = config.count("vocab_size");
    spec_.max_positions = config.count("max_position_embeddings", 4096);
    spec_.heads = config.count("num_attention_heads", std::nullopt, 1 << 14);
    spec_.kv_heads = config.count("num_key_value_heads", spec_.heads, 1 << 14);
    const int32_t head_dim = head_dim_fallback ? head_dim_fallback : std::max(spec_.hidden / spec_.heads, 1);
    spec_.head_dim = config.count("head_dim", head_dim, 1 << 12);
    config.require(
        spec_.heads % spec_.kv_heads == 0,
        fmt::format("num_attention_heads {} is no multiple of num_key_value_heads {}", spec_.heads, spec_.kv_heads));
    config.require(spec_.head_dim % 2 == 0,
                   fmt::format("head_dim {} is odd; rotary positions turn pairs", spec_.head_dim));

    const std::string activation = config.text("hidden_act", "silu");
    config.require(activation == "silu",
                   fmt::format("hidden_act '{}' is not supported for this architecture, only silu", activation));
    for (const char* field : {"attention_bias", "use_sliding_window"}) {
        config.require(!config.flag(field, false),
                       fmt::format("{} true is not supported for this architecture", field));
    }

    ends_.epsilon = static_cast<float>(config.number("rms_norm_eps", 1e-6));
    ends_.tied = config.flag("tie_word_embeddings", false);
    attention_ = {.hidden = spec_.hidden,
                  .heads = spec_.heads,
                  .kv_heads = spec_.kv_heads,
                  .head_dim = spec_.head_dim,
                  .epsilon = ends_.epsilon};
    if (config.status()) attention_.rotary = read_rotary(config, object, spec_.head_dim);
    layers_.resize(static_cast<size_t>(spec_.layers));
}

}  // namespace hone::model
