#include "train/full_parameters.h"

#include <algorithm>
#include <cstring>

namespace hone::train {

using math::MatrixView;

constexpr int64_t kPartRows = 64;  // pack_weight shares a matrix among threads by multiples of this

Result<FullParameters> FullParameters::create(model::Model& model, model::WeightChoice choice, ThreadPool& pool) {
    const auto plan = model::plan_weights(model, choice);
    if (!plan) return plan.error();
    FullParameters parameters(pool);
    if (const Status status = parameters.allocate(*plan); !status) return status.error();
    parameters.take_values(plan->weights);
    parameters.attach(plan->weights);
    parameters.publish();
    return parameters;
}

Status FullParameters::allocate(const model::WeightPlan& plan) {
    size_t count = 0;
    std::vector<size_t> first;  // value of each parameter in the block
    const auto add = [&](const model::WeightSlot& slot) {
        if (!index_.emplace(slot.name, parameters_.size()).second) return;
        const math::Shape shape = slot.vector ? math::Shape{slot.n} : math::Shape{slot.n, slot.k};
        parameters_.push_back(
            {.name = slot.name, .shape = shape, .values = {}, .gradient = {}, .decays = slot.matrix != nullptr});
        first.push_back(count);
        count += (static_cast<size_t>(math::element_count(shape)) + 15) / 16 * 16;
    };
    for (const auto& weight : plan.weights) {
        if (weight.slot.has_gradient()) add(weight.slot);
    }
    trained_ = parameters_.size();
    for (const auto& weight : plan.weights) {
        if (!weight.slot.has_gradient()) add(weight.slot);
    }
    const size_t bytes = 2 * count * sizeof(float);
    if (const Status status = model::check_memory(bytes + plan.bytes, "weights that are trained"); !status)
        return status;
    auto values = HugeMemory::allocate(bytes);
    if (!values) return values.error();
    auto packed = HugeMemory::allocate(plan.bytes);
    if (!packed) return packed.error();
    values_ = std::move(*values);
    packed_memory_ = std::move(*packed);
    auto* const data = reinterpret_cast<float*>(values_.data());
    for (size_t i = 0; i < parameters_.size(); i++) {
        const auto size = static_cast<size_t>(math::element_count(parameters_[i].shape));
        parameters_[i].values = {data + first[i], size};
        if (i < trained_) parameters_[i].gradient = {data + count + first[i], size};
    }
    return ok();
}

// Of a matrix [n, k]; of a vector [1, n].
MatrixView<float> FullParameters::matrix_of(size_t parameter) const {
    const auto& [name, shape, values, gradient, decays] = parameters_[parameter];
    return {values.data(), shape.size() == 1 ? 1 : shape[0], shape.back()};
}

void FullParameters::take_values(std::span<const model::PlannedWeight> weights) {
    for (const auto& weight : weights) {
        const MatrixView<float> value = matrix_of(parameter_of(weight));
        if (weight.slot.vector) {
            CHECK_EQ(static_cast<int64_t>(weight.slot.vector->size()), value.cols);
            std::ranges::copy(*weight.slot.vector, value.data);
            continue;
        }
        const math::Weight& given = *weight.slot.matrix;
        CHECK(given && given.n == value.rows && given.k == value.cols, "{}", weight.slot.name);
        pool_->parallel_for(value.rows, [&](int64_t row, int) { math::unpack_row(given, row, value.row(row)); });
    }
}

void FullParameters::attach(std::span<const model::PlannedWeight> weights) {
    for (const auto& weight : weights) {
        const size_t index = parameter_of(weight);
        auto* data = reinterpret_cast<std::byte*>(parameters_[index].values.data());  // vectors are read as they are
        if (weight.format) {
            data = packed_memory_.data() + weight.offset;
            if (!weight.twin) packed_.push_back({index, *weight.format, data});
        }
        model::attach(weight.slot, weight.format, data);
        if (index >= trained_) continue;
        MatrixView<float> dvalue = matrix_of(index);
        dvalue.data = parameters_[index].gradient.data();
        gradients_.train(data, dvalue);
    }
}

void FullParameters::clear_gradients(ThreadPool& pool) {
    const auto bytes = values_.bytes().subspan(values_.size() / 2);
    constexpr size_t kPart = size_t{1} << 20;
    pool.parallel_for(static_cast<int64_t>((bytes.size() + kPart - 1) / kPart), [&](int64_t part, int) {
        const size_t first = static_cast<size_t>(part) * kPart;
        std::memset(bytes.data() + first, 0, std::min(kPart, bytes.size() - first));
    });
}

void FullParameters::publish() {
    struct Part {
        const PackedForm* form;
        int64_t first, rows;
    };
    std::vector<Part> parts;
    for (const PackedForm& form : packed_) {
        const int64_t rows = matrix_of(form.parameter).rows;
        for (int64_t first = 0; first < rows; first += kPartRows)
            parts.push_back({&form, first, std::min(kPartRows, rows - first)});
    }
    pool_->parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t index, int) {
        const Part& part = parts[static_cast<size_t>(index)];
        const MatrixView<float> value = matrix_of(part.form->parameter);
        math::pack_weight(part.form->format, value.rows, value.cols, part.first, part.rows, value.row(part.first),
                          part.form->data);
    });
}

}  // namespace hone::train
