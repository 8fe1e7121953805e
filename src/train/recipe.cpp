#include "train/recipe.h"

#include <algorithm>
#include <array>

#include "base/mapped_file.h"
#include "train/noted_table.h"

namespace hone::train {

namespace fs = std::filesystem;

namespace {

constexpr size_t kLongestRecipe = size_t{1} << 20;
constexpr std::string_view kTokenizer = "tokenizer", kStages = "stages";
constexpr int64_t kMany = int64_t{1} << 40;
constexpr std::array<std::string_view, 4> kKinds = {"pretrain", "sft", "distill", "dpo"};

// Keys that may change between two starts of one job; a name that ends in a point is a whole table's. Of files the
// contents are compared elsewhere.
constexpr std::string_view kMayChange[] = {
    "output",       "model",       "architecture.config", "lora.init",        "distill.teacher",  "data.files",
    "config_files", "train.steps", "train.epochs",        "evaluation.files", "evaluation.every", "evaluation.patience",
    "checkpoint."};

// Reads the tables of a recipe into it.
class RecipeReader {
  public:
    RecipeReader(TomlTable root, const fs::path& folder) : root_(std::move(root), folder, recipe_.values) {}

    Result<Recipe> read() {
        read_root();
        read_train();
        if (!recipe_.train.is_full) read_lora();
        read_optimiser();
        read_schedule();
        read_balance();
        read_data();
        read_evaluation();
        read_checkpoint();
        if (recipe_.kind == JobKind::distill) read_distill();
        if (recipe_.kind == JobKind::dpo)
            recipe_.dpo_beta = static_cast<float>(root_.table("dpo").number("beta", 1e-6, 1e3, 0.1));
        check_tables_of_others();
        if (const Status finished = root_.finish(); !finished) return finished.error();
        return std::move(recipe_);
    }

  private:
    void read_root() {
        const size_t kind = root_.choice("kind", {kKinds[0], kKinds[1], kKinds[2], kKinds[3], kTokenizer, kStages});
        if (kind >= kKinds.size())
            root_.mistake("kind", "is what only `hone train` runs; here it is one of " +
                                      fmt::format("{}", fmt::join(kKinds, ", ")));
        recipe_.kind = static_cast<JobKind>(kind);
        const bool is_new = root_.has("architecture");
        if (is_new) {
            recipe_.architecture = root_.table("architecture").path("config");
            if (root_.has("model")) root_.mistake("model", "and [architecture] are both there; give one of them");
        }
        recipe_.model = root_.path("model", is_new ? std::optional<std::string>("") : std::nullopt);
        recipe_.output = root_.path("output");
        recipe_.seed = static_cast<uint64_t>(root_.integer("seed", 0, kMany, 0));
    }

    void read_train() {
        NotedTable table = root_.table("train");
        TrainOptions& train = recipe_.train;
        const bool is_new = !recipe_.architecture.empty();
        train.is_full = table.choice("what", {"lora", "full"}, is_new ? 1 : 0) == 1;
        if (is_new && !train.is_full)
            table.mistake("what", "must be \"full\" with [architecture]: all weights are new");
        if (train.is_full) {
            constexpr model::WeightChoice kQat[] = {model::WeightChoice::bf16, model::WeightChoice::int4_experts,
                                                    model::WeightChoice::int4};
            train.weights = kQat[table.choice("qat", {"off", "experts", "linear"}, 0)];
        } else {
            constexpr model::WeightChoice kWeights[] = {model::WeightChoice::as_stored, model::WeightChoice::bf16,
                                                        model::WeightChoice::int4, model::WeightChoice::int4_experts};
            train.weights = kWeights[table.choice("weights", {"auto", "bf16", "int4", "int4-experts"}, 0)];
        }
        constexpr math::NumericClass kClasses[] = {math::NumericClass::i8g32, math::NumericClass::i8p32,
                                                   math::NumericClass::f32seq};
        train.int4_class = kClasses[table.choice("class", {"i8g32", "i8p32", "f32seq"}, 0)];
        if (table.has("steps") && table.has("epochs"))
            table.mistake("epochs", "and train.steps are both there; give one of them");
        if (table.has("steps"))
            train.steps = table.integer("steps", 1, kMany, 1);
        else
            train.epochs = table.integer("epochs", 1, kMany, 1);
        train.tokens = table.integer("tokens", 2, 1 << 24, 4096);
        train.examples = table.integer("examples", 0, 1 << 20, 0);
        if (train.examples > 0 && table.has("accumulate"))
            table.mistake("accumulate", "and train.examples both say where a step ends; give one of them");
        train.accumulate = table.integer("accumulate", 1, 1 << 16, 1);
    }

    void read_lora() {
        NotedTable table = root_.table("lora");
        AdapterSpec& spec = recipe_.lora.spec;
        spec.rank = static_cast<int32_t>(table.integer("rank", 1, 1024, spec.rank));
        spec.alpha = static_cast<float>(table.number("alpha", 1e-6, 1e6, spec.alpha));
        spec.attention = table.flag("attn", true);
        spec.mlp = table.flag("mlp", true);
        spec.unembed = table.flag("unembed", true);
        spec.experts = static_cast<ExpertFactors>(table.choice("experts", {"shared_outer", "per_expert"}, 0));
        spec.seed = recipe_.seed;
        recipe_.lora.init = table.path("init", "");
        if (!spec.attention && !spec.mlp && !spec.unembed)
            table.mistake("unembed", "and attn and mlp are all false: there is nothing to train");
    }

    void read_optimiser() {
        NotedTable table = root_.table("optimiser");
        OptimiserOptions& optimiser = recipe_.optimiser;
        optimiser.kind = static_cast<OptimiserKind>(table.choice("kind", {"adamw", "muon"}, 0));
        AdamParams& adam = optimiser.adam;
        adam.learning_rate = table.number("learning_rate", 0, 1e9, adam.learning_rate);
        adam.beta1 = table.number("beta1", 0, 0.999999, adam.beta1);
        adam.beta2 = table.number("beta2", 0, 0.9999999, adam.beta2);
        adam.eps = table.number("eps", 1e-30, 1, adam.eps);
        adam.weight_decay = table.number("weight_decay", 0, 1e3, adam.weight_decay);
        adam.grad_clip_norm = table.number("grad_clip_norm", 0, 1e9, adam.grad_clip_norm);
        if (optimiser.kind == OptimiserKind::muon) optimiser.momentum = table.number("momentum", 0, 0.999999, 0.95);
    }

    void read_schedule() {
        NotedTable table = root_.table("schedule");
        Schedule& schedule = recipe_.schedule;
        schedule.peak = recipe_.optimiser.adam.learning_rate;
        schedule.decay =
            static_cast<Decay>(table.choice("decay", {"constant", "linear", "cosine", "warmup_stable_decay"}, 0));
        schedule.warmup_steps = table.integer("warmup_steps", 0, kMany, 0);
        if (schedule.decay == Decay::warmup_stable_decay)
            schedule.decay_steps = table.integer("decay_steps", 1, kMany, {});
        if (schedule.decay != Decay::constant) schedule.final_fraction = table.number("final_fraction", 0, 1, 0.0);
    }

    void read_balance() {
        NotedTable table = root_.table("balance");
        recipe_.aux_coefficient = static_cast<float>(table.number("aux_coefficient", 0, 1e3, 0.0));
        recipe_.bias_rate = static_cast<float>(table.number("bias_rate", 0, 1, 0.0));
        if (recipe_.bias_rate > 0 && !recipe_.train.is_full)
            table.mistake("bias_rate",
                          "moves the biases of routers, which an adapter leaves alone; set train.what = \"full\"");
    }

    void read_data() {
        NotedTable table = root_.table("data");
        DataOptions& data = recipe_.data;
        data.files = table.paths("files");
        if (data.files.empty()) table.mistake("files", "must name at least one file");
        read_format(table);
        data.max_tokens = table.integer("max_tokens", 0, 1 << 24, 0);
        data.too_long = static_cast<TooLong>(table.choice("too_long", {"truncate", "skip", "refuse"}, 0));
        data.shuffle = table.flag("shuffle", true);
        if (data.max_tokens > recipe_.train.tokens) {
            table.mistake("max_tokens", fmt::format("is {}, more than a pass holds: at most train.tokens = {}",
                                                    data.max_tokens, recipe_.train.tokens));
        }
    }

    void read_format(NotedTable& table) {
        DataOptions& data = recipe_.data;
        const bool are_pairs = recipe_.kind == JobKind::dpo;
        const auto format =
            table.choice("format", {"any", "chat", "completion", "text", "tokens", "preference"}, are_pairs ? 5 : 0);
        data.format = static_cast<Format>(format);
        if (are_pairs != (data.format == Format::preference))
            table.mistake("format", "must be \"preference\" where kind = \"dpo\", and cannot be it elsewhere");
        data.append_eos = table.flag("append_eos", true);
        if (!are_pairs) data.train_on_prompts = table.flag("train_on_prompts", recipe_.kind == JobKind::pretrain);
    }

    void read_evaluation() {
        NotedTable table = root_.table("evaluation");
        EvaluationOptions& evaluation = recipe_.evaluation;
        evaluation.files = table.paths("files", std::vector<std::string>{});
        evaluation.fraction = table.number("fraction", 0, 0.9, 0.0);
        evaluation.records = table.integer("records", 0, kMany, 0);
        evaluation.every = table.integer("every", 1, kMany, 100);
        evaluation.patience = table.integer("patience", 0, kMany, 0);
        const int ways = !evaluation.files.empty() + (evaluation.fraction > 0) + (evaluation.records > 0);
        const std::string_view last = evaluation.records > 0 ? "records" : "fraction";
        if (ways > 1) table.mistake(last, "is not the only one of files, fraction and records; give one of them");
        if (ways == 0 && evaluation.patience > 0)
            table.mistake("patience", "needs an evaluation: give files, fraction or records");
    }

    void read_checkpoint() {
        NotedTable table = root_.table("checkpoint");
        recipe_.checkpoint.every_steps = table.integer("every_steps", 0, kMany, 100);
        recipe_.checkpoint.every_minutes = table.number("every_minutes", 0, 1e6, 10.0);
        recipe_.checkpoint.keep = table.integer("keep", 1, 1 << 20, 2);
    }

    void read_distill() {
        NotedTable table = root_.table("distill");
        DistillOptions& distill = recipe_.distill;
        distill.teacher = table.path("teacher");
        const size_t direction = table.choice("direction", {"forward", "reverse", "mixed"}, 0);
        distill.alpha = direction == 0   ? 0.0f
                        : direction == 1 ? 1.0f
                                         : static_cast<float>(table.number("alpha", 1e-3, 1 - 1e-3, 0.5));
        distill.top_k = table.integer("top_k", 0, 1023, 0);
    }

    // Tables that this job does not read would be called unknown; what is meant is clearer.
    void check_tables_of_others() {
        const auto refuse = [&](std::string_view table, bool is_read, std::string_view reader) {
            if (is_read || !root_.has(table)) return;
            (void)root_.table(table);
            root_.mistake(table, fmt::format("is read where {}; take the table out", reader));
        };
        refuse("lora", !recipe_.train.is_full, "train.what = \"lora\"");
        refuse("distill", recipe_.kind == JobKind::distill, "kind = \"distill\"");
        refuse("dpo", recipe_.kind == JobKind::dpo, "kind = \"dpo\"");
    }

    Recipe recipe_;
    NotedTable root_;
};

bool may_change(std::string_view key) {
    return std::ranges::any_of(
        kMayChange, [&](std::string_view name) { return name.back() == '.' ? key.starts_with(name) : key == name; });
}

const std::string* value_of(std::span<const RecipeValue> values, std::string_view key) {
    const auto found = std::ranges::find(values, key, &RecipeValue::key);
    return found == values.end() ? nullptr : &found->value;
}

}  // namespace

Result<Recipe> parse_recipe(std::string_view text, const std::string& name, const fs::path& folder) {
    auto root = TomlTable::parse(text, name);
    if (!root) return root.error();
    auto recipe = RecipeReader(std::move(*root), folder).read();
    if (!recipe) return recipe;
    recipe->name = name;
    recipe->text = std::string(text);
    return recipe;
}

Result<Recipe> read_recipe(const fs::path& path) {
    auto text = read_recipe_text(path);
    if (!text) return text.error();
    return parse_recipe(*text, path.string(), path.parent_path());
}

Result<std::string> read_recipe_text(const fs::path& path) {
    return read_text_file(path, kLongestRecipe);
}

Result<RecipeKind> kind_of_recipe(const fs::path& path) {
    auto text = read_recipe_text(path);
    if (!text) return text.error();
    auto root = TomlTable::parse(*text, path.string());
    if (!root) return root.error();
    const std::string kind = root->text("kind", "");  // whether it is one that is known, its reader says
    return kind == kTokenizer ? RecipeKind::tokenizer : kind == kStages ? RecipeKind::stages : RecipeKind::job;
}

Error RecipeText::mistake(std::string_view key, std::string_view what) const {
    const auto found = std::ranges::find(values, key, &RecipeValue::key);
    CHECK(found != values.end(), "{} is no key of this recipe", key);
    return error("{}:{}: {} {}", name, found->line, key, what);
}

Status check_same_job(const RecipeText& recipe, std::span<const RecipeValue> begun) {
    const auto differs = [](std::string_view key, const std::string* before, const std::string* now) {
        const auto shown = [](const std::string* value) { return value ? fmt::format("\"{}\"", *value) : "not there"; };
        return error("{} is {} in the recipe, but was {} when this job began", key, shown(now), shown(before));
    };
    for (const RecipeValue& now : recipe.values) {
        const std::string* before = value_of(begun, now.key);
        if (may_change(now.key) || (!before && now.is_default)) continue;
        if (!before || *before != now.value) return differs(now.key, before, &now.value);
    }
    for (const RecipeValue& before : begun) {
        if (!may_change(before.key) && !value_of(recipe.values, before.key))
            return differs(before.key, &before.value, nullptr);
    }
    return ok();
}

std::string_view name_of(JobKind kind) {
    return kKinds[static_cast<size_t>(kind)];
}

}  // namespace hone::train
