// Runs a resolved syntax tree against a context: statements append to the output, expressions give values. One
// rendering, one thread; the template is only read. Failures stay in the rendering, and everything unwinds when there
// is one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

#include "text/chat/objects.h"
#include "text/chat/rendering.h"
#include "text/chat/syntax.h"

namespace hone::text::chat {

// [start, end) of the code points that a {% generation %} block wrote.
using Span = std::pair<size_t, size_t>;

class Evaluator {
  public:
    Evaluator(const Template& tree, const boost::json::object& context, Rendering& rendering)
        : tree_(tree),
          context_(context),
          rendering_(rendering),
          variables_(tree.variable_names.size()),
          top_level_(tree.variable_names.size()) {}

    // Renders the template; what it wrote is in output(), also after a failure.
    void run();
    std::string& output() { return output_; }
    // As the reference implementation counts them: a block inside of a macro or a set block starts where that one's
    // text will be put, whatever the macro has written before it.
    std::vector<Span>& generation_spans() { return generation_spans_; }

  private:
    enum class Flow : uint8_t { next, break_loop, continue_loop };

    // statements.cpp
    Flow run(Body body);
    Flow run(const Statement& statement);
    Flow run_branch(const BranchSyntax& branch);
    Flow run_loop(const LoopSyntax& syntax);
    Flow iterate(const LoopSyntax& syntax, Loop& loop);
    void run_recursive_loop(const LoopSyntax& syntax, const Value& iterable, size_t depth0, Activation* outer);
    bool start_loop(const LoopSyntax& syntax, const Value& iterable, Loop& loop);
    static bool advance_filtered(Rendering& rendering, Iterator& iterator, Value& out);
    Flow run_set_block(const SetBlockSyntax& set);
    Flow run_filter_block(const FilterBlockSyntax& block);
    void run_call_block(const CallBlockSyntax& block);
    Flow run_with(const WithSyntax& with);
    Flow run_autoescape(const ScopedSyntax& scoped);
    void run_generation(const ScopedSyntax& scoped);
    void run_block(const BlockSyntax& block);
    void assign(const Expression& target, const Value& value, bool is_top_level);
    void check_namespaces(const Expression& target);
    void set_attribute(const NamespaceAttributeSyntax& target, const Value& value);
    void print(const Value& value);
    void write(std::string_view text);

    // Captures what is written between begin and end.
    size_t begin_capture();
    Value end_capture(size_t start);
    void drop_capture(size_t start);

    // Variables.
    void enter(Scope scope);
    Value resolve(uint32_t name_id);
    Activation* new_activation(size_t slots, Activation* outer);

    // expressions.cpp
    Value evaluate(const Expression& node);
    Value evaluate_name(const NameSyntax& name);
    Value evaluate_items(const SequenceSyntax& node);
    Value evaluate_concat(const SequenceSyntax& node);
    Value evaluate_dict(const DictSyntax& node);
    Value evaluate_compare(const CompareSyntax& node);
    Value evaluate_conditional(const ConditionalSyntax& node);
    Value evaluate_slice(const SliceSyntax& node);
    Value evaluate_filter(const FilterSyntax& node);
    Value apply_filter(const FilterSyntax& node, const Value& operand);
    Value apply_filter_chain(const FilterSyntax& filter, const Value& text);
    Value evaluate_test(const FilterSyntax& node);
    Value evaluate_optional(const Expression* node) { return node ? evaluate(*node) : Value(); }

    // calls.cpp
    Value evaluate_call(const CallSyntax& node, const Value* caller);
    bool evaluate_arguments(const ArgumentsSyntax& syntax, const Value* caller, Arguments& out);
    bool spread(const ArgumentsSyntax& syntax, std::vector<Value>& positional, std::vector<Keyword>& keyword);
    Value call(const Value& callee, const Arguments& arguments);
    Value call_macro(const Macro& macro, const Arguments& arguments);
    bool bind_macro(const MacroSyntax& syntax, const Arguments& arguments, Activation& activation);
    bool bind_special(const MacroSyntax& syntax, const Arguments& arguments, std::vector<Keyword>& rest,
                      Activation& activation);
    Value call_loop(Loop& loop, const Arguments& arguments);

    const Template& tree_;
    const boost::json::object& context_;
    Rendering& rendering_;
    std::string output_;
    std::vector<Value> variables_;  // of the context and the globals, by name; missing: not looked up yet
    std::vector<Value> top_level_;  // assigned at the template's top level, for blocks; missing: not assigned
    std::vector<Span> generation_spans_;
    Activation* activation_ = nullptr;
    size_t captures_ = 0;
    size_t outermost_capture_ = 0;  // position in the output
    size_t counted_bytes_ = 0;      // of the output, and their code points
    size_t counted_code_points_ = 0;
};

}  // namespace hone::text::chat
