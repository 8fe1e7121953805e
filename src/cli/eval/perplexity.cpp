#include "cli/eval/perplexity.h"

#include <cmath>
#include <numbers>

#include "base/clock.h"
#include "base/progress.h"
#include "cli/score_logprobs.h"
#include "engine/score.h"

namespace hone::cli {

double Perplexity::per_token() const {
    return perplexity_of(sum_of_logprobs, scored);
}

std::optional<double> Perplexity::bits_per_byte() const {
    if (bytes == 0) return std::nullopt;
    return -sum_of_logprobs / std::numbers::ln2 / static_cast<double>(bytes);
}

static std::string place_of(const Suite& suite, size_t line) {
    return fmt::format("{}:{}", suite.path, line);
}

Result<std::vector<ScoreSequence>> read_texts(const Suite& suite, const Selection& selection,
                                              const model::LoadedModel& loaded) {
    auto texts = read_score_input(suite.path, loaded);
    if (!texts) return texts;
    const auto positions = static_cast<size_t>(loaded.model->spec().max_positions);
    for (const auto& [ids, line] : *texts) {
        if (ids.size() > positions)
            return error("{}: a sequence of {} tokens is longer than the {} positions of the model",
                         place_of(suite, line), ids.size(), positions);
    }
    std::vector<std::string> names;
    for (size_t i = 0; i < texts->size(); i++) names.push_back(std::to_string(i));
    std::vector<ScoreSequence> chosen;
    for (const size_t i : select_cases(names, selection)) chosen.push_back(std::move((*texts)[i]));
    return chosen;
}

Result<Perplexity> measure_perplexity(const Suite& suite, std::span<const ScoreSequence> texts, const OpenModel& open,
                                      const ModelText& text, int threads, bool quiet) {
    const double started = monotonic_seconds();
    size_t tokens = 0;
    for (const auto& [ids, line] : texts) tokens += ids.size();
    const auto& [longest, longest_line] = longest_of(texts);
    auto scorer = engine::Scorer::create(*open.loaded.model, *open.kernels, static_cast<int32_t>(longest.size()),
                                         threads, open.int4_class);
    if (!scorer) return scorer.error().within(place_of(suite, longest_line));
    Perplexity sum{.texts = std::ssize(texts), .tokens = static_cast<int64_t>(tokens)};
    Progress progress(fmt::format("scoring {}", suite.name), tokens, Progress::Unit::tokens, quiet);
    std::vector<float> logprobs;
    for (const auto& [ids, line] : texts) {
        logprobs.assign(ids.size() - 1, 0);
        (*scorer)->begin(open.adapter.get());
        const auto take = [&, &ids = ids](int32_t first, math::MatrixView<const float> logits) {
            take_next_logprobs(*open.kernels, ids, first, logits, logprobs);
            progress.advance(static_cast<uint64_t>(logits.rows));
        };
        if (const Status extended = (*scorer)->extend(ids, {}, take); !extended)
            return extended.error().within(place_of(suite, line));
        for (const float logprob : logprobs) sum.sum_of_logprobs += logprob;
        sum.scored += std::ssize(logprobs);
        if (text.tokenizer->reads_text())
            sum.bytes +=
                std::ssize(text.tokenizer->decode(ids)) - std::ssize(text.tokenizer->decode(std::span(ids).first(1)));
    }
    progress.finish();
    sum.seconds = monotonic_seconds() - started;
    return sum;
}

}  // namespace hone::cli
