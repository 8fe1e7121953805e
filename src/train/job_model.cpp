#include "train/job_model.h"

#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/initial_weights.h"
#include "model/checkpoint/strict_json.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::train {

Result<model::LoadedModel> open_trained_model(const Recipe& recipe, ThreadPool& pool, bool quiet) {
    if (recipe.architecture.empty()) {
        // Masters begin with what is stored; FullParameters packs them in the formats asked for.
        const auto weights = recipe.train.is_full ? model::WeightChoice::as_stored : recipe.train.weights;
        return model::load_model(recipe.model, {.weights = weights, .quiet = quiet}, pool);
    }
    auto config = model::read_json_object(recipe.architecture, model::kMaxConfigBytes);
    if (!config) return config.error();
    const std::filesystem::path folder = recipe.architecture.parent_path();
    return model::initial_model(*config, FileSet(folder), folder.filename().string(), recipe.seed, pool);
}

Result<model::LoadedModel> open_frozen_model(const std::filesystem::path& path, ThreadPool& pool, bool quiet) {
    return model::load_model(path, {.quiet = quiet}, pool);
}

Status check_same_tokens(const model::LoadedModel& student, const model::LoadedModel& teacher) {
    const int32_t of_student = student.model->spec().vocabulary, of_teacher = teacher.model->spec().vocabulary;
    if (of_student != of_teacher) {
        return error("distill.teacher: {} has a vocabulary of {} tokens, {} of {}; they must have the same tokenizer",
                     teacher.name, of_teacher, student.name, of_student);
    }
    if (!text::has_tokenizer(student.files) || !text::has_tokenizer(teacher.files)) return ok();
    auto a = text::Tokenizer::load(student.files);
    if (!a) return a.error();
    auto b = text::Tokenizer::load(teacher.files);
    if (!b) return b.error();
    for (const char* text : {"The quick brown fox jumps over 13 lazy dogs.", "def f(x):\n    return x ** 2\n",
                             "Grüße, 世界! 🙂", "  {\"key\": [1, 2.5, null]}\t"}) {
        if ((*a)->encode(text) != (*b)->encode(text)) {
            return error("distill.teacher: {} and {} encode a text differently; they must have the same tokenizer",
                         teacher.name, student.name);
        }
    }
    return ok();
}

}  // namespace hone::train
