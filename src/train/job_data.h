// The data of a job: files indexed, an evaluation split kept back, batches of whole steps from any position on. One
// thread; errors name file and line.
#pragma once

#include <memory>
#include <optional>

#include "base/file_set.h"
#include "model/model.h"
#include "train/data/batches.h"
#include "train/data/survey.h"
#include "train/recipe.h"

namespace hone::train {

// What all records are, read before the first step.
struct JobSurvey {
    DataSurvey training;
    std::optional<DataSurvey> evaluation;
    int64_t steps = 0;  // of the recipe's epochs; 0 where it counts steps
};

class JobData {
  public:
    // `files` are the model's, for its tokenizer and chat template. Errors are also those of keys that do not go with
    // the model.
    static Result<std::unique_ptr<JobData>> open(const Recipe& recipe, const FileSet& files,
                                                 const model::ModelSpec& model, bool quiet);

    // The passes of the next step; none behind the last epoch.
    Result<std::vector<Batch>> next_step();
    // Where the next step begins, and going on there.
    const DataPosition& position() const { return position_; }
    void go_on_from(const DataPosition& position);
    // Reads all data. Errors are those of survey_data.
    Result<JobSurvey> survey(ThreadPool& pool) const;

    // The passes of an evaluation, in the order of the files; where the recipe has one.
    std::unique_ptr<BatchStream> evaluation() const;

    // Of the contents of all files, whatever they are called; training and evaluation.
    std::string hash() const;
    uint64_t training_records() const { return training_->size(); }
    uint64_t evaluation_records() const { return evaluation_ ? evaluation_->size() : 0; }
    const text::Tokenizer* tokenizer() const { return tokenizer_.get(); }

  private:
    JobData() = default;
    Status read_text_files(const FileSet& files, int32_t vocabulary, const DataOptions& options);
    Status index(const Recipe& recipe);
    const RecordIndex& evaluation_index() const { return evaluation_index_ ? *evaluation_index_ : *index_; }
    PackingOptions evaluation_packing() const;

    std::unique_ptr<text::Tokenizer> tokenizer_;
    std::optional<text::ChatTemplates> chat_templates_;
    std::unique_ptr<RecordReader> reader_;
    std::optional<RecordIndex> index_, evaluation_index_;  // the latter of files of its own
    std::optional<Selection> training_, evaluation_;
    PackingOptions packing_;
    bool quiet_ = false;
    int64_t passes_a_step_ = 0;  // 0: the packer says where a step ends
    DataPosition position_;
    std::unique_ptr<BatchStream> stream_;  // begun by the first next_step()
};

}  // namespace hone::train
