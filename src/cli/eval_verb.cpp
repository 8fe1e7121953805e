// hone eval: how many cases of test suites a model gets right, and how many bits it needs for texts.
#include <iostream>
#include <set>

#include <boost/json/serialize.hpp>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "cli/default_model.h"
#include "cli/engine_flags.h"
#include "cli/eval/eval_report.h"

namespace hone::cli {
namespace {

struct EvalFlags {
    ModelOptions model;
    EngineFlags engine;
    std::vector<std::string> suites, at_least;
    Decoding decoding;
    Selection selection;
    std::string show = "none", output;
    bool json = false;
};

struct Threshold {
    std::string suite;
    double score = 0;
};

Result<std::vector<Threshold>> read_thresholds(const EvalFlags& flags, std::span<const Suite> suites) {
    std::vector<Threshold> thresholds;
    for (const std::string& given : flags.at_least) {
        const size_t equals = given.rfind('=');
        double score = 0;
        if (equals == given.npos || !CLI::detail::lexical_cast(given.substr(equals + 1), score) || !(score >= 0) ||
            score > 1)
            return error("--at-least {}: write NAME=SCORE, a suite and a share from 0 to 1", given);
        const auto suite = std::ranges::find(suites, given.substr(0, equals), &Suite::name);
        if (suite == suites.end()) return error("--at-least {}: no suite of that name is run", given);
        if (suite->is_of_texts) return error("--at-least {}: a suite of texts has no score", given);
        thresholds.push_back({suite->name, score});
    }
    return thresholds;
}

Result<std::vector<Suite>> read_suites(const EvalFlags& flags) {
    const auto shipped = find_default_suites();
    const auto folder = shipped ? std::optional(shipped->string()) : std::nullopt;
    std::vector<std::string> named = flags.suites;
    if (named.empty()) {
        const auto sprout = find_default_model();
        if (!sprout || sprout->string() != flags.model.path)
            return error("SUITE is missing: a .jsonl file of cases, or a folder of them");
        if (!folder) return error("there are no suites beside {}; name a SUITE", flags.model.path);
        named.push_back(*folder);
    }
    const auto files = find_suites(named, folder);
    if (!files) return files.error();
    std::vector<Suite> suites;
    std::set<std::string> names;
    for (const std::string& file : *files) {
        auto suite = read_suite(file);
        if (!suite) return suite.error();
        if (!names.insert(suite->name).second) return error("{}: there are two suites called {}", file, suite->name);
        suites.push_back(std::move(*suite));
    }
    return suites;
}

// All cases of all suites in one go, so that the batch is full until the very end.
class CaseSuites {
  public:
    CaseSuites(const EvalFlags& flags, const OpenModel& open, const ModelText& text, engine::Engine& engine)
        : flags_(flags),
          maker_(open, text, engine.max_context()),
          runner_(maker_, engine, flags.decoding, flags.engine.max_batch) {}

    // Results of the suites that have cases, in their places of `results`.
    Status run(std::span<const Suite> suites, std::span<SuiteResult> results) {
        std::vector<const Case*> cases;
        std::vector<size_t> owners;
        for (size_t i = 0; i < suites.size(); i++) {
            std::vector<std::string> ids;
            for (const Case& test : suites[i].cases) ids.push_back(test.id);
            for (const size_t chosen : select_cases(ids, flags_.selection)) {
                const Case& test = suites[i].cases[chosen];
                if (const Status right = runner_.check(test); !right)
                    return right.error().within(fmt::format("{}:{}", suites[i].path, test.line));
                cases.push_back(&test);
                owners.push_back(i);
            }
        }
        Progress progress("evaluating", cases.size(), Progress::Unit::items, flags_.json);
        auto outcomes = runner_.run(cases, progress);
        if (!outcomes) return outcomes.error();
        progress.finish();
        for (size_t i = 0; i < cases.size(); i++) results[owners[i]].outcomes.push_back(std::move((*outcomes)[i]));
        return ok();
    }

  private:
    const EvalFlags& flags_;
    const RequestMaker maker_;
    CaseRunner runner_;
};

Status show_cases(const EvalFlags& flags, std::span<const SuiteResult> results, const text::Tokenizer& tokenizer) {
    if (flags.show != "none") {
        for (const SuiteResult& result : results)
            for (const Outcome& outcome : result.outcomes)
                if (flags.show == "all" || !outcome.verdict.right)
                    fmt::print(flags.json ? stderr : stdout, "{}", case_text(result, outcome, tokenizer));
    }
    if (flags.output.empty()) return ok();
    std::string lines;
    for (const SuiteResult& result : results) lines += case_lines(result);
    return write_file(flags.output, lines);
}

Result<std::vector<SuiteResult>> run_suites(const EvalFlags& flags, std::span<const Suite> suites,
                                            const engine::EngineOptions& engine_options) {
    ModelOptions whole = flags.model;
    whole.verify = true;  // a score is kept: a damaged pack is found before, not behind
    auto open = open_model(whole, flags.json);
    if (!open) return open.error();
    auto text = load_model_text(open->loaded.files, open->loaded.model->spec().vocabulary);
    if (!text) return text.error();
    open->pool.reset();  // engine and scorer have threads of their own
    std::vector<SuiteResult> results;
    std::vector<std::vector<ScoreSequence>> texts;  // of each suite
    bool has_cases = false;
    for (const Suite& suite : suites) {
        results.push_back({.name = suite.name, .path = suite.path});
        has_cases = has_cases || !suite.is_of_texts;
        auto read = suite.is_of_texts ? read_texts(suite, flags.selection, open->loaded)
                                      : Result<std::vector<ScoreSequence>>(std::vector<ScoreSequence>());
        if (!read) return read.error();
        texts.push_back(std::move(*read));
    }
    if (has_cases) {
        auto engine = start_engine(*open, engine_options);
        if (!engine) return engine.error();
        CaseSuites runner(flags, *open, *text, **engine);
        if (const Status run = runner.run(suites, results); !run) return run.error();
    }
    for (size_t i = 0; i < suites.size(); i++) {
        if (!suites[i].is_of_texts) continue;
        auto measured = measure_perplexity(suites[i], texts[i], *open, *text, thread_count(flags.model), flags.json);
        if (!measured) return measured.error();
        results[i].perplexity = *measured;
    }
    if (const Status shown = show_cases(flags, results, *text->tokenizer); !shown) return shown.error();
    return results;
}

Status eval(const EvalFlags& flags) {
    const auto engine_options = flags.engine.options(flags.model);
    if (!engine_options) return engine_options.error();
    if (!flags.output.empty()) {
        if (auto writable = AtomicFile::create(flags.output); !writable) return writable.error();
    }
    const auto suites = read_suites(flags);
    if (!suites) return suites.error();
    const auto thresholds = read_thresholds(flags, *suites);
    if (!thresholds) return thresholds.error();
    const auto results = run_suites(flags, *suites, *engine_options);
    if (!results) return results.error();
    if (flags.json)
        std::cout << boost::json::serialize(json_of(*results)) << "\n";
    else
        std::cout << table_of(*results);
    std::string missed;
    for (const Threshold& threshold : *thresholds) {
        const auto& result = *std::ranges::find(*results, threshold.suite, &SuiteResult::name);
        if (result.score() < threshold.score)
            missed += fmt::format("{}{} is {:.4f}, below {}", missed.empty() ? "" : "; ", result.name, result.score(),
                                  threshold.score);
    }
    return missed.empty() ? ok() : Status(error("--at-least: {}", missed));
}

}  // namespace

void add_eval(CLI::App& app, int& status) {
    auto flags = std::make_shared<EvalFlags>();
    CLI::App* verb =
        app.add_subcommand("eval", "How many cases of test suites a model gets right; perplexity of texts");
    add_model_option(*verb, flags->model)->required();
    verb->add_option("SUITE", flags->suites,
                     "JSON Lines files of cases or texts (docs/evaluation.md), folders of them, or names of sprout's "
                     "suites, all of which `hone eval sprout` takes");
    add_adapter_option(*verb, flags->model);
    verb->add_option("--temperature", flags->decoding.temperature,
                     "0 is greedy; otherwise answers are drawn, with the model's own top-p, top-k and min-p")
        ->check(number_within(0, engine::kMaxTemperature))
        ->capture_default_str();
    verb->add_option("--top-p", flags->decoding.top_p, "Share of probability to sample from")
        ->check(number_within(1e-6, 1));
    verb->add_option("--seed", flags->decoding.seed,
                     "Of drawn answers and of --sample. A case's draws depend on it and the case's id alone, not on "
                     "the order or the batch")
        ->capture_default_str();
    verb->add_option("--max-tokens", flags->decoding.max_tokens, "Longest answer of cases that do not say")
        ->check(CLI::Range(1, 1 << 30))
        ->capture_default_str();
    verb->add_option("--limit", flags->selection.limit, "Only the first N cases of each suite")
        ->check(CLI::Range(1, 1 << 30));
    verb->add_option("--sample", flags->selection.sample,
                     "Only N cases of each suite, drawn by --seed: the same ones each time")
        ->check(CLI::Range(1, 1 << 30));
    verb->add_option("--show", flags->show, "Print cases with prompt, answer and what was expected: none, wrong or all")
        ->check(CLI::IsMember({"none", "wrong", "all"}))
        ->capture_default_str();
    verb->add_option("--output", flags->output, "File to write: a line of JSON for every case");
    verb->add_option("--at-least", flags->at_least,
                     "NAME=SCORE: exit with 1 if the suite's share of right cases is below; may be repeated")
        ->allow_extra_args(false);
    verb->add_flag("--json", flags->json, "Print the scores as JSON, and no progress");
    add_engine_flags(*verb, flags->engine);
    add_model_options(*verb, flags->model);
    verb->callback([flags, &status] {
        flags->selection.seed = flags->decoding.seed;
        status = report(eval(*flags));
    });
}

}  // namespace hone::cli
