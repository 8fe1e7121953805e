#include "train/job_data.h"

#include <algorithm>

namespace hone::train {

Result<std::unique_ptr<JobData>> JobData::open(const Recipe& recipe, const FileSet& files,
                                               const model::ModelSpec& model, bool quiet) {
    const DataOptions& options = recipe.data;
    if (options.max_tokens > model.max_positions)
        return recipe.mistake("data.max_tokens", fmt::format("is {}, but the model takes at most {}",
                                                             options.max_tokens, model.max_positions));
    std::unique_ptr<JobData> data(new JobData);
    data->quiet_ = quiet;
    if (const Status read = data->read_text_files(files, model.vocabulary, options); !read) return read.error();
    if (const Status indexed = data->index(recipe); !indexed) return indexed.error();
    const int64_t longest = options.max_tokens > 0 ? options.max_tokens : recipe.train.tokens;
    data->packing_ = {.pass_tokens = recipe.train.tokens,
                      .document_tokens = std::min<int64_t>(longest, model.max_positions),
                      .too_long = options.too_long,
                      .step_examples = recipe.train.examples,
                      .epochs = recipe.train.steps ? 0 : static_cast<uint64_t>(recipe.train.epochs),
                      .seed = recipe.seed,
                      .shuffled = options.shuffle};
    data->passes_a_step_ = recipe.train.examples > 0 ? 0 : recipe.train.accumulate;
    return data;
}

Status JobData::read_text_files(const FileSet& files, int32_t vocabulary, const DataOptions& options) {
    TextReading reading{
        .tokenizer = nullptr, .chat_templates = nullptr, .special_tokens = {}, .vocabulary = vocabulary};
    if (text::has_tokenizer(files)) {
        auto tokenizer = text::Tokenizer::load(files);
        if (!tokenizer) return tokenizer.error();
        tokenizer_ = std::move(*tokenizer);
        reading.tokenizer = tokenizer_.get();
    }
    auto templates = text::ChatTemplates::load(files);
    if (!templates) return templates.error();
    chat_templates_ = std::move(*templates);
    if (chat_templates_) reading.chat_templates = &*chat_templates_;
    auto special_tokens = text::load_special_tokens(files);
    if (!special_tokens) return special_tokens.error();
    reading.special_tokens = std::move(*special_tokens);
    RecordOptions record;
    record.format = options.format;
    record.append_eos = options.append_eos;
    record.train_on_prompts = options.train_on_prompts;
    reader_ = std::make_unique<RecordReader>(std::move(reading), std::move(record));
    return ok();
}

Status JobData::index(const Recipe& recipe) {
    auto index = RecordIndex::build(recipe.data.files, quiet_);
    if (!index) return index.error();
    index_ = std::move(*index);
    const EvaluationOptions& evaluation = recipe.evaluation;
    training_ = Selection(index_->size());
    if (!evaluation.files.empty()) {
        auto own = RecordIndex::build(evaluation.files, quiet_);
        if (!own) return own.error();
        evaluation_index_ = std::move(*own);
        evaluation_ = Selection(evaluation_index_->size());
    } else if (evaluation.wanted()) {
        auto split = evaluation.records > 0
                         ? split_off(index_->size(), static_cast<uint64_t>(evaluation.records), recipe.seed)
                         : split_off_fraction(index_->size(), evaluation.fraction, recipe.seed);
        if (!split) return split.error().within("evaluation");
        training_ = std::move(split->training);
        evaluation_ = std::move(split->evaluation);
    }
    return ok();
}

void JobData::go_on_from(const DataPosition& position) {
    stream_.reset();
    position_ = position;
}

Result<std::vector<Batch>> JobData::next_step() {
    if (!stream_) stream_ = std::make_unique<BatchStream>(*index_, *reader_, *training_, packing_, position_);
    std::vector<Batch> passes;
    for (bool is_whole = false; !is_whole;) {
        auto batch = stream_->next();
        if (!batch) return batch.error();
        if (!*batch) break;
        position_ = (*batch)->next;
        passes.push_back(std::move(**batch));
        is_whole = passes_a_step_ > 0 ? std::ssize(passes) == passes_a_step_ : passes.back().ends_step;
    }
    return passes;
}

Result<JobSurvey> JobData::survey(ThreadPool& pool) const {
    auto training = survey_data(*index_, *reader_, *training_, packing_, pool, quiet_);
    if (!training) return training.error();
    JobSurvey survey{.training = *training, .evaluation = {}};
    survey.steps = static_cast<int64_t>(survey.training.steps);
    if (passes_a_step_ > 0)
        survey.steps = (static_cast<int64_t>(survey.training.passes) + passes_a_step_ - 1) / passes_a_step_;
    if (!evaluation_) return survey;
    auto evaluation = survey_data(evaluation_index(), *reader_, *evaluation_, evaluation_packing(), pool, quiet_);
    if (!evaluation) return evaluation.error().within("evaluation");
    survey.evaluation = *evaluation;
    return survey;
}

PackingOptions JobData::evaluation_packing() const {
    PackingOptions packing = packing_;
    packing.step_examples = 0;
    packing.epochs = 1;
    packing.shuffled = false;
    return packing;
}

std::unique_ptr<BatchStream> JobData::evaluation() const {
    CHECK(evaluation_.has_value(), "no evaluation in the recipe");
    return std::make_unique<BatchStream>(evaluation_index(), *reader_, *evaluation_, evaluation_packing());
}

std::string JobData::hash() const {
    return evaluation_index_ ? index_->content_hash() + "+" + evaluation_index_->content_hash()
                             : index_->content_hash();
}

}  // namespace hone::train
