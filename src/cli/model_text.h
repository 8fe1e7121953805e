// The text side of a model: its tokenizer, chat template and generation defaults, from the small files that came with
// it.
#pragma once

#include <memory>
#include <optional>

#include "base/file_set.h"
#include "base/result.h"
#include "serve/openai/generation_defaults.h"
#include "text/chat/template_files.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::cli {

struct ModelText {
    std::unique_ptr<text::Tokenizer> tokenizer;
    std::optional<text::ChatTemplates> chat_templates;  // nothing if the model has none
    text::SpecialTokens special_tokens;
    serve::GenerationDefaults defaults;
};

// Errors name the file and what is wrong with it. A model without tokenizer files is an error too, unless `vocabulary`
// is given and the model was made of a shape (no files but config.json): then token ids stand for text
// (Tokenizer::of_ids).
Result<ModelText> load_model_text(const FileSet& files, std::optional<int32_t> vocabulary = {});

}  // namespace hone::cli
