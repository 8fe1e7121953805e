// Recipes: what each kind reads, what every mistake is called, and which keys make another job.
#include "train/recipe.h"

#include <gtest/gtest.h>

namespace hone::train {
namespace {

constexpr std::string_view kLeast = R"(
kind = "sft"
model = "models/base"
output = "/runs/a"
[data]
files = ["a.jsonl", "/b.jsonl"]
)";

Recipe parsed(const std::string& text) {
    auto recipe = parse_recipe(text, "r.toml", "/recipes");
    EXPECT_TRUE(recipe) << recipe.error().message;
    return recipe ? *recipe : Recipe{};
}

std::string mistake(const std::string& text) {
    const auto recipe = parse_recipe(text, "r.toml", "/recipes");
    return recipe ? "" : recipe.error().message;
}

TEST(Recipe, the_least_that_is_needed) {
    const Recipe recipe = parsed(std::string(kLeast));
    EXPECT_EQ(recipe.kind, JobKind::sft);
    EXPECT_EQ(recipe.model, "/recipes/models/base");
    EXPECT_EQ(recipe.output, "/runs/a");
    EXPECT_EQ(recipe.data.files, (std::vector<std::filesystem::path>{"/recipes/a.jsonl", "/b.jsonl"}));
    EXPECT_FALSE(recipe.train.is_full);
    EXPECT_EQ(recipe.lora.spec.rank, 32);
    EXPECT_EQ(recipe.optimiser.adam.learning_rate, 1e-4);
    EXPECT_EQ(recipe.optimiser.adam.beta2, 0.95);
    EXPECT_EQ(recipe.optimiser.adam.eps, 1e-12);
    EXPECT_EQ(recipe.train.epochs, 1);
    EXPECT_FALSE(recipe.evaluation.wanted());
    EXPECT_EQ(recipe.text, kLeast);
}

TEST(Recipe, pretraining_from_random_weights) {
    const Recipe recipe = parsed(R"(
kind = "pretrain"
output = "out"
seed = 7
[architecture]
config = "shape/config.json"
[train]
qat = "experts"
class = "f32seq"
steps = 1000
tokens = 8192
accumulate = 4
[optimiser]
kind = "muon"
learning_rate = 2e-3
momentum = 0.9
weight_decay = 0.1
grad_clip_norm = 1
[schedule]
decay = "warmup_stable_decay"
warmup_steps = 10
decay_steps = 100
final_fraction = 0.1
[balance]
aux_coefficient = 0.001
[data]
files = ["corpus.txt"]
format = "text"
max_tokens = 512
too_long = "skip"
shuffle = false
[evaluation]
fraction = 0.01
every = 50
patience = 3
[checkpoint]
every_steps = 20
every_minutes = 0
keep = 5
)");
    EXPECT_EQ(recipe.kind, JobKind::pretrain);
    EXPECT_TRUE(recipe.train.is_full);
    EXPECT_EQ(recipe.train.weights, model::WeightChoice::int4_experts);
    EXPECT_EQ(recipe.train.int4_class, math::NumericClass::f32seq);
    EXPECT_EQ(recipe.train.steps, 1000);
    EXPECT_EQ(recipe.optimiser.kind, OptimiserKind::muon);
    EXPECT_EQ(recipe.schedule.peak, 2e-3);
    EXPECT_EQ(recipe.schedule.decay, Decay::warmup_stable_decay);
    EXPECT_EQ(recipe.aux_coefficient, 0.001f);
    EXPECT_EQ(recipe.data.too_long, TooLong::skip);
    EXPECT_EQ(recipe.data.format, Format::text);
    EXPECT_TRUE(recipe.data.train_on_prompts);
    EXPECT_EQ(recipe.evaluation.patience, 3);
    EXPECT_EQ(recipe.checkpoint.keep, 5);
}

TEST(Recipe, distillation_and_preferences) {
    const std::string tail = "model = 'm'\noutput = 'o'\n[data]\nfiles = ['d']\n";
    const Recipe distill = parsed("kind = 'distill'\n" + tail +
                                  "[distill]\nteacher = 't'\ndirection = 'mixed'\nalpha = 0.25\ntop_k = 20\n");
    EXPECT_EQ(distill.distill.teacher, "/recipes/t");
    EXPECT_EQ(distill.distill.alpha, 0.25f);
    EXPECT_EQ(distill.distill.top_k, 20);
    const Recipe dpo =
        parsed("kind = 'dpo'\n" + tail + "[dpo]\nbeta = 0.3\n[lora]\nexperts = 'per_expert'\nmlp = false\n");
    EXPECT_EQ(dpo.dpo_beta, 0.3f);
    EXPECT_EQ(dpo.lora.spec.experts, ExpertFactors::per_expert);
    EXPECT_FALSE(dpo.lora.spec.mlp);
}

TEST(Recipe, mistakes_name_file_line_key_and_what_is_allowed) {
    const std::string least(kLeast);
    EXPECT_EQ(mistake(""), "r.toml:1: kind is missing");
    EXPECT_EQ(mistake("kind = 'rl'"),
              "r.toml:1: kind must be one of \"pretrain\", \"sft\", \"distill\", \"dpo\", \"tokenizer\", \"stages\"");
    EXPECT_EQ(mistake("kind = 'sft'\nmodel = 'm'"), "r.toml:1: output is missing");
    EXPECT_EQ(mistake(least + "shufle = true\n"), "r.toml:7: data.shufle is no key that is known here");
    EXPECT_EQ(mistake(least + "[lora]\nrank = 0\n"), "r.toml:8: lora.rank is 0; it must be an integer from 1 to 1024");
    EXPECT_EQ(mistake(least + "[train]\nsteps = 1.5\n"),
              "r.toml:8: train.steps is a number; it must be an integer from 1 to 1099511627776");
    EXPECT_EQ(mistake(least + "[train]\nsteps = 1\nepochs = 2\n"),
              "r.toml:9: train.epochs and train.steps are both there; give one of them");
    EXPECT_EQ(mistake(least + "[lora]\nattn = 1\n"), "r.toml:8: lora.attn is an integer; it must be true or false");
    EXPECT_EQ(mistake(least + "[lora]\nattn = false\nmlp = false\nunembed = false\n"),
              "r.toml:10: lora.unembed and attn and mlp are all false: there is nothing to train");
    EXPECT_EQ(mistake(least + "[train]\nwhat = 'full'\n[lora]\nrank = 8\n"),
              "r.toml:9: lora is read where train.what = \"lora\"; take the table out");
    EXPECT_EQ(mistake(least + "[dpo]\nbeta = 0.1\n"), "r.toml:7: dpo is read where kind = \"dpo\"; take the table out");
    EXPECT_EQ(mistake(least + "max_tokens = 9999\n"),
              "r.toml:7: data.max_tokens is 9999, more than a pass holds: at most train.tokens = 4096");
    EXPECT_EQ(
        mistake(least + "[balance]\nbias_rate = 0.001\n"),
        "r.toml:8: balance.bias_rate moves the biases of routers, which an adapter leaves alone; set train.what = "
        "\"full\"");
    EXPECT_EQ(mistake(least + "[evaluation]\nfraction = 0.1\nrecords = 10\n"),
              "r.toml:9: evaluation.records is not the only one of files, fraction and records; give one of them");
    EXPECT_EQ(mistake(least + "[evaluation]\npatience = 2\n"),
              "r.toml:8: evaluation.patience needs an evaluation: give files, fraction or records");
    EXPECT_EQ(mistake("kind = 'sft'\noutput = 'o'\nmodel = 'm'\n[architecture]\nconfig = 'c'\n[data]\nfiles = ['d']\n"),
              "r.toml:3: model and [architecture] are both there; give one of them");
    EXPECT_EQ(mistake("kind = 'sft'\noutput = 'o'\nmodel = 'm'\n[data]\nfiles = 'd'\n"),
              "r.toml:5: data.files must be a list of texts in quotes");
    EXPECT_EQ(mistake(least + "[schedule]\ndecay = 'warmup_stable_decay'\n"),
              "r.toml:7: schedule.decay_steps is missing");
    EXPECT_EQ(mistake("kind = \n"), "r.toml:1: Error while parsing key-value pair: expected value, saw '\\n'");
}

TEST(Recipe, data_say_what_they_are) {
    EXPECT_EQ(mistake(std::string(kLeast) + "format = 'preference'\n"),
              "r.toml:7: data.format must be \"preference\" where kind = \"dpo\", and cannot be it elsewhere");
    EXPECT_EQ(mistake(std::string(kLeast) + "[train]\nexamples = 8\naccumulate = 2\n"),
              "r.toml:9: train.accumulate and train.examples both say where a step ends; give one of them");
}

TEST(Recipe, a_changed_key_makes_another_job) {
    const Recipe begun = parsed(std::string(kLeast));
    EXPECT_TRUE(check_same_job(begun, begun.values));
    const Recipe longer =
        parsed(std::string(kLeast) + "[train]\nsteps = 9\n[checkpoint]\nkeep = 7\n[evaluation]\nevery = 3\n");
    EXPECT_TRUE(check_same_job(longer, begun.values)) << check_same_job(longer, begun.values).error().message;
    const Recipe moved = parsed(std::string(kLeast) + "[lora]\ninit = 'an/adapter'\n");
    EXPECT_TRUE(check_same_job(moved, begun.values));
    const Recipe other = parsed(std::string(kLeast) + "[lora]\nrank = 8\n");
    EXPECT_EQ(check_same_job(other, begun.values).error().message,
              "lora.rank is \"8\" in the recipe, but was \"32\" when this job began");
    const Recipe full = parsed(std::string(kLeast) + "[train]\nwhat = 'full'\n");
    EXPECT_EQ(check_same_job(full, begun.values).error().message,
              "train.what is \"full\" in the recipe, but was \"lora\" when this job began");
    std::vector<RecipeValue> more = begun.values;
    more.push_back({"dpo.beta", "0.1"});
    EXPECT_EQ(check_same_job(begun, more).error().message,
              "dpo.beta is not there in the recipe, but was \"0.1\" when this job began");
}

// A job that an older Hone began, which did not know the key.
TEST(Recipe, a_new_key_with_its_default_changes_no_job) {
    const Recipe now = parsed(std::string(kLeast));
    std::vector<RecipeValue> begun = now.values;
    std::erase_if(begun, [](const RecipeValue& value) { return value.key == "data.too_long"; });
    ASSERT_EQ(begun.size() + 1, now.values.size());
    EXPECT_TRUE(check_same_job(now, begun)) << check_same_job(now, begun).error().message;
    const Recipe written = parsed(std::string(kLeast) + "too_long = 'skip'\n");
    EXPECT_EQ(check_same_job(written, begun).error().message,
              "data.too_long is \"skip\" in the recipe, but was not there when this job began");
}

}  // namespace
}  // namespace hone::train
