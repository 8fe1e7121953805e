// Every feature probe of the golden data: what Jinja's reference environment renders, or how it fails.
#include "tests/text/template_golden.h"

namespace hone::text {
namespace {

using golden::text_of;

class TemplateFeatures : public testing::TestWithParam<std::string> {};

TEST_P(TemplateFeatures, render_as_the_reference) {
    size_t cases = 0;
    for (const boost::json::object& row : golden::read_lines(golden::folder() / "features.jsonl")) {
        if (text_of(row, "tier") != GetParam()) continue;
        SCOPED_TRACE(text_of(row, "name") + "\n" + text_of(row, "template"));
        Result<Rendered> outcome =
            golden::render(text_of(row, "template"), "probe", row.at("context").as_object(), golden::options_of(row));
        golden::expect_outcome(row, "probe", outcome);
        ++cases;
        if (!outcome.ok() || GetParam() != "generation") continue;
        std::vector<std::pair<size_t, size_t>> wanted;
        if (row.contains("generation"))
            for (const auto& span : row.at("generation").as_array())
                wanted.emplace_back(span.at(0).to_number<size_t>(), span.at(1).to_number<size_t>());
        EXPECT_EQ(outcome->generation_spans, wanted);
    }
    EXPECT_GT(cases, 0u) << "no cases in " << golden::folder();
}

INSTANTIATE_TEST_SUITE_P(Golden, TemplateFeatures, testing::Values("core", "recipe", "extra", "error", "generation"),
                         [](const auto& info) { return info.param; });

TEST(TemplateFamilies, render_as_the_reference) {
    size_t cases = 0;
    for (const auto& family : std::filesystem::directory_iterator(golden::folder() / "families")) {
        std::string name = family.path().filename().string();
        Result<ChatTemplate> parsed =
            ChatTemplate::parse(golden::read_text(family.path() / "chat_template.jinja"), name);
        ASSERT_TRUE(parsed.ok()) << parsed.error().message;
        for (const boost::json::object& row : golden::read_lines(family.path() / "cases.jsonl")) {
            SCOPED_TRACE(name + " " + text_of(row, "name"));
            golden::expect_outcome(row, name, parsed->render(row.at("context").as_object(), golden::options_of(row)));
            ++cases;
        }
    }
    EXPECT_GT(cases, 0u);
}

}  // namespace
}  // namespace hone::text
