// The data of a job: files indexed, an evaluation split kept back, batches of whole steps from any position on. One
// thread; errors name file and line.
#pragma once

#include <memory>
#include <optional>

#include "base/file_set.h"
#include "model/model.h"
#include "train/data/batches.h"
#include "train/recipe.h"

namespace hone::train {

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
    // How many steps the recipe's epochs have: reads all data.
    Result<int64_t> count_steps() const;

    // The passes of an evaluation, in the order of the files; none without one.
    Result<std::vector<Batch>> evaluation() const;

    // Of the contents of all files, whatever they are called; training and evaluation.
    std::string hash() const;
    uint64_t training_records() const { return training_->size(); }
    uint64_t evaluation_records() const { return evaluation_ ? evaluation_->size() : 0; }
    const text::Tokenizer* tokenizer() const { return tokenizer_.get(); }

  private:
    JobData() = default;
    Status read_text_files(const FileSet& files, int32_t vocabulary, const DataOptions& options);
    Status index(const Recipe& recipe, bool quiet);
    Packer packer() const { return {index_.value(), *reader_, *training_, packing_}; }

    std::unique_ptr<text::Tokenizer> tokenizer_;
    std::optional<text::ChatTemplates> chat_templates_;
    std::unique_ptr<RecordReader> reader_;
    std::optional<RecordIndex> index_, evaluation_index_;  // the latter of files of its own
    std::optional<Selection> training_, evaluation_;
    PackingOptions packing_;
    int64_t passes_a_step_ = 0;  // 0: the packer says where a step ends
    DataPosition position_;
    std::unique_ptr<BatchStream> stream_;  // begun by the first next_step()
};

}  // namespace hone::train
