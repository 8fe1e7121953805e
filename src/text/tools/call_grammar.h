// The grammar of an output that has to be calls, for constrained decoding: what the dialects write theirs with. Made for
// one grammar, which it outlives the making of; one thread. Nothing fails before build().
#pragma once

#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "text/grammar/grammar_builder.h"
#include "text/tools/declared_tools.h"

namespace hone::text {

// The texts of added tokens. Grammars name those tokens: their texts cannot be spelled by others.
using AddedTexts = std::map<std::string, TokenId, std::less<>>;

class CallGrammar {
  public:
    // `tools`: those that may be called, at least one. All of it outlives build().
    CallGrammar(GrammarBuilder& builder, const AddedTexts& added, const DeclaredTools& tools, bool several)
        : builder_(builder), added_(added), tools_(tools), several_(several) {}

    GrammarBuilder& builder() { return builder_; }
    const DeclaredTools& tools() const { return tools_; }
    bool has_token(std::string_view text) const { return added_.contains(text); }

    // These texts one after the other, each as a token if it is one.
    Expression markers(std::span<const std::string_view> texts);
    Expression marker(std::string_view text) { return markers(std::span(&text, 1)); }
    // Any text and the marker that ends it.
    Expression text_up_to(std::string_view marker);

    // The arguments of a tool as JSON.
    Expression arguments(const DeclaredTool& tool);
    // The schema of a tool's arguments as it is used here: of an object. Stays where it is until build().
    const boost::json::value& parameters(const DeclaredTool& tool);
    // The first mistake counts; build() tells it with the tool's name.
    Expression fail(const DeclaredTool& tool, const Error& failure);

    // {"name": NAME, KEY: arguments} for every tool.
    Expression json_call(std::string_view key);
    // What `write` gives for one of the tools.
    template <class Write>
    Expression any_tool(const Write& write) {
        std::vector<Expression> calls;
        for (const DeclaredTool& tool : tools_) {
            const bool is_explained = builder_.explains_empty();
            calls.push_back(write(tool));
            if (!is_explained && builder_.explains_empty()) builder_.explain_empty_within(parameters_of(tool.name));
        }
        return builder_.choice(std::move(calls));
    }
    // One, or several where that is allowed, with that text between them.
    Expression calls(Expression call, std::string_view between = {});
    Expression sequence(std::vector<Expression> parts) { return builder_.sequence(std::move(parts)); }
    Expression text(std::string_view text) { return builder_.literal(text); }

    // An Error names the tool, if it is about a schema.
    Result<Grammar> build(Expression root);

  private:
    static std::string parameters_of(std::string_view tool) { return fmt::format("the parameters of '{}'", tool); }

    GrammarBuilder& builder_;
    const AddedTexts& added_;
    const DeclaredTools& tools_;
    const bool several_;
    std::string faulty_tool_;                 // the first whose schema is not supported
    std::deque<boost::json::value> schemas_;  // of the builder, until build()
};

}  // namespace hone::text
