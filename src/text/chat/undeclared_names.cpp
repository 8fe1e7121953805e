#include "text/chat/undeclared_names.h"

namespace hone::text::chat {

namespace {

// Visits statements and expressions in the order of Jinja's syntax tree and stops at the first use of the name.
class NameSearch {
  public:
    enum class Use { none, read, assigned };

    explicit NameSearch(std::string_view name, bool only_assignments)
        : name_(name), only_assignments_(only_assignments) {}

    Use use() const { return use_; }

    void visit(Body body) {
        for (const Statement* statement : body) {
            if (use_ != Use::none) return;
            visit(*statement);
        }
    }

    void visit_target(const Expression& target) {
        if (target.kind == ExpressionKind::name) return note(static_cast<const NameSyntax&>(target), Use::assigned);
        if (target.kind == ExpressionKind::namespace_attribute) return;
        for (const Expression* item : static_cast<const SequenceSyntax&>(target).items) visit_target(*item);
    }

    void visit(const LoopSyntax& loop) {
        visit_target(*loop.target);
        visit(loop.iterable);
        visit(loop.body);
        visit(loop.otherwise);
        visit(loop.filter);
    }

  private:
    void note(const NameSyntax& name, Use use) {
        if (use_ == Use::none && name.name == name_ && (use == Use::assigned || !only_assignments_)) use_ = use;
    }

    void visit(Expression* node) {
        if (!node || use_ != Use::none) return;
        if (node->kind == ExpressionKind::name) return note(static_cast<NameSyntax&>(*node), Use::read);
        for_each_child(*node, [&](Expression* child) { visit(child); });
    }

    void visit(const MacroSyntax& macro) {
        // Parameters hide the name, but they are no assignments.
        if (!only_assignments_)
            for (const NameSyntax* parameter : macro.parameters) visit_target(*parameter);
        for (Expression* value : macro.defaults) visit(value);
        visit(macro.body);
    }

    void visit(const BranchSyntax& branch) {
        for (const BranchArm& arm : branch.arms) {
            visit(arm.test);
            visit(arm.body);
        }
        visit(branch.otherwise);
    }

    void visit(const WithSyntax& with) {
        if (!only_assignments_)
            for (const Expression* target : with.targets) visit_target(*target);
        for (Expression* value : with.values) visit(value);
        visit(with.body);
    }

    void visit(const Statement& statement) {
        switch (statement.kind) {
            case StatementKind::print:
                return visit(static_cast<const PrintSyntax&>(statement).value);
            case StatementKind::branch:
                return visit(static_cast<const BranchSyntax&>(statement));
            case StatementKind::loop:
                return visit(static_cast<const LoopSyntax&>(statement));
            case StatementKind::set:
                visit_target(*static_cast<const SetSyntax&>(statement).target);
                return visit(static_cast<const SetSyntax&>(statement).value);
            case StatementKind::set_block: {
                auto& set = static_cast<const SetBlockSyntax&>(statement);
                visit_target(*set.target);
                visit(set.filter);
                return visit(set.body);
            }
            case StatementKind::macro:
                return visit(*static_cast<const MacroStatement&>(statement).macro);
            case StatementKind::call_block:
                visit(static_cast<const CallBlockSyntax&>(statement).call);
                return visit(*static_cast<const CallBlockSyntax&>(statement).caller);
            case StatementKind::filter_block:
                visit(static_cast<const FilterBlockSyntax&>(statement).body);
                return visit(static_cast<const FilterBlockSyntax&>(statement).filter);
            case StatementKind::with:
                return visit(static_cast<const WithSyntax&>(statement));
            case StatementKind::autoescape:
            case StatementKind::generation:
                visit(static_cast<const ScopedSyntax&>(statement).option);
                return visit(static_cast<const ScopedSyntax&>(statement).body);
            case StatementKind::load_template:
                return visit(static_cast<const LoadTemplateSyntax&>(statement).name);
            default:
                return;
        }
    }

    std::string_view name_;
    bool only_assignments_;
    Use use_ = Use::none;
};

}  // namespace

bool reads_undeclared(Body body, std::string_view name) {
    NameSearch search(name, false);
    search.visit(body);
    return search.use() == NameSearch::Use::read;
}

bool assigns_name(const LoopSyntax& loop, std::string_view name) {
    NameSearch search(name, true);
    search.visit(loop);
    return search.use() == NameSearch::Use::assigned;
}

}  // namespace hone::text::chat
