// The chat templates that a model brings: chat_template.jinja (and additional_chat_templates/NAME.jinja), else the
// chat_template of tokenizer_config.json, a text or a list of {name, template}. Immutable once loaded; any thread. A model without a template is not an error; a broken file is one that
// names the file and the field.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/file_set.h"
#include "text/chat/chat_request.h"

namespace hone::text {

class ChatTemplates {
  public:
    // One for all requests.
    explicit ChatTemplates(ChatTemplate only) { by_name_.emplace("default", std::move(only)); }

    // Nothing if there is no chat template among the files.
    static Result<std::optional<ChatTemplates>> load(const FileSet& files);

    // The template for a request: "tool_use" for one with tools, where there is such a template, else "default".
    const ChatTemplate& choose(bool has_tools) const;
    const std::map<std::string, ChatTemplate>& by_name() const { return by_name_; }

  private:
    ChatTemplates() = default;

    std::map<std::string, ChatTemplate> by_name_;  // with "default" in it
};

}  // namespace hone::text
