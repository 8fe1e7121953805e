#include "tests/golden/golden_model.h"

#include <cstring>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "math/tensor/bf16.h"

namespace hone::golden {

template <class T>
static std::vector<T> values_of(const math::TensorView& tensor) {
    std::vector<T> values(tensor.bytes.size() / sizeof(T));
    std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
    return values;
}

static std::vector<float> floats_of(const math::TensorView& tensor) {
    std::vector<float> floats;
    if (tensor.dtype == math::DType::f32) return values_of<float>(tensor);
    if (tensor.dtype == math::DType::i32) {
        for (const int32_t value : values_of<int32_t>(tensor)) floats.push_back(static_cast<float>(value));
    } else {
        CHECK(tensor.dtype == math::DType::bf16, "golden tensor of type {}", name_of(tensor.dtype));
        for (const math::bf16 value : values_of<math::bf16>(tensor)) floats.push_back(math::to_float(value));
    }
    return floats;
}

Rows GoldenModel::rows(const std::string& name) const {
    const auto* tensor = expected.find(name);
    if (!tensor) return {};
    const auto values = floats_of(*tensor);
    const auto count = static_cast<size_t>(tensor->shape.at(0));
    const size_t width = values.size() / count;
    Rows rows;
    for (size_t i = 0; i < count; i++) rows.emplace_back(values.begin() + i * width, values.begin() + (i + 1) * width);
    return rows;
}

double GoldenModel::tolerance(const char* name) const {
    return facts.at("tolerance").at("bf16").at(name).to_number<double>();
}

std::vector<double> GoldenModel::hidden_tolerances() const {
    std::vector<double> list;
    for (const auto& value : facts.at("tolerance").at("bf16").at("hidden_max_abs").as_array())
        list.push_back(value.to_number<double>());
    return list;
}

GoldenModel open_golden_model(const std::string& family) {
    GoldenModel golden{.folder = golden_folder() / "models" / family, .sequences = {}, .expected = {}, .facts = {}};
    auto expected = model::SafetensorsFile::open(golden.folder / "expected.safetensors");
    CHECK(expected.ok(), "{}", expected.error().message);
    golden.expected = std::move(*expected);
    auto facts = read_text_file(golden.folder / "expected.json");
    CHECK(facts.ok(), "{}", facts.error().message);
    golden.facts = boost::json::parse(*facts).as_object();

    const auto ids = values_of<int32_t>(*golden.expected.find("input_ids"));
    const auto starts = values_of<int32_t>(*golden.expected.find("cu_seqlens"));
    for (size_t s = 0; s + 1 < starts.size(); s++)
        golden.sequences.emplace_back(ids.begin() + starts[s], ids.begin() + starts[s + 1]);
    return golden;
}

}  // namespace hone::golden
