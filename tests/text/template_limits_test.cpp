// A template cannot run or grow without end: what uses up its budget fails with a BudgetError (or the error of a
// smaller limit), soon.
#include "tests/text/template_golden.h"

namespace hone::text {
namespace {

struct Hostile {
    const char* source;
    const char* reason;
};

constexpr Hostile kHostile[] = {
    // Time.
    {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "BudgetError"},
    {"{% set x = 'ab' * 9999999 %}{% for a in range(99999) %}{{ 'z' in x }}{% endfor %}", "BudgetError"},
    {"{% set x = 'ab' * 9999999 %}{% for a in range(99999) %}{% set y = x|length %}{% endfor %}", "BudgetError"},
    {"{% set x = 'ab' * 9999999 %}{% for a in range(99999) %}{% set y = x[1000000] %}{% endfor %}", "BudgetError"},
    {"{% set x = range(99999)|list %}{% for a in x %}{% set y = x|sort|length %}{% endfor %}", "BudgetError"},
    {"{% set x = range(99999)|list %}{% for a in x %}{{ 'q' if -1 in x }}{% endfor %}", "BudgetError"},
    {"{% set x = range(99999)|list %}{% for a in x %}{{ 'q' if x == x + [] and 0 }}{% endfor %}", "BudgetError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == n.x[0] "
     "}}{{ n.x[0] == n.x[1] }}",
     "BudgetError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}{{ {n.x: 1} }}",
     "Error"},
    // Memory.
    {"{{ 'a' * 999999999999 }}", "BudgetError"},
    {"{{ 'ab' * 9223372036854775807 * 2 }}", "BudgetError"},
    {"{{ [0] * 99999999999999 }}", "BudgetError"},
    {"{% set n = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
     "BudgetError"},
    {"{% set n = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x ~ n.x %}{% endfor %}",
     "BudgetError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}", "BudgetError"},
    {"{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = n.x|replace('a', 'aa') %}{% endfor %}",
     "BudgetError"},
    {"{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = n.x.join(n.x) %}{% endfor %}", "BudgetError"},
    {"{% set n = namespace(x='\"') %}{% for i in range(99) %}{% set n.x = n.x|tojson %}{% endfor %}", "BudgetError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
     "BudgetError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}",
     "BudgetError"},
    {"{% set x = 'a' * 9999999 %}{% for i in range(99) %}{{ x }}{% endfor %}", "BudgetError"},
    {"{% set x = 'a' * 9999999 %}{% set y %}{% for i in range(99) %}{{ x }}{% endfor %}{% endset %}", "BudgetError"},
    {"{% for i in range(99999) %}{% set y = 'a' * 999999 %}{% endfor %}", "BudgetError"},
    {"{{ 'a'.center(99999999999) }}", "BudgetError"},
    {"{{ '%*d' % (99999999999, 1) }}", "BudgetError"},
    {"{{ '{:999999999999}'.format(1) }}", "BudgetError"},
    {"{{ '%.99999999f' % 1.5 }}", "ValueError"},
    {"{{ 'a\nb'|indent(999999999999) }}", "BudgetError"},
    {"{{ [1]|batch(999999999999, 0)|list }}", "BudgetError"},
    {"{{ [1]|slice(999999999999, 0)|list }}", "BudgetError"},
    {"{{ [1]|tojson(indent=999999999) }}", "ValueError"},
    {"{{ strftime_now('%099999999d') }}", "ValueError"},
    {"{{ 'a\tb'.expandtabs(99999999999) }}", "OverflowError"},
    {"{{ range(999999999999999999999) }}", "OverflowError"},
    // Numbers.
    {"{{ 10 ** 10 ** 10 }}", "OverflowError"},
    {"{{ 2 ** 126 * 2 }}", "OverflowError"},
    {"{{ 10 ** 38 + 10 ** 38 }}", "OverflowError"},
    {"{{ -(2 ** 125) * 5 }}", "OverflowError"},
    {"{{ ('9' * 60)|int }}", "OverflowError"},
    {"{{ 1e300|int }}", "OverflowError"},
    // Depth.
    {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"},
    {"{% macro m(x) %}{% call m(x) %}{{ caller() }}{% endcall %}{% endmacro %}{{ m(1) }}", "RecursionError"},
    {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "RecursionError"},
    {"{% block a %}{{ self.a() }}{% endblock %}", "RecursionError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
     "RecursionError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x|tojson }}",
     "RecursionError"},
    {"{% set n = namespace(x=[1]) %}{% for i in range(9999) %}{% set n.x = n.x|map('string') %}{% endfor %}{{ n.x|list "
     "}}",
     "RecursionError"},
    {"{% set n = namespace(a=1) %}{% set n.a = n %}{{ n }}", "RecursionError"},
};

TEST(TemplateLimits, hostile_templates_fail_soon) {
    for (const Hostile& hostile : kHostile) {
        SCOPED_TRACE(hostile.source);
        auto start = std::chrono::steady_clock::now();
        Result<Rendered> outcome = golden::render(hostile.source, "hostile", {}, {});
        ASSERT_FALSE(outcome.ok());
        EXPECT_NE(outcome.error().message.find(hostile.reason), std::string::npos) << outcome.error().message;
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
    }
}

std::string repeat(std::string_view text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
}

TEST(TemplateLimits, deeply_nested_sources_are_syntax_errors) {
    for (std::string source : {
             "{{ " + repeat("(", 100000),
             "{{ " + repeat("[", 100000) + repeat("]", 100000) + " }}",
             "{{ " + repeat("-", 100000) + "1 }}",
             "{{ " + repeat("not ", 100000) + "1 }}",
             "{{ 1" + repeat(" + 1", 100000) + " }}",
             "{{ a" + repeat(".b", 100000) + " }}",
             "{{ a" + repeat("|e", 100000) + " }}",
             "{{ a" + repeat("[0]", 100000) + " }}",
             "{{ a" + repeat("()", 100000) + " }}",
             repeat("{% if a %}", 50000),
             repeat("{% for a in b %}", 50000),
             "{{ " + repeat("{1:", 100000),
             "{{ 1" + repeat(" if 1 else 1", 50000) + " }}",
             "{{ 1" + repeat(" is odd", 100000) + " }}",
             "{% set " + repeat("(", 100000) + "a" + repeat(",)", 100000) + " = 1 %}",
             "{% set x " + repeat("|e", 100000) + "%}{% endset %}",
         }) {
        Result<ChatTemplate> parsed = ChatTemplate::parse(source, "deep");
        ASSERT_FALSE(parsed.ok());
        EXPECT_NE(parsed.error().message.find("SyntaxError"), std::string::npos) << parsed.error().message;
    }
}

TEST(TemplateLimits, long_flat_sources_are_fine) {
    EXPECT_EQ(golden::render("{{ ''" + repeat(" ~ 'a'", 50000) + " }}", "long", {}, {})->text, repeat("a", 50000));
    EXPECT_EQ(
        golden::render("{% if a %}" + repeat("{% elif a %}", 20000) + "{% else %}x{% endif %}", "long", {}, {})->text,
        "x");
    EXPECT_EQ(
        golden::render(repeat("{% if true %}{% set b = 1 %}{% endif %}", 20000) + "{{ b }}", "long", {}, {})->text,
        "1");
    EXPECT_FALSE(ChatTemplate::parse(repeat("a", (1 << 20) + 1), "long").ok());
}

TEST(TemplateLimits, a_text_that_grows_bit_by_bit_costs_its_length) {
    std::string source =
        "{% set n = namespace(x='') %}{% for i in range(50000) %}{% set n.x = n.x ~ 'line of text\\n' %}{% endfor %}{{ "
        "n.x|length }}";
    RenderOptions options;
    options.limits.value_bytes = size_t{24} << 20;
    Result<Rendered> outcome = golden::render(source, "growing", {}, options);
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    EXPECT_EQ(outcome->text, "650000");
}

TEST(TemplateLimits, a_shared_prefix_is_not_overwritten) {
    std::string source =
        "{% set a = 'x' * 3000 %}{% set b = a ~ 'b' %}{% set c = b ~ 'c' %}{% set d = b ~ 'd' %}{% set e = c ~ 'e' %}"
        "{{ b[-2:] }}{{ c[-3:] }}{{ d[-3:] }}{{ e[-4:] }}";
    EXPECT_EQ(golden::render(source, "shared", {}, {})->text, "xbxbcxbdxbce");
}

TEST(TemplateLimits, the_caller_sets_the_limits) {
    RenderOptions options;
    options.limits.steps = 100;
    EXPECT_FALSE(golden::render("{% for i in range(200) %}{% endfor %}", "t", {}, options).ok());
    options.limits = {.text_bytes = 10};
    EXPECT_TRUE(golden::render("{{ 'a' * 10 }}", "t", {}, options).ok());
    EXPECT_FALSE(golden::render("{{ 'a' * 11 }}", "t", {}, options).ok());
    EXPECT_FALSE(golden::render("12345678901", "t", {}, options).ok());
}

TEST(TemplateLimits, contexts_are_checked) {
    boost::json::value deep = 1;
    for (int i = 0; i < 5000; ++i) deep = boost::json::array{std::move(deep)};
    Result<Rendered> outcome = golden::render("{{ x }}", "deep", {{"x", deep}}, {});
    EXPECT_NE(outcome.error().message.find("RecursionError"), std::string::npos) << outcome.error().message;
    outcome = golden::render("{{ x }}", "bytes", {{"x", "a\xff"}}, {});
    EXPECT_NE(outcome.error().message.find("not UTF-8"), std::string::npos);
    EXPECT_NE(ChatTemplate::parse("a\xff", "bytes").error().message.find("not UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace hone::text
