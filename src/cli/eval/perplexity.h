// Suites of texts: how many bits a model needs for them. The texts are scored as `hone score` scores them.
#pragma once

#include "cli/eval/suite.h"
#include "cli/model_options.h"
#include "cli/model_text.h"
#include "cli/score_input.h"

namespace hone::cli {

struct Perplexity {
    int64_t texts = 0, tokens = 0, scored = 0;  // the first token of a text has nothing before it and is not scored
    int64_t bytes = 0;                          // of the scored tokens; 0: the model has no tokenizer
    double sum_of_logprobs = 0;
    double seconds = 0;

    double per_token() const;                     // exp of the mean negative log-probability
    std::optional<double> bits_per_byte() const;  // nothing without bytes
};

// The tokens of those of a suite's texts that are to run. Errors name file and line: no token, more than the model takes.
Result<std::vector<ScoreSequence>> read_texts(const Suite& suite, const Selection& selection,
                                              const model::LoadedModel& loaded);

// Errors name file and line.
Result<Perplexity> measure_perplexity(const Suite& suite, std::span<const ScoreSequence> texts, const OpenModel& open,
                                      const ModelText& text, int threads, bool quiet);

}  // namespace hone::cli
