// The chat templates and special tokens that a model's folder brings: chat_template.jinja (and
// additional_chat_templates/NAME.jinja), else the chat_template of tokenizer_config.json, a text or a list of {name,
// template}. Immutable once loaded; any thread. A folder without a template is not an error; a broken file is one that
// names the file and the field.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "text/chat/chat_request.h"

namespace hone::text {

class ChatTemplates {
  public:
    // Nothing if the folder has no chat template.
    static Result<std::optional<ChatTemplates>> load(const std::filesystem::path& folder);

    // The template for a request: "tool_use" for one with tools, where there is such a template, else "default".
    const ChatTemplate& choose(bool has_tools) const;
    const std::map<std::string, ChatTemplate>& by_name() const { return by_name_; }

  private:
    std::map<std::string, ChatTemplate> by_name_;  // with "default" in it
};

// bos_token, eos_token and the others that tokenizer_config.json or special_tokens_map.json names; empty without these
// files.
Result<SpecialTokens> load_special_tokens(const std::filesystem::path& folder);

}  // namespace hone::text
