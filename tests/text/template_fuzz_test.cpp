// Mutations of the golden templates and contexts, from a fixed seed: whatever comes out, parsing and rendering end
// without a crash, within their limits, and an error names the template.
#include "tests/text/template_golden.h"

namespace hone::text {
namespace {

// A small generator that is the same everywhere (splitmix64).
class Dice {
  public:
    explicit Dice(uint64_t seed) : state_(seed) {}
    size_t below(size_t bound) { return bound == 0 ? 0 : next() % bound; }

  private:
    uint64_t next() {
        uint64_t z = state_ += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }
    uint64_t state_;
};

struct Sample {
    std::string source;
    boost::json::object context;
};

std::vector<Sample> samples() {
    std::vector<Sample> out;
    for (const boost::json::object& row : golden::read_lines(golden::folder() / "features.jsonl"))
        out.push_back({golden::text_of(row, "template"), row.at("context").as_object()});
    for (const auto& family : std::filesystem::directory_iterator(golden::folder() / "families")) {
        std::string source = golden::read_text(family.path() / "chat_template.jinja");
        std::vector<boost::json::object> rows = golden::read_lines(family.path() / "cases.jsonl");
        for (size_t i = 0; i < rows.size(); i += 6) out.push_back({source, rows[i].at("context").as_object()});
    }
    return out;
}

constexpr std::string_view kFragments[] = {"{{",
                                           "}}",
                                           "{%",
                                           "%}",
                                           "{#",
                                           "#}",
                                           "-%}",
                                           "{%-",
                                           "'",
                                           "\"",
                                           "\\",
                                           "(",
                                           ")",
                                           "[",
                                           "]",
                                           "{",
                                           "}",
                                           "|",
                                           ".",
                                           ",",
                                           ":",
                                           "~",
                                           "**",
                                           " * 99 ",
                                           " in ",
                                           " is ",
                                           " not ",
                                           " if ",
                                           " else ",
                                           " for x in y ",
                                           "{% endfor %}",
                                           "{% endif %}",
                                           "{% else %}",
                                           "{% set ns.x = 1 %}",
                                           "{% macro m(a, b=a) %}",
                                           "{% endmacro %}",
                                           "{{ m(1) }}",
                                           "|tojson(indent=2)",
                                           "|map('upper')",
                                           "|list",
                                           "[::-1]",
                                           "[1:]",
                                           "loop.last",
                                           "loop.nextitem",
                                           "range(9)",
                                           "namespace(x=1)",
                                           "{% raw %}",
                                           "{% endraw %}",
                                           "{% generation %}",
                                           "{% endgeneration %}",
                                           "{% break %}",
                                           "{% call m() %}",
                                           "{% endcall %}",
                                           "recursive",
                                           "{{ loop(x) }}",
                                           "caller()",
                                           "-1",
                                           "1e308",
                                           "\n",
                                           "\r\n",
                                           "é世",
                                           "\xff",
                                           "'%s' % ",
                                           ".format(1)",
                                           "{% filter e %}",
                                           "{% autoescape true %}",
                                           "self.x()",
                                           "{% block x %}"};

std::string mutate(std::string source, const std::vector<Sample>& all, Dice& dice) {
    for (size_t rounds = 1 + dice.below(4); rounds > 0; --rounds) {
        size_t at = dice.below(source.size() + 1);
        switch (dice.below(6)) {
            case 0:
                source.insert(at, kFragments[dice.below(std::size(kFragments))]);
                break;
            case 1:
                source.erase(at, dice.below(12));
                break;
            case 2:
                if (at < source.size()) source[at] = static_cast<char>(dice.below(256));
                break;
            case 3:
                source.insert(at, source.substr(dice.below(source.size() + 1), dice.below(60)));
                break;
            case 4: {
                const std::string& other = all[dice.below(all.size())].source;
                source.insert(at, other.substr(dice.below(other.size() + 1), dice.below(80)));
                break;
            }
            default:
                source.resize(at);
                break;
        }
    }
    return source;
}

// Another value in one place of the context.
void mutate(boost::json::value& value, Dice& dice) {
    bool has_parts =
        (value.is_array() && !value.get_array().empty()) || (value.is_object() && !value.get_object().empty());
    if (has_parts && dice.below(4) != 0) {
        if (value.is_array()) return mutate(value.get_array()[dice.below(value.get_array().size())], dice);
        auto member = value.get_object().begin() + static_cast<std::ptrdiff_t>(dice.below(value.get_object().size()));
        return mutate(member->value(), dice);
    }
    const boost::json::value choices[] = {nullptr,
                                          true,
                                          0,
                                          -1,
                                          INT64_MIN,
                                          UINT64_MAX,
                                          1.5,
                                          1e308,
                                          "",
                                          "é\U0001F600",
                                          "{{ x }}",
                                          boost::json::array{},
                                          boost::json::object{},
                                          boost::json::array{1, "a", nullptr}};
    value = choices[dice.below(std::size(choices))];
}

TEST(TemplateFuzz, mutations_end_and_do_not_crash) {
    std::vector<Sample> all = samples();
    ASSERT_FALSE(all.empty());
    RenderOptions options;
    options.clock = std::chrono::local_seconds(std::chrono::seconds(1'800'000'000));
    options.limits = {.steps = 200'000, .text_bytes = size_t{1} << 20, .value_bytes = size_t{8} << 20};
    Dice dice(20260309);
    size_t parsed_count = 0, rendered_count = 0;
    for (int round = 0; round < 20000; ++round) {
        const Sample& sample = all[dice.below(all.size())];
        std::string source = mutate(sample.source, all, dice);
        SCOPED_TRACE(source);
        Result<ChatTemplate> parsed = ChatTemplate::parse(source, "fuzz");
        if (!parsed) {
            EXPECT_EQ(parsed.error().message.rfind("fuzz", 0), 0u) << parsed.error().message;
            continue;
        }
        ++parsed_count;
        boost::json::value context = sample.context;
        if (dice.below(2) == 0) mutate(context, dice);
        if (!context.is_object()) context = sample.context;
        Result<Rendered> rendered = parsed->render(context.get_object(), options);
        rendered_count += rendered.ok();
        if (rendered.ok())
            EXPECT_LE(rendered->text.size(), options.limits.text_bytes);
        else
            EXPECT_EQ(rendered.error().message.rfind("fuzz, line ", 0), 0u) << rendered.error().message;
    }
    // The mutations are mild enough to reach the evaluator.
    EXPECT_GT(parsed_count, 2000u);
    EXPECT_GT(rendered_count, 500u);
}

TEST(TemplateFuzz, every_prefix_of_a_template_parses_or_fails) {
    for (const Sample& sample : samples())
        for (size_t size = 0; size < sample.source.size(); size += 1 + sample.source.size() / 200)
            (void)ChatTemplate::parse(sample.source.substr(0, size), "prefix").ok();
}

}  // namespace
}  // namespace hone::text
