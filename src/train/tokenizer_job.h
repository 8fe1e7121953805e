// Training a tokenizer: the words of JSON Lines files to byte-level BPE, as OUTPUT/final with tokenizer.json,
// tokenizer_config.json and the files that the recipe names, so that a model can begin with it. The same recipe and
// data give the same bytes, for any number of threads. It takes minutes at most and has no checkpoints: what is
// interrupted leaves nothing. One thread, which owns the pool. Errors name file, line and key.
#pragma once

#include "base/thread_pool.h"
#include "model/checkpoint/small_files.h"
#include "text/chat/template_files.h"
#include "text/tokenizer/bpe_trainer.h"
#include "train/data/record_reader.h"
#include "train/tokenizer_recipe.h"

namespace hone::train {

class TokenizerJob {
  public:
    struct Options {
        bool restart = false;    // an earlier result does not matter; it stays until the new one takes its place
        bool only_plan = false;  // writes nothing
        bool quiet = false;
    };
    static Result<std::unique_ptr<TokenizerJob>> open(TokenizerRecipe recipe, const Options& options);

    const TokenizerRecipe& recipe() const { return recipe_; }
    uint64_t records() const { return index_->size(); }
    uint64_t bytes() const { return index_->bytes(); }
    // Whether OUTPUT/final is there, of this recipe and these data.
    bool has_result() const { return has_result_; }
    // With only_plan: why opening the job would fail for what the output folder has; empty where it would not.
    const std::string& refusal() const { return refusal_; }

    // Of all data. Errors: the first record, in the order of the files, that cannot be read, and how many more.
    Result<text::WordCounter> count_words(ThreadPool& pool) const;
    // Learns and writes. The words are gone then.
    Result<text::TrainedBpe> train(text::WordCounter words);

  private:
    explicit TokenizerJob(TokenizerRecipe recipe) : recipe_(std::move(recipe)) {}
    Status read_config_files();
    Status check_config(text::TokenId first_added) const;
    Status make_tokenizer_config();
    Status look_at_output() const;
    std::string state() const;
    Status count_record(uint64_t record, text::WordCounter& words) const;
    Status write(const text::TrainedBpe& bpe) const;
    int32_t added_count() const;
    // With ids from `first` on, in the order of the recipe.
    std::vector<text::AddedToken> added_tokens(text::TokenId first) const;

    TokenizerRecipe recipe_;
    bool quiet_ = false, has_result_ = false;
    std::string refusal_;
    std::vector<model::SmallFile> config_files_;
    std::string config_hash_, eos_token_;  // the latter of the recipe or of tokenizer_config.json
    std::optional<text::ChatTemplates> chat_templates_;
    std::unique_ptr<RecordReader> reader_;
    std::optional<RecordIndex> index_;
    std::unique_ptr<text::Pattern> pattern_;
    text::AddedTokens added_;
};

}  // namespace hone::train
