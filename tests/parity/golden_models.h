// The golden checkpoints that parity tests run on, loaded in the formats that cover all numeric classes.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/checkpoint/load.h"
#include "tests/golden_folder.h"

namespace hone::parity {

// A checkpoint and the arithmetic it is run in.
struct Subject {
    std::string name;  // for test names: letters, digits, underscores
    const char* family;
    model::WeightChoice weights;
    math::NumericClass int4_class;

    friend void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.name; }
};

// Every golden family in bf16 (f32seq), and in INT4 under every class.
inline std::vector<Subject> subjects() {
    std::vector<Subject> list;
    for (const char* family : kGoldenFamilies) {
        const std::string name = family;
        list.push_back({name + "_bf16", family, model::WeightChoice::as_stored, math::NumericClass::f32seq});
        for (const math::NumericClass int4_class : math::kNumericClasses) {
            list.push_back({fmt::format("{}_int4_{}", name, math::name_of(int4_class)), family,
                            model::WeightChoice::int4, int4_class});
        }
    }
    return list;
}

// Aborts with the reason where the checkpoint cannot be loaded.
inline model::LoadedModel load_subject(const Subject& subject) {
    const auto folder = golden_folder() / "models" / subject.family;
    ThreadPool pool(1);
    auto loaded = model::load_model(folder, {.weights = subject.weights, .quiet = true}, pool);
    CHECK(loaded.ok(), "{}", loaded.error().message);
    return std::move(*loaded);
}

}  // namespace hone::parity
