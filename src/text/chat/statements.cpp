#include <boost/json.hpp>

#include "text/chat/context_values.h"
#include "text/chat/evaluator.h"
#include "text/chat/globals.h"
#include "text/chat/markup.h"
#include "text/chat/python_text.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

void Evaluator::run() {
    activation_ = new_activation(tree_.slots, nullptr);
    if (tree_.self_slot >= 0) activation_->slots[tree_.self_slot] = Value::object(Kind::template_blocks, &tree_);
    enter(tree_.scope);
    run(tree_.body);
}

Activation* Evaluator::new_activation(size_t slots, Activation* outer) {
    Heap& heap = rendering_.heap();
    return heap.make<Activation>(Activation{heap.array<Value>(slots), outer});
}

// A variable of the context, or a global; missing if it is neither.
Value Evaluator::resolve(uint32_t name_id) {
    if (!top_level_[name_id].is(Kind::missing)) return top_level_[name_id];
    Value& variable = variables_[name_id];
    if (!variable.is(Kind::missing)) return variable;
    std::string_view name = tree_.variable_names[name_id];
    const boost::json::value* json = context_.if_contains(name);
    variable = json ? from_json(rendering_, *json) : find_global(name);
    return variable;
}

void Evaluator::enter(Scope scope) {
    for (const SlotLoad& load : scope) {
        Value& slot = activation_->slots[load.slot];
        if (load.action == SlotLoad::Action::clear)
            slot = Value();
        else if (load.action == SlotLoad::Action::alias)
            slot = activation_->at(load.source);
        else
            slot = resolve(load.name_id);
    }
}

void Evaluator::write(std::string_view text) {
    if (rendering_.admit_append(output_.size(), text.size())) output_ += text;
}

void Evaluator::print(const Value& value) {
    if (rendering_.failed()) return;
    if (rendering_.autoescape)
        write(escaped(rendering_, value));
    else if (value.is(Kind::string))
        write(value.text());
    else
        append_str(rendering_, output_, value);
}

size_t Evaluator::begin_capture() {
    if (captures_++ == 0) outermost_capture_ = output_.size();
    return output_.size();
}

void Evaluator::drop_capture(size_t start) {
    --captures_;
    output_.resize(std::min(start, output_.size()));
}

Value Evaluator::end_capture(size_t start) {
    Value text = rendering_.text(std::string_view(output_).substr(start), rendering_.autoescape);
    drop_capture(start);
    return text;
}

Evaluator::Flow Evaluator::run(Body body) {
    for (const Statement* statement : body) {
        if (!rendering_.spend()) break;
        Flow flow = run(*statement);
        if (flow != Flow::next) return flow;
    }
    return Flow::next;
}

Evaluator::Flow Evaluator::run(const Statement& statement) {
    Deeper level(rendering_);
    if (!level.is_allowed()) return Flow::next;
    rendering_.line = statement.line;
    switch (statement.kind) {
        case StatementKind::text:
            write(static_cast<const TextSyntax&>(statement).text);
            break;
        case StatementKind::print:
            print(evaluate(*static_cast<const PrintSyntax&>(statement).value));
            break;
        case StatementKind::branch:
            return run_branch(static_cast<const BranchSyntax&>(statement));
        case StatementKind::loop:
            return run_loop(static_cast<const LoopSyntax&>(statement));
        case StatementKind::set: {
            const auto& set = static_cast<const SetSyntax&>(statement);
            check_namespaces(*set.target);
            assign(*set.target, evaluate(*set.value), set.is_top_level);
            break;
        }
        case StatementKind::set_block:
            return run_set_block(static_cast<const SetBlockSyntax&>(statement));
        case StatementKind::macro: {
            const auto& definition = static_cast<const MacroStatement&>(statement);
            auto* macro = rendering_.heap().make<Macro>(Macro{definition.macro, activation_, rendering_.autoescape});
            assign(*definition.target, Value::object(Kind::macro, macro), definition.is_top_level);
            break;
        }
        case StatementKind::call_block:
            run_call_block(static_cast<const CallBlockSyntax&>(statement));
            break;
        case StatementKind::filter_block:
            return run_filter_block(static_cast<const FilterBlockSyntax&>(statement));
        case StatementKind::with:
            return run_with(static_cast<const WithSyntax&>(statement));
        case StatementKind::autoescape:
            return run_autoescape(static_cast<const ScopedSyntax&>(statement));
        case StatementKind::generation:
            run_generation(static_cast<const ScopedSyntax&>(statement));
            break;
        case StatementKind::block:
            run_block(static_cast<const BlockSyntax&>(statement));
            break;
        case StatementKind::break_loop:
            return Flow::break_loop;
        case StatementKind::continue_loop:
            return Flow::continue_loop;
        case StatementKind::load_template:
            rendering_.fail(ErrorClass::type, "no loader for this environment specified");
            break;
    }
    return Flow::next;
}

Evaluator::Flow Evaluator::run_branch(const BranchSyntax& branch) {
    for (const BranchArm& arm : branch.arms) {
        bool is_taken = is_true(evaluate(*arm.test));
        if (rendering_.failed()) return Flow::next;
        if (is_taken) return run(arm.body);
    }
    return run(branch.otherwise);
}

namespace {

// What the iterator of a loop with a filter needs; the evaluator outlives it.
struct FilteredLoop {
    Evaluator* evaluator;
    const LoopSyntax* syntax;
    Activation* activation;
};

}  // namespace

bool Evaluator::advance_filtered(Rendering& rendering, Iterator& iterator, Value& out) {
    const auto& plan = *static_cast<const FilteredLoop*>(iterator.plan);
    Evaluator& evaluator = *plan.evaluator;
    while (iterator.source.next(rendering, out)) {
        Activation* caller = std::exchange(evaluator.activation_, plan.activation);
        evaluator.enter(plan.syntax->filter_scope);
        evaluator.assign(*plan.syntax->filter_target, out, false);
        bool is_taken = is_true(evaluator.evaluate(*plan.syntax->filter));
        evaluator.activation_ = caller;
        if (rendering.failed()) return false;
        if (is_taken) return true;
    }
    return false;
}

bool Evaluator::start_loop(const LoopSyntax& syntax, const Value& iterable, Loop& loop) {
    if (!start(rendering_, iterable, loop.cursor)) return false;
    if (!syntax.filter) return true;
    auto* plan = rendering_.heap().make<FilteredLoop>(FilteredLoop{this, &syntax, activation_});
    loop.cursor = Cursor{rendering_.iterator(advance_filtered, iterable, "generator", plan)};
    return true;
}

Evaluator::Flow Evaluator::run_loop(const LoopSyntax& syntax) {
    Value iterable = evaluate(*syntax.iterable);
    if (rendering_.failed()) return Flow::next;
    if (syntax.is_recursive) {
        run_recursive_loop(syntax, iterable, 0, activation_);
        return Flow::next;
    }
    auto* loop = rendering_.heap().make<Loop>(Loop{&syntax, activation_, {}});
    if (!start_loop(syntax, iterable, *loop)) return Flow::next;
    return iterate(syntax, *loop);
}

Evaluator::Flow Evaluator::iterate(const LoopSyntax& syntax, Loop& loop) {
    bool runs_otherwise = true;  // until the body has once been run to its end, as Jinja has it
    while (loop.next(rendering_)) {
        if (syntax.uses_loop || syntax.is_recursive)
            activation_->slots[syntax.loop_slot] = Value::object(Kind::loop, &loop);
        assign(*syntax.target, loop.current, false);
        enter(syntax.scope);
        if (rendering_.failed()) break;
        Flow flow = run(syntax.body);
        if (flow == Flow::break_loop) break;
        if (flow == Flow::next) runs_otherwise = false;
    }
    if (!runs_otherwise || rendering_.failed()) return Flow::next;
    enter(syntax.otherwise_scope);
    return run(syntax.otherwise);
}

// A recursive loop is a function: its text is put where it is called.
void Evaluator::run_recursive_loop(const LoopSyntax& syntax, const Value& iterable, size_t depth0, Activation* outer) {
    Activation* caller = activation_;
    activation_ = new_activation(syntax.slots, outer);
    auto* loop = rendering_.heap().make<Loop>(Loop{&syntax, outer, {}, depth0});
    size_t capture = begin_capture();
    if (start_loop(syntax, iterable, *loop)) iterate(syntax, *loop);
    activation_ = caller;
    Value text = end_capture(capture);
    write(text.is(Kind::string) ? text.text() : "");
}

Evaluator::Flow Evaluator::run_set_block(const SetBlockSyntax& set) {
    size_t capture = begin_capture();
    enter(set.scope);
    Flow flow = run(set.body);
    if (flow != Flow::next || rendering_.failed()) {
        drop_capture(capture);
        return flow;
    }
    Value text = end_capture(capture);
    if (set.filter) text = apply_filter_chain(*set.filter, text);
    bool becomes_markup = rendering_.autoescape && !text.is_markup();
    assign(*set.target, becomes_markup ? Value::string(to_str(rendering_, text), true) : text, set.is_top_level);
    return Flow::next;
}

Evaluator::Flow Evaluator::run_filter_block(const FilterBlockSyntax& block) {
    size_t capture = begin_capture();
    enter(block.scope);
    Flow flow = run(block.body);
    if (flow != Flow::next || rendering_.failed()) {
        drop_capture(capture);
        return flow;
    }
    Value text = end_capture(capture);
    print(apply_filter_chain(*block.filter, text));
    return Flow::next;
}

void Evaluator::run_call_block(const CallBlockSyntax& block) {
    auto* macro = rendering_.heap().make<Macro>(Macro{block.caller, activation_, rendering_.autoescape});
    Value caller = Value::object(Kind::macro, macro);
    print(evaluate_call(*block.call, &caller));
}

Evaluator::Flow Evaluator::run_with(const WithSyntax& with) {
    // Values see the scope outside; one by one, as Jinja assigns them.
    enter(with.scope);
    for (size_t i = 0; i < with.targets.size() && !rendering_.failed(); ++i)
        assign(*with.targets[i], evaluate(*with.values[i]), false);
    return run(with.body);
}

Evaluator::Flow Evaluator::run_autoescape(const ScopedSyntax& scoped) {
    enter(scoped.scope);
    bool outer = rendering_.autoescape;
    rendering_.autoescape = is_true(evaluate(*scoped.option));
    Flow flow = run(scoped.body);
    rendering_.autoescape = outer;
    return flow;
}

void Evaluator::run_generation(const ScopedSyntax& scoped) {
    size_t capture = begin_capture();
    enter(scoped.scope);
    run(scoped.body);
    --captures_;
    if (rendering_.failed()) return;
    // Code points of the text that is already in its place.
    size_t placed = captures_ == 0 ? capture : outermost_capture_;
    std::string_view output = output_;
    if (placed >= counted_bytes_) {
        counted_code_points_ += count_code_points(output.substr(counted_bytes_, placed - counted_bytes_));
        counted_bytes_ = placed;
    }
    size_t written = count_code_points(output.substr(capture));
    generation_spans_.emplace_back(counted_code_points_, counted_code_points_ + written);
}

void Evaluator::run_block(const BlockSyntax& block) {
    if (block.is_required) {
        rendering_.fail(ErrorClass::runtime, "Required block {} not found", python_quoted(block.name));
        return;
    }
    Activation* caller = activation_;
    activation_ = new_activation(block.slots, nullptr);
    if (block.self_slot >= 0) activation_->slots[block.self_slot] = Value::object(Kind::template_blocks, &tree_);
    enter(block.scope);
    run(block.body);
    activation_ = caller;
}

// Before anything is assigned to namespace attributes, all of them must be of namespaces.
void Evaluator::check_namespaces(const Expression& target) {
    if (target.kind == ExpressionKind::tuple)
        for (const Expression* item : static_cast<const SequenceSyntax&>(target).items) check_namespaces(*item);
    if (target.kind != ExpressionKind::namespace_attribute) return;
    const NameSyntax& name = *static_cast<const NamespaceAttributeSyntax&>(target).name_space;
    if (!activation_->at(name.variable).is(Kind::name_space))
        rendering_.fail(ErrorClass::runtime, "cannot assign attribute on non-namespace object");
}

void Evaluator::set_attribute(const NamespaceAttributeSyntax& target, const Value& value) {
    const Value& object = activation_->at(target.name_space->variable);
    if (!object.is(Kind::name_space)) {
        rendering_.fail(ErrorClass::runtime, "cannot assign attribute on non-namespace object");
        return;
    }
    auto* space = object.object<Namespace>();
    if (target.attribute.starts_with('_'))
        rendering_.fail(
            ErrorClass::security,
            "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. Please rename the "
            "attribute.",
            python_quoted(target.attribute));
    if (space->size >= Namespace::kMostAttributes)
        rendering_.fail(ErrorClass::budget, "a namespace of more than {} attributes", Namespace::kMostAttributes);
    if (!rendering_.failed()) space->set(rendering_.heap(), Value::string(target.attribute), value);
}

void Evaluator::assign(const Expression& target, const Value& value, bool is_top_level) {
    if (rendering_.failed()) return;
    if (target.kind == ExpressionKind::namespace_attribute)
        return set_attribute(static_cast<const NamespaceAttributeSyntax&>(target), value);
    if (target.kind == ExpressionKind::name) {
        const auto& name = static_cast<const NameSyntax&>(target);
        activation_->at(name.variable) = value;
        if (is_top_level) top_level_[name.name_id] = value;
        return;
    }
    Expressions targets = static_cast<const SequenceSyntax&>(target).items;
    Cursor cursor;
    Value element;
    if (value.is(Kind::none) || value.is_number()) {
        rendering_.fail(ErrorClass::type, "cannot unpack non-iterable {} object", type_name(value));
        return;
    }
    if (!start(rendering_, value, cursor)) return;
    std::vector<Value> values;
    while (values.size() <= targets.size() && cursor.next(rendering_, element)) values.push_back(element);
    if (values.size() > targets.size())
        rendering_.fail(ErrorClass::value, "too many values to unpack (expected {})", targets.size());
    if (values.size() < targets.size())
        rendering_.fail(ErrorClass::value, "not enough values to unpack (expected {}, got {})", targets.size(),
                        values.size());
    for (size_t i = 0; i < values.size() && !rendering_.failed(); ++i) assign(*targets[i], values[i], is_top_level);
}

}  // namespace hone::text::chat
