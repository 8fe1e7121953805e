#include "model/nn/pre_norm_decoder.h"

#include <algorithm>

#include "model/nn/recorded.h"
#include "model/printable.h"

namespace hone::model {

// An angle is at most its position, and math/kernels/elementary.h has sin and cos up to kMaxAngle.
constexpr int32_t kMaxPositions = 1 << 21;

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
        visit_feed_forward(i, prefix + feed_forward_name_ + ".", visitor);
    }
    ends_.visit_back(spec_, visitor);
}

void PreNormDecoder::copy_cache_rows(const std::byte* from, std::byte* to, int32_t rows) const {
    math::copy_kv_rows(from, to, std::ssize(layers_) * attention_.kv_heads, attention_.head_dim, rows);
}

void PreNormDecoder::embed(std::span<const int32_t> ids, math::MatrixView<float> x, Pass& pass) const {
    ends_.embed(ids, x, pass);
}

math::KvLayer PreNormDecoder::cache_of_layer(int32_t i, const Pass& pass) const {
    return {.pool = pass.page_pool,
            .page_bytes = pass.one_layer_pages ? cache_spec().layer_bytes : cache_spec().page_bytes,
            .layer_offset = pass.one_layer_pages ? 0 : static_cast<size_t>(i) * attention_.kv_bytes(),
            .kv_heads = spec_.kv_heads,
            .head_dim = spec_.head_dim};
}

void PreNormDecoder::layer(int32_t i, math::MatrixView<float> x, Pass& pass) const {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    const PassScope scope(pass);
    const auto branch = result_matrix(ResultKind::product, x.rows, x.cols, pass);
    {
        const PassScope attention_scope(pass);
        const auto normed = pass.ops.workspace.matrix<float>(x.rows, x.cols);
        rms_norm(x, layer.attention_norm, ends_.norm, normed, pass);
        grouped_query_attention(attention_, layer.attention, cache_of_layer(i, pass), normed, branch, pass);
    }
    const auto sum = add(branch, x, pass);
    const auto normed = pass.ops.workspace.matrix<float>(x.rows, x.cols);
    rms_norm(sum, layer.feed_forward_norm, ends_.norm, normed, pass);
    const auto other = last_result(branch, pass);
    feed_forward(i, normed, other, pass);
    last_add(other, sum, x, pass);
}

void PreNormDecoder::head(math::MatrixView<const float> x, math::MatrixView<float> logits, Pass& pass) const {
    ends_.logits(x, logits, pass);
}

struct RotaryFields {
    double theta = 10000, part = 1;  // part: of the head that turns
};

// What a rotary object of the config may say: how theta is scaled, and over which part of the head.
static RotaryFields read_rope_object(ConfigReader& config, const boost::json::object& object, const char* field,
                                     RotaryFields fields) {
    const auto* rope_object = object.at(field).if_object();
    config.require(rope_object, fmt::format("field '{}' must be an object", field));
    if (!rope_object) return fields;
    ConfigReader rope(*rope_object, field);
    fields.theta = rope.number("rope_theta", fields.theta);
    const std::string type = rope.text("rope_type", rope.text("type", "default"));
    fields.part = rope.number("partial_rotary_factor", fields.part);
    if (const Status status = rope.status(); !status) config.require(false, status.error().message);
    config.require(type == "default",
                   fmt::format("{} of type {} is not supported for this architecture", field, in_quotes(type)));
    for (const auto& entry : *rope_object) {
        config.require(!entry.value().is_object(), fmt::format("{}.{}: rotary positions that differ between layers are "
                                                               "not supported for this architecture",
                                                               field, printable(entry.key())));
    }
    return fields;
}

// How many dimensions of a head turn: rotary_dim, or a part of it. Where both are said they must agree.
static int32_t read_rotary_dim(ConfigReader& config, double part, int32_t head_dim, bool may_be_partial) {
    config.require(part > 0 && part <= 1, fmt::format("partial_rotary_factor {} must be above 0 and at most 1", part));
    if (!config.status()) return head_dim;
    const auto of_part = std::max(static_cast<int32_t>(part * head_dim), 1);
    const int32_t rotary_dim = config.count("rotary_dim", of_part, head_dim);
    config.require(
        part == 1 || rotary_dim == of_part,
        fmt::format("rotary_dim {} is not partial_rotary_factor {} of head_dim {}", rotary_dim, part, head_dim));
    config.require(rotary_dim % 2 == 0, fmt::format("rotary_dim {} is odd; rotary positions turn pairs", rotary_dim));
    config.require(
        may_be_partial || rotary_dim == head_dim,
        fmt::format("rotary_dim {} is not supported for this architecture, only head_dim {}", rotary_dim, head_dim));
    return rotary_dim;
}

// The fields of rotary positions, at the top or in an object.
static math::RotarySpec read_rotary(ConfigReader& config, const boost::json::object& object, int32_t head_dim,
                                    bool may_be_partial) {
    RotaryFields fields{config.number("rope_theta", 10000.0), config.number("partial_rotary_factor", 1)};
    const auto check_part = [&](const std::string& name) {
        config.require(may_be_partial || fields.part == 1,
                       fmt::format("{} {} is not supported for this architecture, only 1", name, fields.part));
    };
    check_part("partial_rotary_factor");
    for (const char* field : {"rope_parameters", "rope_scaling"}) {
        if (!config.has(field)) continue;
        fields = read_rope_object(config, object, field, fields);
        check_part(fmt::format("{}.partial_rotary_factor", field));
    }
    config.require(fields.theta >= 1 && fields.theta < 1e30,
                   fmt::format("rope_theta {} must be at least 1 and below 1e30", fields.theta));
    const int32_t rotary_dim = read_rotary_dim(config, fields.part, head_dim, may_be_partial);
    if (!config.status()) return {};
    return {.head_dim = head_dim,
            .inverse_frequencies = math::rotary_inverse_frequencies(static_cast<float>(fields.theta), rotary_dim)};
}

// Fields that say the checkpoint computes something else than these layers do.
static void refuse_other_functions(ConfigReader& config) {
    const std::string activation = config.text("hidden_act", "silu");
    config.require(activation == "silu", fmt::format("hidden_act {} is not supported for this architecture, only silu",
                                                     in_quotes(activation)));
    for (const char* field : {"attention_bias", "use_sliding_window"}) {
        config.require(!config.flag(field, false),
                       fmt::format("{} true is not supported for this architecture", field));
    }
    for (const std::string& type : config.texts("layer_types")) {
        config.require(type == "full_attention",
                       fmt::format("layer_types: {} is not supported for this architecture, only full_attention",
                                   in_quotes(type)));
    }
    for (const char* field : {"quantization_config", "compression_config"}) {
        config.require(!config.has(field),
                       fmt::format("{}: quantised checkpoints cannot be read; take the unquantised one (--weights int4 "
                                   "quantises it here)",
                                   field));
    }
}

void PreNormDecoder::set_norms(float epsilon, math::NormWeight kind) {
    ends_.norm = attention_.norm = {.epsilon = epsilon, .kind = kind};
}

void PreNormDecoder::read_shared_fields(ConfigReader& config, const boost::json::object& object, const Family& family) {
    spec_.architecture = config.text("model_type", "");
    spec_.layers = config.count("num_hidden_layers", std::nullopt, 4096);
    spec_.hidden = config.count("hidden_size", std::nullopt, 1 << 20);
    spec_.vocabulary = config.count("vocab_size");
    spec_.max_positions = config.count("max_position_embeddings", 4096);
    config.require(spec_.max_positions <= kMaxPositions,
                   fmt::format("max_position_embeddings {} is more than {}, as far as the sines and cosines of rotary "
                               "positions reach",
                               spec_.max_positions, kMaxPositions));
    spec_.heads = config.count("num_attention_heads", std::nullopt, 1 << 14);
    spec_.kv_heads = config.count("num_key_value_heads", spec_.heads, 1 << 14);
    const int32_t head_dim = family.head_dim ? family.head_dim : std::max(spec_.hidden / spec_.heads, 1);
    spec_.head_dim = config.count("head_dim", head_dim, 1 << 12);
    config.require(
        spec_.heads % spec_.kv_heads == 0,
        fmt::format("num_attention_heads {} is no multiple of num_key_value_heads {}", spec_.heads, spec_.kv_heads));
    config.require(spec_.head_dim % 2 == 0,
                   fmt::format("head_dim {} is odd; rotary positions turn pairs", spec_.head_dim));

    refuse_other_functions(config);

    ends_.tied = config.flag("tie_word_embeddings", false);
    attention_ = {.hidden = spec_.hidden, .heads = spec_.heads, .kv_heads = spec_.kv_heads, .head_dim = spec_.head_dim};
    set_norms(config.positive("rms_norm_eps", family.epsilon));
    if (config.status()) attention_.rotary = read_rotary(config, object, spec_.head_dim, family.has_partial_rotary);
    layers_.resize(static_cast<size_t>(spec_.layers));
}

}  // namespace hone::model
