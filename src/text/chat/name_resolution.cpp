#include "text/chat/name_resolution.h"

#include <algorithm>
#include <initializer_list>

#include "text/chat/python_text.h"
#include "text/chat/symbols.h"
#include "text/chat/undeclared_names.h"

namespace hone::text::chat {

namespace {

constexpr uint32_t kMostSlots = 60000;

class NameResolver {
  public:
    NameResolver(Template& tree, Heap& heap) : tree_(tree), heap_(heap) {}

    std::optional<Failure> run() {
        FunctionSlots function;
        Symbols symbols(function, nullptr);
        tree_.self_slot = declare_if_used(symbols, tree_.body, "self");
        declare_names(symbols, tree_.body);
        resolve_body(symbols, tree_.body, {.is_top_level = true});
        tree_.scope = finish(symbols);
        tree_.slots = static_cast<uint16_t>(function.count);
        for (size_t i = 0; i < blocks_.size(); ++i) resolve_block(*blocks_[i]);
        tree_.blocks = heap_.copy(blocks_);
        return failure_;
    }

  private:
    // Where a statement or expression stands.
    struct Place {
        bool is_soft = false;  // directly in an `if`: unknown filters may stay
        bool is_top_level = false;
        bool is_in_loop = false;
    };

    void fail(ErrorClass error_class, std::string message, uint32_t line) {
        if (!failure_) failure_ = Failure{error_class, std::move(message), line};
    }

    Scope finish(const Symbols& symbols) {
        if (symbols.function().count > kMostSlots) fail(ErrorClass::syntax, "too many variables", 1);
        return heap_.copy(symbols.loads());
    }

    // The number of a name that the template uses somewhere, or nothing.
    std::optional<uint32_t> id_of(std::string_view name) const {
        auto found = std::find(tree_.variable_names.begin(), tree_.variable_names.end(), name);
        if (found == tree_.variable_names.end()) return {};
        return static_cast<uint32_t>(found - tree_.variable_names.begin());
    }

    int declare_if_used(Symbols& symbols, Body body, std::string_view name) {
        if (!reads_undeclared(body, name)) return -1;
        return symbols.declare_parameter(*id_of(name));
    }

    // What an expression, a target, a body reads and assigns in this scope itself, before anything in it is resolved.
    void declare_names(Symbols& symbols, Expression* node) {
        if (node->kind == ExpressionKind::name) return symbols.load(static_cast<NameSyntax*>(node)->name_id);
        for_each_child(*node, [&](Expression* child) { declare_names(symbols, child); });
    }

    void declare_target(Symbols& symbols, Expression* target, bool is_parameter) {
        if (target->kind == ExpressionKind::namespace_attribute)
            return symbols.load(static_cast<NamespaceAttributeSyntax*>(target)->name_space->name_id);
        if (target->kind == ExpressionKind::name) {
            uint32_t name = static_cast<NameSyntax*>(target)->name_id;
            if (is_parameter)
                symbols.declare_parameter(name);
            else
                symbols.store(name);
            return;
        }
        for (Expression* item : static_cast<SequenceSyntax*>(target)->items)
            declare_target(symbols, item, is_parameter);
    }

    void declare_names(Symbols& symbols, Body body) {
        for (Statement* statement : body) declare_names(symbols, statement);
    }

    void declare_names(Symbols& symbols, Statement* statement) {
        switch (statement->kind) {
            case StatementKind::print:
                return declare_names(symbols, static_cast<PrintSyntax*>(statement)->value);
            case StatementKind::branch:
                return declare_branch(symbols, static_cast<BranchSyntax&>(*statement));
            case StatementKind::loop:
                return declare_names(symbols, static_cast<LoopSyntax*>(statement)->iterable);
            case StatementKind::set:
                declare_names(symbols, static_cast<SetSyntax*>(statement)->value);
                return declare_target(symbols, static_cast<SetSyntax*>(statement)->target, false);
            case StatementKind::set_block:
                return declare_target(symbols, static_cast<SetBlockSyntax*>(statement)->target, false);
            case StatementKind::macro:
                return symbols.store(static_cast<MacroStatement*>(statement)->target->name_id);
            case StatementKind::call_block:
                return declare_names(symbols, static_cast<CallBlockSyntax*>(statement)->call);
            case StatementKind::filter_block:
                return declare_names(symbols, static_cast<FilterBlockSyntax*>(statement)->filter);
            case StatementKind::with:
                for (Expression* value : static_cast<WithSyntax*>(statement)->values) declare_names(symbols, value);
                return;
            case StatementKind::load_template:
                return declare_names(symbols, static_cast<LoadTemplateSyntax*>(statement)->name);
            default:
                return;
        }
    }

    void declare_branch(Symbols& symbols, BranchSyntax& branch) {
        declare_names(symbols, branch.arms[0].test);
        size_t stores_before = symbols.stores_so_far();
        for (const BranchArm& arm : branch.arms) {
            declare_names(symbols, arm.test);
            declare_names(symbols, arm.body);
        }
        declare_names(symbols, branch.otherwise);
        symbols.merge_branches(stores_before);
    }

    // Expressions: slots of names, and whether filters and tests exist.
    void resolve(const Symbols& symbols, Expression* node, bool is_soft) {
        if (node->kind == ExpressionKind::name) return resolve_name(symbols, static_cast<NameSyntax&>(*node));
        bool is_filter = node->kind == ExpressionKind::filter;
        if (is_filter || node->kind == ExpressionKind::test) {
            auto& filter = static_cast<FilterSyntax&>(*node);
            if (!filter.native && !is_soft)
                fail(ErrorClass::assertion,
                     fmt::format("No {} named {}.", is_filter ? "filter" : "test", python_quoted(filter.name)),
                     filter.line);
        }
        is_soft |= node->kind == ExpressionKind::conditional;
        for_each_child(*node, [&](Expression* child) { resolve(symbols, child, is_soft); });
    }

    void resolve_name(const Symbols& symbols, NameSyntax& name) {
        const Symbols::Place* place = symbols.find(name.name_id);
        CHECK(place, "the name {} was not declared", name.name);
        name.variable = symbols.variable(*place);
        if (place->is_used) *place->is_used = true;
    }

    void resolve_body(Symbols& symbols, Body body, Place place) {
        for (Statement* statement : body) resolve(symbols, statement, place);
    }

    void resolve(Symbols& symbols, Statement* statement, Place place) {
        switch (statement->kind) {
            case StatementKind::text:
                return;
            case StatementKind::print:
                return resolve(symbols, static_cast<PrintSyntax*>(statement)->value, place.is_soft);
            case StatementKind::branch:
                return resolve_branch(symbols, static_cast<BranchSyntax&>(*statement), place);
            case StatementKind::loop:
                return resolve_loop(symbols, static_cast<LoopSyntax&>(*statement), place);
            case StatementKind::set: {
                auto& set = static_cast<SetSyntax&>(*statement);
                set.is_top_level = place.is_top_level;
                resolve(symbols, set.value, place.is_soft);
                return resolve(symbols, set.target, place.is_soft);
            }
            case StatementKind::set_block:
                return resolve_set_block(symbols, static_cast<SetBlockSyntax&>(*statement), place);
            case StatementKind::macro: {
                auto& macro = static_cast<MacroStatement&>(*statement);
                macro.is_top_level = place.is_top_level;
                resolve_macro(symbols, *macro.macro);
                return resolve_name(symbols, *macro.target);
            }
            case StatementKind::call_block:
                resolve_macro(symbols, *static_cast<CallBlockSyntax*>(statement)->caller);
                return resolve(symbols, static_cast<CallBlockSyntax*>(statement)->call, place.is_soft);
            case StatementKind::filter_block:
                return resolve_filter_block(symbols, static_cast<FilterBlockSyntax&>(*statement), place);
            case StatementKind::with:
                return resolve_with(symbols, static_cast<WithSyntax&>(*statement), place);
            case StatementKind::autoescape:
            case StatementKind::generation:
                return resolve_scoped(symbols, static_cast<ScopedSyntax&>(*statement), place);
            case StatementKind::block:
                return add_block(static_cast<BlockSyntax&>(*statement));
            case StatementKind::break_loop:
            case StatementKind::continue_loop:
                if (!place.is_in_loop)
                    fail(ErrorClass::python_syntax, "break or continue outside of a loop", statement->line);
                return;
            case StatementKind::load_template:
                return resolve(symbols, static_cast<LoadTemplateSyntax*>(statement)->name, place.is_soft);
        }
    }

    void resolve_branch(Symbols& symbols, BranchSyntax& branch, Place place) {
        place.is_soft = true;
        for (const BranchArm& arm : branch.arms) {
            resolve(symbols, arm.test, true);
            resolve_body(symbols, arm.body, place);
        }
        resolve_body(symbols, branch.otherwise, place);
    }

    void resolve_loop(Symbols& symbols, LoopSyntax& loop, Place place) {
        resolve(symbols, loop.iterable, place.is_soft);
        FunctionSlots own{static_cast<uint16_t>(symbols.function().depth + 1)};
        FunctionSlots& function = loop.is_recursive ? own : symbols.function();
        std::optional<uint32_t> loop_name = id_of("loop");
        if (assigns_name(loop, "loop"))
            fail(ErrorClass::assertion, "Can't assign to special loop variable in for-loop target", loop.line);

        if (loop.filter) {
            Symbols filter_symbols(function, &symbols);
            loop.filter_target = copy_target(*loop.target);
            declare_target(filter_symbols, loop.filter_target, true);
            declare_names(filter_symbols, loop.filter);
            resolve(filter_symbols, loop.filter_target, false);
            resolve(filter_symbols, loop.filter, false);
            loop.filter_scope = finish(filter_symbols);
        }
        Symbols body_symbols(function, &symbols);
        if (loop_name) loop.loop_slot = body_symbols.declare_parameter(*loop_name, &loop.uses_loop);
        declare_target(body_symbols, loop.target, true);
        declare_names(body_symbols, loop.body);
        resolve(body_symbols, loop.target, false);
        resolve_body(body_symbols, loop.body, {.is_in_loop = true});
        loop.scope = finish(body_symbols);

        Symbols otherwise_symbols(function, &symbols);
        declare_names(otherwise_symbols, loop.otherwise);
        resolve_body(otherwise_symbols, loop.otherwise, {.is_in_loop = place.is_in_loop && !loop.is_recursive});
        loop.otherwise_scope = finish(otherwise_symbols);
        loop.slots = static_cast<uint16_t>(function.count);
    }

    Expression* copy_target(const Expression& target) {
        if (target.kind == ExpressionKind::name) return heap_.make<NameSyntax>(static_cast<const NameSyntax&>(target));
        if (target.kind == ExpressionKind::namespace_attribute) {
            auto* copy = heap_.make<NamespaceAttributeSyntax>(static_cast<const NamespaceAttributeSyntax&>(target));
            copy->name_space = heap_.make<NameSyntax>(*copy->name_space);
            return copy;
        }
        auto* copy = heap_.make<SequenceSyntax>(static_cast<const SequenceSyntax&>(target));
        std::vector<Expression*> items;
        for (const Expression* item : copy->items) items.push_back(copy_target(*item));
        copy->items = heap_.copy(items);
        return copy;
    }

    void resolve_set_block(Symbols& symbols, SetBlockSyntax& set, Place place) {
        set.is_top_level = place.is_top_level;
        Symbols inner(symbols.function(), &symbols);
        declare_names(inner, set.body);
        if (set.filter) declare_names(inner, set.filter);
        resolve_body(inner, set.body, {.is_in_loop = place.is_in_loop});
        if (set.filter) resolve(inner, set.filter, false);
        set.scope = finish(inner);
        resolve(symbols, set.target, place.is_soft);
    }

    void resolve_filter_block(Symbols& symbols, FilterBlockSyntax& block, Place place) {
        Symbols inner(symbols.function(), &symbols);
        declare_names(inner, block.body);
        declare_names(inner, block.filter);
        resolve_body(inner, block.body, {.is_in_loop = place.is_in_loop});
        resolve(inner, block.filter, false);
        block.scope = finish(inner);
    }

    void resolve_with(Symbols& symbols, WithSyntax& with, Place place) {
        for (Expression* value : with.values) resolve(symbols, value, place.is_soft);
        Symbols inner(symbols.function(), &symbols);
        for (Expression* target : with.targets) declare_target(inner, target, true);
        declare_names(inner, with.body);
        for (Expression* target : with.targets) resolve(inner, target, false);
        resolve_body(inner, with.body, {.is_in_loop = place.is_in_loop});
        with.scope = finish(inner);
    }

    void resolve_scoped(Symbols& symbols, ScopedSyntax& scoped, Place place) {
        bool is_generation = scoped.kind == StatementKind::generation;
        Symbols inner(symbols.function(), &symbols);
        if (!is_generation) declare_names(inner, scoped.option);
        declare_names(inner, scoped.body);
        if (!is_generation) resolve(inner, scoped.option, false);
        resolve_body(inner, scoped.body, {.is_in_loop = place.is_in_loop && !is_generation});
        scoped.scope = finish(inner);
    }

    void resolve_macro(Symbols& symbols, MacroSyntax& macro) {
        FunctionSlots function{static_cast<uint16_t>(symbols.function().depth + 1)};
        Symbols inner(function, &symbols);
        for (size_t i = 0; i < macro.parameters.size(); ++i) {
            NameSyntax& parameter = *macro.parameters[i];
            inner.declare_parameter(parameter.name_id);
            bool has_default = i + macro.defaults.size() >= macro.parameters.size();
            if (parameter.name == "caller" && !has_default && reads_undeclared(macro.body, "caller"))
                fail(ErrorClass::assertion,
                     "When defining macros or call blocks the special \"caller\" argument must be omitted or be given "
                     "a default.",
                     macro.line);
        }
        auto is_parameter = [&](std::string_view name) {
            return std::any_of(macro.parameters.begin(), macro.parameters.end(),
                               [&](auto* p) { return p->name == name; });
        };
        if (!is_parameter("caller")) macro.caller_slot = declare_if_used(inner, macro.body, "caller");
        if (!is_parameter("kwargs")) macro.keywords_slot = declare_if_used(inner, macro.body, "kwargs");
        if (!is_parameter("varargs")) macro.varargs_slot = declare_if_used(inner, macro.body, "varargs");
        for (Expression* value : macro.defaults) declare_names(inner, value);
        declare_names(inner, macro.body);
        for (NameSyntax* parameter : macro.parameters) resolve_name(inner, *parameter);
        for (Expression* value : macro.defaults) resolve(inner, value, false);
        resolve_body(inner, macro.body, {});
        macro.scope = finish(inner);
        macro.slots = static_cast<uint16_t>(function.count);
    }

    void add_block(BlockSyntax& block) {
        for (const BlockSyntax* other : blocks_)
            if (other->name == block.name)
                fail(ErrorClass::assertion, fmt::format("block {} defined twice", python_quoted(block.name)),
                     block.line);
        blocks_.push_back(&block);
    }

    // A block is a function that sees the context and what the template's top level has assigned.
    void resolve_block(BlockSyntax& block) {
        FunctionSlots function;
        Symbols symbols(function, nullptr);
        block.self_slot = declare_if_used(symbols, block.body, "self");
        declare_names(symbols, block.body);
        resolve_body(symbols, block.body, {});
        block.scope = finish(symbols);
        block.slots = static_cast<uint16_t>(function.count);
    }

    Template& tree_;
    Heap& heap_;
    std::optional<Failure> failure_;
    std::vector<BlockSyntax*> blocks_;  // grows while blocks are resolved: blocks stand in blocks
};

}  // namespace

std::optional<Failure> resolve_names(Template& tree, Heap& heap) {
    return NameResolver(tree, heap).run();
}

}  // namespace hone::text::chat
