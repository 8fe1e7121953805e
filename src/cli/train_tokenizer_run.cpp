// The training of a tokenizer, with progress.
#include <boost/json/serialize.hpp>

#include "base/progress.h"
#include "cli/train_runs.h"
#include "train/tokenizer_job.h"

namespace hone::cli {
namespace {

void print_plan(const train::TokenizerJob& job) {
    const train::TokenizerRecipe& recipe = job.recipe();
    fmt::print("{}: tokenizer of {} tokens, {} of them added; data: {} records, {}\n", recipe.name,
               recipe.vocabulary_size, recipe.special_tokens.size() + recipe.added_tokens.size(), job.records(),
               format_bytes(static_cast<double>(job.bytes())));
    std::fflush(stdout);  // before the progress on stderr
}

void print_words(const train::TokenizerJob& job, const text::WordCounter& words, bool as_json) {
    if (as_json) {
        const boost::json::object line{{"kind", "tokenizer"},
                                       {"vocabulary_size", job.recipe().vocabulary_size},
                                       {"records", job.records()},
                                       {"words", words.words()},
                                       {"distinct_words", words.distinct_words()}};
        return fmt::print("{}\n", boost::json::serialize(line));
    }
    fmt::print("  {} words, {} of them distinct; output: {}{}\n", words.words(), words.distinct_words(),
               job.recipe().output.string(), job.has_result() ? ", which is finished" : "");
}

void print_result(const train::TokenizerJob& job, const text::TrainedBpe& bpe, bool as_json) {
    // Of data without a word there is none.
    const bool has_tokens = bpe.text_tokens > 0;
    const double bytes_a_token =
        has_tokens ? static_cast<double>(bpe.text_bytes) / static_cast<double>(bpe.text_tokens) : 0;
    if (as_json) {
        boost::json::object line{
            {"kind", "tokenizer"},
            {"tokens", bpe.tokens.size() + job.recipe().special_tokens.size() + job.recipe().added_tokens.size()},
            {"merges", bpe.merges.size()},
            {"bytes_per_token", nullptr}};
        if (has_tokens) line["bytes_per_token"] = bytes_a_token;
        return fmt::print("{}\n", boost::json::serialize(line));
    }
    const std::string told = has_tokens ? fmt::format("{:.2f} bytes a token", bytes_a_token) : "the data have no word";
    fmt::print("done, {}: {}\n", told, (job.recipe().output / "final").string());
}

}  // namespace

Status run_tokenizer(train::TokenizerRecipe recipe, const TrainFlags& flags, TrainMachine& machine) {
    const bool quiet = flags.quiet || flags.json;
    auto opened = train::TokenizerJob::open(std::move(recipe),
                                            {.restart = flags.restart, .only_plan = flags.dry_run, .quiet = quiet});
    if (!opened) return opened.error();
    train::TokenizerJob& job = **opened;
    if (flags.dry_run ? !flags.json : !quiet) print_plan(job);
    if (job.has_result() && !flags.dry_run) {
        if (!quiet) fmt::print("finished: {}\n", (job.recipe().output / "final").string());
        return ok();
    }
    auto words = job.count_words(machine.pool);
    if (!words) return words.error();
    if (flags.dry_run ? true : !quiet) print_words(job, *words, flags.json);
    if (flags.dry_run) return job.refusal().empty() ? ok() : error("{}", job.refusal());
    const auto bpe = job.train(std::move(*words));
    if (!bpe) return bpe.error();
    if (flags.json || !quiet) print_result(job, *bpe, flags.json);
    return ok();
}

}  // namespace hone::cli
