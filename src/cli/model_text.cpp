#include "cli/model_text.h"

namespace hone::cli {

// Whether the files are those of a model made of a shape: a checkpoint has more than its configuration, and one that
// lost its tokenizer is an error.
static bool is_made_of_a_shape(const FileSet& files) {
    const auto described = files.names_in("", ".json");
    return files.names_in("", ".safetensors").empty() && !text::has_tokenizer(files) &&
           (described.empty() || described == std::vector<std::string>{"config.json"});
}

Result<ModelText> load_model_text(const FileSet& files, std::optional<int32_t> vocabulary) {
    ModelText text;
    const bool has_none = vocabulary && is_made_of_a_shape(files);
    auto tokenizer = has_none ? text::Tokenizer::of_ids(*vocabulary) : text::Tokenizer::load(files);
    if (!tokenizer) return tokenizer.error();
    text.tokenizer = std::move(*tokenizer);
    auto templates = text::ChatTemplates::load(files);
    if (!templates) return templates.error();
    text.chat_templates = std::move(*templates);
    auto special_tokens = text::load_special_tokens(files);
    if (!special_tokens) return special_tokens.error();
    text.special_tokens = std::move(*special_tokens);
    auto defaults = serve::load_generation_defaults(files);
    if (!defaults) return defaults.error();
    text.defaults = std::move(*defaults);
    return text;
}

}  // namespace hone::cli
