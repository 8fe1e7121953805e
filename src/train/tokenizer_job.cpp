#include "train/tokenizer_job.h"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <xxhash.h>

#include "base/log.h"
#include "base/mapped_file.h"
#include "base/progress.h"
#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/strict_json.h"
#include "text/tokenizer/json_writer.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::train {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr uint64_t kTile = 64, kBlock = 8192;         // records
constexpr const char* kOriginName = "training.json";  // in OUTPUT/final: what it was made from
constexpr const char* kTokenizerConfig = "tokenizer_config.json";

FileSet in_memory(std::span<const model::SmallFile> files) {
    std::map<std::string, std::string_view> contents;
    for (const auto& [name, content] : files) contents.emplace(name, content);
    return {"config_files", std::move(contents)};
}

std::string hash_of(std::span<const model::SmallFile> files) {
    std::string all;
    for (const auto& [name, content] : files) all += fmt::format("{} {} {}", name, content.size(), content);
    const XXH128_hash_t hash = XXH3_128bits(all.data(), all.size());
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

Result<std::unique_ptr<TokenizerJob>> TokenizerJob::open(TokenizerRecipe recipe, const Options& options) {
    std::unique_ptr<TokenizerJob> job(new TokenizerJob(std::move(recipe)));
    job->quiet_ = options.quiet;
    if (const Status read = job->read_config_files(); !read) return read.error();
    const TokenizerRecipe& known = job->recipe_;
    auto index = RecordIndex::build(known.files, options.quiet);
    if (!index) return known.mistake("data.files", fmt::format("cannot be read: {}", index.error().message));
    job->index_ = std::move(*index);
    auto pattern = text::make_pattern(known.pattern, text::RegexDialect::kOniguruma);
    if (!pattern) return known.mistake("pattern", fmt::format("is no regular expression: {}", pattern.error().message));
    job->pattern_ = std::move(*pattern);
    job->added_ = text::AddedTokens(job->added_tokens(0), nullptr);
    if (options.restart) return job;
    const fs::path final = known.output / "final";
    if (!fs::exists(final)) return job;
    const Status same = job->look_at_output();
    if (same) {
        job->has_result_ = true;
        return job;
    }
    job->refusal_ = fmt::format("{}: {}; set it back, choose another output, or start anew with --restart",
                                known.output.string(), same.error().message);
    if (!options.only_plan) return error("{}", job->refusal_);
    return job;
}

Status TokenizerJob::read_config_files() {
    for (const fs::path& file : recipe_.config_files) {
        auto content = read_text_file(file, model::kMaxConfigBytes);
        if (!content) return recipe_.mistake("config_files", fmt::format("has {}", content.error().message));
        config_files_.push_back({file.filename(), std::move(*content)});
    }
    config_hash_ = hash_of(config_files_);
    if (const Status made = make_tokenizer_config(); !made) return made;
    const FileSet files = in_memory(config_files_);
    auto templates = text::ChatTemplates::load(files);
    if (!templates) return templates.error();
    chat_templates_ = std::move(*templates);
    auto special_tokens = text::load_special_tokens(files);
    if (!special_tokens) return special_tokens.error();
    for (const auto& [name, token] : *special_tokens) {
        if (std::ranges::find(recipe_.special_tokens, token) == recipe_.special_tokens.end())
            return recipe_.mistake("special_tokens",
                                   fmt::format("lacks {:?}, the {} of {}", token, name, kTokenizerConfig));
    }
    const std::string* const eos = text::find_token(*special_tokens, "eos_token");
    if (eos) eos_token_ = *eos;
    if (const Status right = check_config(recipe_.vocabulary_size - added_count()); !right) return right;
    TextReading reading{.chat_templates = chat_templates_ ? &*chat_templates_ : nullptr,
                        .special_tokens = std::move(*special_tokens)};
    reader_ = std::make_unique<RecordReader>(std::move(reading), RecordOptions{.format = recipe_.format});
    return ok();
}

// A model of fewer tokens than the vocabulary would fail on its first text; one of another end would never stop.
Status TokenizerJob::check_config(text::TokenId first_added) const {
    for (const auto& [name, content] : config_files_) {
        if (name != "config.json" && name != "generation_config.json") continue;
        const auto config = model::parse_json_object(content, name);
        if (!config) return recipe_.mistake("config_files", fmt::format("has {}", config.error().message));
        const json::value* size = config->if_contains("vocab_size");
        const auto tokens = size ? model::as_whole(*size) : std::nullopt;
        if (tokens && *tokens < static_cast<uint64_t>(recipe_.vocabulary_size)) {
            return recipe_.mistake("vocabulary_size", fmt::format("is {}, but {} has a vocab_size of {}",
                                                                  recipe_.vocabulary_size, name, *tokens));
        }
        const json::value* end = config->if_contains("eos_token_id");
        const auto eos = std::ranges::find(recipe_.special_tokens, eos_token_);
        if (!end || end->is_null() || eos == recipe_.special_tokens.end()) continue;
        const json::value id = first_added + (eos - recipe_.special_tokens.begin());
        const bool has_it =
            end->is_array() ? std::ranges::find(end->get_array(), id) != end->get_array().end() : *end == id;
        if (!has_it) {
            return recipe_.mistake("special_tokens",
                                   fmt::format("give {:?} the id {}, but {} has an eos_token_id of {}", eos_token_,
                                               id.as_int64(), name, json::serialize(*end)));
        }
    }
    return ok();
}

// That of the recipe with what a reader needs besides; which ids the added tokens have is known when it is written.
Status TokenizerJob::make_tokenizer_config() {
    auto given = std::ranges::find(config_files_, kTokenizerConfig, &model::SmallFile::name);
    if (given == config_files_.end()) given = config_files_.insert(given, {kTokenizerConfig, "{}"});
    auto config = model::parse_json_object(given->content, kTokenizerConfig);
    if (!config) return recipe_.mistake("config_files", fmt::format("has {}", config.error().message));
    if (config->contains("added_tokens_decoder"))
        return recipe_.mistake("config_files",
                               "has a tokenizer_config.json with added_tokens_decoder, which the job "
                               "writes itself from special_tokens and added_tokens; take it out there");
    const auto set = [&](const char* key, const json::value& value) {
        if (!config->contains(key)) (*config)[key] = value;
    };
    set("tokenizer_class", "PreTrainedTokenizerFast");
    set("add_prefix_space", false);
    set("clean_up_tokenization_spaces", false);
    if (!recipe_.eos_token.empty()) {
        set("eos_token", json::string(recipe_.eos_token));
        if (config->at("eos_token") != json::value(recipe_.eos_token))
            return recipe_.mistake("eos_token", "is another than that of tokenizer_config.json; leave one of them out");
    }
    given->content = json::serialize(*config);
    return ok();
}

int32_t TokenizerJob::added_count() const {
    return static_cast<int32_t>(recipe_.special_tokens.size() + recipe_.added_tokens.size());
}

std::vector<text::AddedToken> TokenizerJob::added_tokens(text::TokenId first) const {
    std::vector<text::AddedToken> tokens;
    for (const std::string& token : recipe_.special_tokens)
        tokens.push_back({.id = first++, .content = token, .special = true});
    for (const std::string& token : recipe_.added_tokens) tokens.push_back({.id = first++, .content = token});
    return tokens;
}

// What makes OUTPUT/final the result of this job.
std::string TokenizerJob::state() const {
    json::object recipe;
    for (const RecipeValue& each : recipe_.values) recipe[each.key] = each.value;
    return json::serialize(
        json::object{{"recipe", std::move(recipe)}, {"data", index_->content_hash()}, {"config_files", config_hash_}});
}

Status TokenizerJob::look_at_output() const {
    const std::string name = (fs::path("final") / kOriginName).string();
    const auto text = read_text_file(recipe_.output / name);
    if (!text) return error("there is a final folder in it that no training of a tokenizer has written");
    try {
        const json::value written = json::parse(*text);
        std::vector<RecipeValue> begun;
        for (const auto& [key, value] : written.at("recipe").as_object())
            begun.push_back({std::string(key), json::value_to<std::string>(value)});
        if (const Status same = check_same_job(recipe_, begun); !same) return same;
        if (written.at("data").as_string() != index_->content_hash())
            return error("the contents of data.files have changed since its tokenizer was trained");
        if (written.at("config_files").as_string() != config_hash_)
            return error("the contents of config_files have changed since its tokenizer was trained");
    } catch (const std::exception& failure) {
        return error("{}: {}", name, failure.what());
    }
    return ok();
}

Status TokenizerJob::count_record(uint64_t record, text::WordCounter& words) const {
    try {
        const auto texts = reader_->read_texts(*index_, record);
        if (!texts) return texts.error();
        for (const std::string& text : *texts) words.add(text);
    } catch (const std::exception& failure) {  // a worker has nobody above it
        return error("{}: {}", index_->where(record), failure.what());
    }
    return ok();
}

Result<text::WordCounter> TokenizerJob::count_words(ThreadPool& pool) const {
    std::vector<text::WordCounter> counters(static_cast<size_t>(pool.threads()), text::WordCounter(*pattern_, added_));
    std::vector<std::optional<Error>> wrong;  // of a block's records
    Progress progress("counting words", records(), Progress::Unit::items, quiet_);
    std::optional<Error> first;
    uint64_t more = 0;
    for (uint64_t begin = 0; begin < records(); begin += kBlock) {
        const uint64_t count = std::min(kBlock, records() - begin);
        wrong.assign(count, std::nullopt);
        pool.parallel_for(static_cast<int64_t>((count + kTile - 1) / kTile), [&](int64_t tile, int worker) {
            const uint64_t tile_begin = static_cast<uint64_t>(tile) * kTile;
            for (uint64_t i = tile_begin; i < std::min(tile_begin + kTile, count); ++i) {
                const Status counted = count_record(begin + i, counters[static_cast<size_t>(worker)]);
                if (!counted) wrong[i] = counted.error();
            }
        });
        for (auto& failure : wrong) {
            if (!failure) continue;
            more += first.has_value();
            if (!first) first = std::move(failure);
        }
        progress.advance(count);
    }
    if (first) return more > 0 ? error("{} ({} more records are wrong)", first->message, more) : *first;
    progress.finish();
    for (size_t i = 1; i < counters.size(); ++i) counters[0].join(counters[i]);
    return std::move(counters[0]);
}

Result<text::TrainedBpe> TokenizerJob::train(text::WordCounter words) {
    const text::BpeTraining training{
        .tokens = recipe_.vocabulary_size - added_count(), .min_frequency = recipe_.min_frequency, .quiet = quiet_};
    auto bpe = text::train_bpe(words.take(), training);
    if (!bpe) return bpe.error();
    const int32_t tokens = static_cast<int32_t>(bpe->tokens.size()) + added_count();
    if (tokens < recipe_.vocabulary_size)
        LOG_WARN("the vocabulary has {} tokens, not {}: no other pair occurs {} times (min_frequency)", tokens,
                 recipe_.vocabulary_size, recipe_.min_frequency);
    if (const Status written = write(*bpe); !written) return written.error();
    has_result_ = true;
    return bpe;
}

Status TokenizerJob::write(const text::TrainedBpe& bpe) const {
    const auto first_added = static_cast<text::TokenId>(bpe.tokens.size());
    if (const Status right = check_config(first_added); !right) return right;
    const auto added = added_tokens(first_added);
    std::vector<model::SmallFile> files = config_files_;
    const auto config = std::ranges::find(files, kTokenizerConfig, &model::SmallFile::name);
    json::value written = json::parse(config->content);
    json::object& by_id = written.get_object()["added_tokens_decoder"].emplace_object();
    for (const text::AddedToken& token : added) {
        by_id[std::to_string(token.id)] = {{"content", token.content},         {"lstrip", token.lstrip},
                                           {"normalized", token.normalized},   {"rstrip", token.rstrip},
                                           {"single_word", token.single_word}, {"special", token.special}};
    }
    config->content = json::serialize(written) + "\n";
    files.push_back({"tokenizer.json", text::tokenizer_json(bpe, added, recipe_.pattern)});
    if (const auto tokenizer = text::Tokenizer::load(in_memory(files)); !tokenizer) return tokenizer.error();
    files.push_back({kOriginName, state() + "\n"});
    size_t bytes = 0;
    for (const auto& [name, content] : files) bytes += content.size();
    return write_folder(recipe_.output / "final", bytes, AtomicFolder::Existing::replace,
                        [&](const fs::path& folder) { return model::write_small_files(folder, files); });
}

}  // namespace hone::train
