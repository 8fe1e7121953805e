// hone bench grammar: what constrained output costs beside a decode step: compilation, masks of states seen for the
// first time and again, what a mask adds to a draw, and how much of a model's step all that is.
#include "base/clock.h"
#include "base/rng.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/workloads.h"
#include "cli/model_options.h"
#include "engine/decode/sampler.h"
#include "text/grammar/grammar_cache.h"
#include "text/utf8.h"

namespace hone::cli {
namespace {

struct GrammarFlags {
    ModelOptions model;  // whose step is timed, if there is one; ISA
    OutputFlags output;
    std::string tokenizer;  // folder
    int32_t vocabulary = 151'936;
    int repeats = 5;
};

struct NamedSource {
    const char* name;
    text::GrammarSource source;
};

std::vector<NamedSource> sources() {
    using text::GrammarKind;
    return {{"object", {.kind = GrammarKind::kJsonObject}},
            {"schema",
             {.kind = GrammarKind::kJsonSchema,
              .text = R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
                  "maximum":130},"mail":{"type":"string","format":"email"},"tags":{"type":"array","items":{"enum":["one",
                  "two","other things"]},"maxItems":5},"next":{"$ref":"#"},"note":{"type":"string","maxLength":200}},
                  "required":["name","age"]})"}},
            {"regex", {.kind = GrammarKind::kRegex, .text = R"((\w+ ){2,50}[.!?])"}},
            {"ebnf",
             {.kind = GrammarKind::kEbnf,
              .text = "root ::= (line \"\\n\")+\nline ::= [a-z]+ \" = \" sum \";\"\nsum ::= term ([-+*/] term)*\n"
                      "term ::= [0-9]+ | [a-z]+ | \"(\" sum \")\""}},
            {"choice", {.kind = GrammarKind::kChoice, .text = R"(["positive","negative","neutral","not sure"])"}}};
}

// Tokens as large vocabularies have them: bytes, words with and without a space, numbers, signs, runs, other scripts.
std::shared_ptr<const text::MaskVocabulary> made_up_vocabulary(int32_t size) {
    Random random(1);
    const auto below = [&](uint64_t count) { return random.below(count); };
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; byte++) tokens.emplace_back(1, static_cast<char>(byte));
    constexpr std::string_view kSigns = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \n\t";
    while (std::ssize(tokens) < size - 1) {
        std::string token = below(3) == 0 ? " " : "";
        const uint64_t kind = below(20);
        if (kind < 13) {
            for (uint64_t left = 2 + below(9); left > 0; left--) token += static_cast<char>('a' + below(26));
            if (below(3) == 0) token[token.size() / 2] -= 'a' - 'A';
        } else if (kind < 17) {
            const char32_t script = below(2) == 0 ? 0x4E00 : 0x0400;
            for (uint64_t left = 1 + below(4); left > 0; left--) {
                text::append_utf8(token, script + static_cast<char32_t>(below(script == 0x0400 ? 0x60 : 0x4000)));
            }
        } else {
            for (uint64_t left = 1 + below(4); left > 0; left--) token += kSigns[below(kSigns.size())];
        }
        tokens.push_back(std::move(token));
    }
    tokens.emplace_back();
    return std::make_shared<const text::MaskVocabulary>(std::move(tokens), std::vector<text::TokenId>{size - 1});
}

// Microseconds of one grammar: compilation, then a mean and a maximum over masks of new states, and a mean over the
// work for a token in states seen before.
struct GrammarCosts {
    double compile = 0, first = 0, slowest = 0, again = 0;
};

class Walk {
  public:
    Walk(std::shared_ptr<const text::TokenGrammar> grammar, uint64_t seed)
        : grammar_(std::move(grammar)), random_(seed) {}

    // Draws texts under masks, 400 tokens in all, and calls timed(microseconds of a token).
    template <class Timed>
    void run(Timed&& timed) {
        auto matcher = std::make_unique<text::GrammarMatcher>(grammar_);
        for (int step = 0; step < 400; step++) {
            const double started = monotonic_seconds();
            const auto mask = matcher->allowed();
            const auto forced = matcher->forced();
            const double made = monotonic_seconds();
            CHECK(mask.ok() && forced.ok());
            const text::TokenId token = pick(**mask);
            const double drawn = monotonic_seconds();
            matcher->accept(token);
            timed((made - started + monotonic_seconds() - drawn) * 1e6);
            if (matcher->ended()) matcher = std::make_unique<text::GrammarMatcher>(grammar_);
        }
    }

  private:
    // What ends strings and lists is drawn every fourth time, or texts would be one string.
    text::TokenId pick(const text::TokenMask& mask) {
        const std::vector<text::TokenId> allowed = mask.tokens();
        if (random_.below(4) == 0) {
            for (const text::TokenId id : allowed) {
                const std::string_view bytes = grammar_->vocabulary().bytes(id);
                if (bytes == "\"" || bytes == "}" || bytes == "]" || bytes.empty()) return id;
            }
        }
        return allowed[random_.below(allowed.size())];
    }

    std::shared_ptr<const text::TokenGrammar> grammar_;
    Random random_;
};

Result<GrammarCosts> measure(const text::GrammarSource& source,
                             const std::shared_ptr<const text::MaskVocabulary>& vocabulary) {
    GrammarCosts costs;
    const double started = monotonic_seconds();
    auto compiled = text::compile_grammar(source);
    if (!compiled) return compiled.error();
    costs.compile = (monotonic_seconds() - started) * 1e6;
    const auto grammar = std::make_shared<const text::TokenGrammar>(std::move(*compiled), vocabulary);
    int slow = 0, steps = 0;
    constexpr double kWorked = 10;  // a state that was seen before takes far less
    Walk(grammar, 1).run([&](double microseconds) {
        costs.slowest = std::max(costs.slowest, microseconds);
        if (microseconds < kWorked) return;
        costs.first += microseconds;
        slow++;
    });
    costs.first /= std::max(slow, 1);
    Walk(grammar, 1).run([&](double microseconds) {  // the same texts again
        costs.again += microseconds;
        steps++;
    });
    costs.again /= steps;
    return costs;
}

// Microseconds of a draw, with a mask that allows every other token and without.
std::pair<double, double> time_draws(const math::KernelTable& kernels, int32_t vocabulary) {
    engine::Sampler sampler(kernels, vocabulary);
    Random random(2);
    std::vector<float> logits(static_cast<size_t>(vocabulary));
    for (float& logit : logits) logit = random.normal();
    const std::vector<uint64_t> mask((logits.size() + 63) / 64, 0x5555555555555555);
    const engine::SamplingParams params;
    const auto draw = [&](std::span<const uint64_t> allowed) {
        constexpr int kDraws = 50;
        const double started = monotonic_seconds();
        for (uint64_t seed = 0; seed < kDraws; seed++) {
            const auto record = sampler.draw(
                logits, {.params = params, .seed = seed, .tokens = {}, .prompt_tokens = 0, .allowed = allowed});
            CHECK(record.ok());
        }
        return (monotonic_seconds() - started) * 1e6 / kDraws;
    };
    draw(mask);
    return {draw({}), draw(mask)};
}

constexpr int32_t kStreams = 32;

// A step of so many streams of the model that decode, from an empty cache on, in microseconds. Its vocabulary is taken.
Result<Repetition> time_model(GrammarFlags& flags, BenchReport& report) {
    constexpr int32_t kSteps = 8;
    const bool quiet = flags.output.hides_progress();
    const auto open = open_model(flags.model, quiet);
    if (!open) return open.error();
    auto meter = LimitMeter::create(*open->pool, *open->kernels);
    if (!meter) return meter.error();
    const int64_t pages = BenchWorkloads::decode_pages(kStreams, 0, kSteps);
    auto workloads = BenchWorkloads::create(*open, *meter, pages, quiet);
    if (!workloads) return workloads.error();
    const BenchRow row = (*workloads)->decode("a step", kStreams, 0, kSteps, flags.repeats).front();
    flags.vocabulary = open->loaded.model->spec().vocabulary;
    report.machine.threads = open->pool->threads();
    report.machine.numeric_class = numeric_class_name(*open);
    report.limits = meter->medians();
    return Repetition{.value = 1e6 * kStreams / row.value, .is_clean = !row.is_void};
}

// The step, and the part of it, in percent, that known states and what a mask adds to a draw take for all streams.
void add_shares(const Repetition& step, std::vector<BenchRow>& rows) {
    const auto value_of = [&](const std::string& name) {
        const auto row = std::ranges::find(rows, name, &BenchRow::name);
        CHECK(row != rows.end(), "no row {}", name);
        return row->value;
    };
    const double draw = std::max(value_of("grammar/draw/masked") - value_of("grammar/draw/free"), 0.0);
    rows.push_back(summarise("grammar/step", "us", std::span(&step, 1), 1));
    for (const auto& [name, source] : sources()) {
        const double added = value_of(fmt::format("grammar/{}/known-state", name)) + draw;
        rows.push_back({.name = fmt::format("grammar/{}/of-step", name),
                        .value = 100 * kStreams * added / step.value,
                        .unit = "%",
                        .is_void = !step.is_clean});
    }
}

Status bench_grammar(GrammarFlags& flags) {
    if (const Status read = read_earlier(flags.output); !read) return read;
    const auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    BenchReport report{.machine = this_machine(math::name_of((*kernels)->isa), 1), .limits = {}, .rows = {}};
    std::optional<Repetition> step;
    if (!flags.model.path.empty() || !flags.model.shape.empty()) {
        const auto timed = time_model(flags, report);
        if (!timed) return timed.error();
        step = *timed;
    }
    std::unique_ptr<text::Tokenizer> tokenizer;
    std::shared_ptr<const text::MaskVocabulary> vocabulary;
    const double started = monotonic_seconds();
    if (flags.tokenizer.empty()) {
        vocabulary = made_up_vocabulary(flags.vocabulary);
    } else {
        auto loaded = text::Tokenizer::load(std::filesystem::path(flags.tokenizer));
        if (!loaded) return loaded.error();
        tokenizer = std::move(*loaded);
        vocabulary = std::make_shared<const text::MaskVocabulary>(
            *tokenizer, std::vector<text::TokenId>{tokenizer->eos().value_or(0)}, tokenizer->vocabulary_size());
    }
    const auto add = [&](const std::string& name, std::vector<Repetition> repetitions) {
        report.rows.push_back(summarise("grammar/" + name, "us", repetitions, static_cast<int>(repetitions.size())));
    };
    add("vocabulary", {{.value = (monotonic_seconds() - started) * 1e6}});
    for (const auto& [name, source] : sources()) {
        std::vector<Repetition> compile, first, slowest, again;
        for (int i = 0; i < flags.repeats; i++) {
            const auto costs = measure(source, vocabulary);
            if (!costs) return costs.error();
            compile.push_back({.value = costs->compile});
            first.push_back({.value = costs->first});
            slowest.push_back({.value = costs->slowest});
            again.push_back({.value = costs->again});
        }
        add(fmt::format("{}/compile", name), std::move(compile));
        add(fmt::format("{}/new-state", name), std::move(first));
        add(fmt::format("{}/new-state-worst", name), std::move(slowest));
        add(fmt::format("{}/known-state", name), std::move(again));
    }
    std::vector<Repetition> free, masked;
    for (int i = 0; i < flags.repeats; i++) {
        const auto [without, with] = time_draws(**kernels, vocabulary->size());
        free.push_back({.value = without});
        masked.push_back({.value = with});
    }
    add("draw/free", std::move(free));
    add("draw/masked", std::move(masked));
    if (step) add_shares(*step, report.rows);
    print_report(report, flags.output);
    return ok();
}

}  // namespace

void add_bench_grammar(CLI::App& bench, int& status) {
    auto flags = std::make_shared<GrammarFlags>();
    CLI::App* verb = bench.add_subcommand("grammar", "What constrained output costs: masks over a large vocabulary");
    verb->footer(
        "Rows, in microseconds of one thread: grammar/vocabulary once a model; grammar/NAME/compile once a grammar;\n"
        "new-state: a token in a state of the grammar that is met for the first time; known-state: any other token;\n"
        "draw/free and draw/masked: one draw. What constrained output adds to a token is known-state and what\n"
        "draw/masked takes more than draw/free. With MODEL or --shape: step, a decode step of 32 streams of it, and\n"
        "NAME/of-step, the part of it that this takes for all 32, as if one thread did it all; the made-up vocabulary\n"
        "is as large as the model's then.");
    add_model_or_shape(*verb, flags->model);
    verb->add_option("--tokenizer", flags->tokenizer, "Folder of a model's tokenizer; else a vocabulary is made up");
    verb->add_option("--vocabulary", flags->vocabulary, "Tokens of the one that is made up")
        ->check(CLI::Range(1000, 1'000'000))
        ->capture_default_str();
    verb->add_option("--repeats", flags->repeats, "Samples of each")->check(CLI::Range(1, 1000))->capture_default_str();
    add_model_options(*verb, flags->model);
    add_output_flags(*verb, flags->output);
    verb->callback([flags, &status] { status = report(bench_grammar(*flags)); });
}

}  // namespace hone::cli
