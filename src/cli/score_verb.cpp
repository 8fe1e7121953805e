// hone score: logits, log-probabilities and more of given sequences, into a safetensors file. The schedule flags change
// how the work is cut, never a bit of the output.
#include <map>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/progress.h"
#include "cli/model_options.h"
#include "cli/score_input.h"
#include "cli/score_logprobs.h"
#include "cli/score_output.h"
#include "engine/decode/selection.h"
#include "engine/score.h"

namespace hone::cli {
namespace {

struct ScoreFlags {
    ModelOptions model;
    std::string input, output;
    ScoreContents contents;
    engine::ScoreSchedule schedule;
    bool json = false;
};

struct ScoreTotals {
    int64_t tokens = 0, scored = 0;
    double sum_of_logprobs = 0;

    double perplexity() const { return perplexity_of(sum_of_logprobs, scored); }
};

// Runs one sequence (and its greedy continuation), telling `output` all that was asked for.
class SequenceRun {
  public:
    SequenceRun(engine::Scorer& scorer, const OpenModel& open, const ScoreFlags& flags, ScoreOutput& output)
        : scorer_(scorer), kernels_(*open.kernels), adapter_(open.adapter.get()), flags_(flags), output_(output) {}

    Status run(size_t index, std::span<const int32_t> ids, ScoreTotals& totals, Progress& progress) {
        scorer_.begin(adapter_);
        logprobs_.assign(ids.size() - 1, 0);
        engine::ExecutorTaps taps;
        if (flags_.contents.hidden) {
            taps.hidden = [&](int32_t layer, std::span<const engine::RowRange> rows, math::MatrixView<const float> x) {
                keep(output_.hidden(index, layer, scorer_.chunk_position() + rows.front().begin, x));
            };
        }
        if (flags_.contents.router) {
            taps.router = [&](int32_t layer, std::span<const engine::RowRange> rows, const math::Routing& routing) {
                keep(output_.router(index, layer, scorer_.chunk_position() + rows.front().begin, routing));
            };
        }
        const Status extended = scorer_.extend(
            ids, flags_.schedule,
            [&](int32_t first, math::MatrixView<const float> logits) {
                if (flags_.contents.logits) keep(output_.logits(index, first, logits));
                take_logprobs(ids, first, logits);
                progress.advance(static_cast<uint64_t>(logits.rows));
            },
            taps);
        if (!extended) return extended;
        keep(output_.logprobs(index, logprobs_));
        totals.tokens += std::ssize(ids);
        totals.scored += std::ssize(logprobs_);
        for (const float logprob : logprobs_) totals.sum_of_logprobs += logprob;
        if (flags_.contents.greedy > 0) {
            if (const Status continued = continue_greedily(index); !continued) return continued;
        }
        return failure_;
    }

  private:
    void keep(const Status& written) {
        if (!written && failure_) failure_ = written;
    }

    // Of the rows' last one the most likely next token too, if it is asked for.
    void take_logprobs(std::span<const int32_t> ids, int32_t first, math::MatrixView<const float> logits) {
        if (flags_.contents.greedy > 0 && logits.rows > 0)
            best_ = engine::index_of_largest(logits.row_span(logits.rows - 1));
        take_next_logprobs(kernels_, ids, first, logits, logprobs_);
    }

    Status continue_greedily(size_t index) {
        std::vector<int32_t> continuation;
        while (std::ssize(continuation) < flags_.contents.greedy) {
            const int32_t next = best_;
            continuation.push_back(next);
            if (std::ssize(continuation) == flags_.contents.greedy) break;
            const Status extended = scorer_.extend(
                {&next, 1}, flags_.schedule,
                [&](int32_t first, math::MatrixView<const float> logits) { take_logprobs({}, first, logits); });
            if (!extended) return extended;
        }
        keep(output_.greedy(index, continuation));
        return ok();
    }

    engine::Scorer& scorer_;
    const math::KernelTable& kernels_;
    const model::Adapter* const adapter_;
    const ScoreFlags& flags_;
    ScoreOutput& output_;
    std::vector<float> logprobs_;
    int32_t best_ = 0;  // most likely token after the last row, if asked for
    Status failure_;
};

void print_summary(const ScoreFlags& flags, size_t sequences, const ScoreTotals& totals, double seconds) {
    const double rate = seconds > 0 ? static_cast<double>(totals.tokens) / seconds : 0;
    if (flags.json) {
        fmt::print(
            R"({{"sequences": {}, "tokens": {}, "perplexity": {}, "seconds": {:.6f}, "tokens_per_second": {:.3f}}})"
            "\n",
            sequences, totals.tokens, totals.perplexity(), seconds, rate);
    } else {
        fmt::print("{} sequences, {} tokens, perplexity {:.6g}; {:.0f} tokens/s\n", sequences, totals.tokens,
                   totals.perplexity(), rate);
    }
}

Status score(const ScoreFlags& flags) {
    // Found out before the model is loaded; the file that is tried for leaves nothing.
    if (auto writable = AtomicFile::create(flags.output); !writable) return writable.error();
    // What is written is kept: a damaged pack is found before, not behind.
    ModelOptions whole = flags.model;
    whole.verify = true;
    auto open = open_model(whole, flags.json);
    if (!open) return open.error();
    auto sequences = read_score_input(flags.input, open->loaded);
    if (!sequences) return sequences.error();
    const model::ModelSpec& spec = open->loaded.model->spec();
    if (flags.contents.router && spec.experts == 0) return error("--router: {} has no experts", open->loaded.name);

    size_t tokens = 0;
    for (const auto& [ids, line] : *sequences) tokens += ids.size();
    const auto& [longest, longest_line] = longest_of(*sequences);
    auto scorer = engine::Scorer::create(*open->loaded.model, *open->kernels,
                                         static_cast<int32_t>(longest.size()) + flags.contents.greedy,
                                         thread_count(flags.model), open->int4_class);
    if (!scorer) return scorer.error().within(fmt::format("{}:{}", flags.input, longest_line));
    std::map<std::string, std::string> facts{{"numeric_class", numeric_class_name(*open)}};
    if (open->adapter) facts["adapter"] = open->adapter->fingerprint();
    auto output = ScoreOutput::create(flags.output, flags.contents, spec, *sequences, facts);
    if (!output) return output.error();

    ScoreTotals totals;
    const double started = monotonic_seconds();
    Progress progress("scoring", tokens, Progress::Unit::tokens, flags.json);
    SequenceRun runner(**scorer, *open, flags, *output);
    for (size_t i = 0; i < sequences->size(); i++) {
        const auto& [ids, line] = (*sequences)[i];
        if (const Status run = runner.run(i, ids, totals, progress); !run)
            return run.error().within(fmt::format("{}:{}", flags.input, line));
    }
    progress.finish();
    if (const Status finished = output->finish(); !finished) return finished;
    print_summary(flags, sequences->size(), totals, monotonic_seconds() - started);
    return ok();
}

}  // namespace

void add_score(CLI::App& app, int& status) {
    auto flags = std::make_shared<ScoreFlags>();
    CLI::App* verb =
        app.add_subcommand("score", "Log-probabilities (and logits, hidden states) of given token sequences or texts");
    add_model_option(*verb, flags->model)->required();
    add_adapter_option(*verb, flags->model);
    verb->add_option("--input", flags->input, R"(File of lines {"ids": [...]} or {"text": "..."})")->required();
    verb->add_option(
            "--output", flags->output,
            "safetensors file to write: I.logits [T, V], I.logprobs [T-1] for line I (from 0), and what the flags add")
        ->required();
    verb->add_flag("--hidden", flags->contents.hidden,
                   "Also I.hidden.L [T, D]: residual stream after layer L, before the final norm");
    verb->add_flag("--router", flags->contents.router,
                   "Also I.router.L.experts and I.router.L.weights [T, k] of layer L");
    verb->add_option("--greedy", flags->contents.greedy,
                     "Also I.greedy.ids [N]: the most likely continuation of N tokens")
        ->check(CLI::Range(0, 1 << 20));
    verb->add_flag("!--no-logits", flags->contents.logits, "Leave I.logits out");
    verb->add_option("--chunk", flags->schedule.chunk_tokens, "Tokens that pass the layers together")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    verb->add_option("--layers-per-step", flags->schedule.layers_per_step, "Layers a step; 0: all")
        ->check(CLI::Range(0, 4096))
        ->capture_default_str();
    verb->add_flag("--json", flags->json, "Print the summary as JSON, and no progress");
    add_model_options(*verb, flags->model);
    verb->callback([flags, &status] { status = report(score(*flags)); });
}

}  // namespace hone::cli
