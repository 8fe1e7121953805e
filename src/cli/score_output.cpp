#include "cli/score_output.h"

#include <algorithm>

namespace hone::cli {

Result<ScoreOutput> ScoreOutput::create(const std::string& path, const ScoreContents& contents,
                                        const model::ModelSpec& spec, std::span<const ScoreSequence> sequences,
                                        const std::map<std::string, std::string>& facts) {
    std::vector<model::TensorDeclaration> tensors;
    std::vector<Places> places;
    const auto declare = [&](std::string name, math::DType type, math::Shape shape) {
        tensors.push_back({std::move(name), type, std::move(shape)});
    };
    for (size_t i = 0; i < sequences.size(); i++) {
        const int64_t length = std::ssize(sequences[i].ids);
        Places at;
        at.logits = tensors.size();
        if (contents.logits) declare(fmt::format("{}.logits", i), math::DType::f32, {length, spec.vocabulary});
        at.logprobs = tensors.size();
        declare(fmt::format("{}.logprobs", i), math::DType::f32, {length - 1});
        at.hidden = tensors.size();
        for (int32_t layer = 0; contents.hidden && layer < spec.layers; layer++) {
            declare(fmt::format("{}.hidden.{}", i, layer), math::DType::f32, {length, spec.hidden});
        }
        at.router = tensors.size();
        for (const int32_t layer : contents.router ? spec.routed_layers : std::vector<int32_t>{}) {
            declare(fmt::format("{}.router.{}.experts", i, layer), math::DType::i32, {length, spec.experts_per_token});
            declare(fmt::format("{}.router.{}.weights", i, layer), math::DType::f32, {length, spec.experts_per_token});
        }
        at.greedy = tensors.size();
        if (contents.greedy > 0) declare(fmt::format("{}.greedy.ids", i), math::DType::i32, {contents.greedy});
        places.push_back(at);
    }
    auto writer = model::SafetensorsWriter::create(path, tensors, facts);
    if (!writer) return writer.error();
    ScoreOutput output(std::move(*writer));
    output.places_ = std::move(places);
    output.routed_layers_ = spec.routed_layers;
    return output;
}

template <class T>
Status ScoreOutput::write_rows(size_t tensor, int32_t first, math::MatrixView<T> rows) {
    const size_t row_bytes = static_cast<size_t>(rows.cols) * sizeof(T);
    for (int64_t row = 0; row < rows.rows; row++) {
        const size_t offset = static_cast<size_t>(first + row) * row_bytes;
        if (const Status written = writer_.write(tensor, offset, std::as_bytes(rows.row_span(row))); !written)
            return written;
    }
    return ok();
}

Status ScoreOutput::logits(size_t index, int32_t first, math::MatrixView<const float> rows) {
    return write_rows(places_[index].logits, first, rows);
}

Status ScoreOutput::hidden(size_t index, int32_t layer, int32_t first, math::MatrixView<const float> rows) {
    return write_rows(places_[index].hidden + static_cast<size_t>(layer), first, rows);
}

Status ScoreOutput::router(size_t index, int32_t layer, int32_t first, const math::Routing& routing) {
    const auto rank = std::lower_bound(routed_layers_.begin(), routed_layers_.end(), layer) - routed_layers_.begin();
    const size_t tensor = places_[index].router + 2 * static_cast<size_t>(rank);
    if (const Status written = write_rows(tensor, first, routing.experts); !written) return written;
    return write_rows(tensor + 1, first, routing.weights);
}

Status ScoreOutput::logprobs(size_t index, std::span<const float> values) {
    return writer_.write(places_[index].logprobs, 0, std::as_bytes(values));
}

Status ScoreOutput::greedy(size_t index, std::span<const int32_t> ids) {
    return writer_.write(places_[index].greedy, 0, std::as_bytes(ids));
}

}  // namespace hone::cli
