// The golden cases of every dialect: as a whole, in the given chunks, at random, byte by byte, and with the markers as
// tokens of their own.
#include "tests/text/tool_calls_golden.h"

#include "text/utf8.h"

namespace hone::text {
namespace {

namespace json = boost::json;

struct Case {
    const Dialect* dialect;
    json::object row;
};

std::vector<Case> cases() {
    std::vector<Case> out;
    for (const auto& file : std::filesystem::directory_iterator(golden::tool_calls_folder())) {
        if (file.path().extension() != ".jsonl") continue;
        const Dialect* dialect = dialect_named(file.path().stem().string());
        for (json::object& row : golden::read_lines(file.path())) out.push_back({dialect, std::move(row)});
    }
    return out;
}

void PrintTo(const Case& one, std::ostream* out) {
    *out << golden::text_of(one.row, "format") << ": " << golden::text_of(one.row, "name");
}

std::string text_or_empty(const json::value& value) {
    return value.is_null() ? std::string() : std::string(value.as_string());
}

class ToolCallsGolden : public ::testing::TestWithParam<Case> {
  protected:
    void SetUp() override { ASSERT_NE(GetParam().dialect, nullptr) << "no dialect of that name"; }

    ParserOptions options() const { return {.in_reasoning = golden::text_of(GetParam().row, "start") == "reasoning"}; }
    std::string text() const { return golden::text_of(GetParam().row, "text"); }
    const Dialect& dialect() const { return *GetParam().dialect; }

    void expect(const golden::Told& told) const {
        const json::object& expected = GetParam().row.at("expected").as_object();
        EXPECT_EQ(told.reasoning, text_or_empty(expected.at("reasoning")));
        EXPECT_EQ(told.content, text_or_empty(expected.at("content")));
        const json::array& calls = expected.at("calls").as_array();
        ASSERT_EQ(told.calls.size(), calls.size());
        for (size_t i = 0; i < calls.size(); ++i) {
            const json::object& call = calls[i].as_object();
            EXPECT_EQ(told.calls[i].name, golden::text_of(call, "name"));
            EXPECT_EQ(told.calls[i].id, call.contains("id") ? golden::text_of(call, "id") : "");
            EXPECT_EQ(told.calls[i].complete, !call.contains("complete"));
            if (call.contains("raw")) {
                EXPECT_EQ(told.calls[i].arguments, golden::text_of(call, "raw"));
            } else {
                EXPECT_EQ(json::parse(told.calls[i].arguments), call.at("arguments")) << told.calls[i].arguments;
            }
        }
    }
};

TEST_P(ToolCallsGolden, AsAWhole) {
    expect(golden::parse(dialect(), {text()}, options()));
}

TEST_P(ToolCallsGolden, InTheGivenChunks) {
    for (const json::value& chunks : GetParam().row.at("chunks").as_array())
        expect(golden::parse(dialect(), json::value_to<std::vector<std::string>>(chunks), options()));
}

TEST_P(ToolCallsGolden, CutAtAnyByte) {
    Random random(7);
    for (size_t round = 0; round < 30; ++round)
        expect(
            golden::parse(dialect(), golden::cut_at_random(text(), random, round == 0 ? 1 : 1 + round * 3), options()));
}

TEST_P(ToolCallsGolden, ShownAsEarlyAsPossible) {
    const auto parser = golden::make_parser(dialect(), options());
    const std::string all = text();
    golden::Told told;
    size_t at = 0, row = 0;
    const json::array& shown = GetParam().row.at("shown").as_array();
    for (size_t seen = 0;; ++seen) {
        while (row + 1 < shown.size() && shown[row + 1].at(0).to_number<size_t>() <= seen) ++row;
        const auto count = [&](size_t column) { return shown[row].at(column).to_number<size_t>(); };
        EXPECT_EQ(count_code_points(told.reasoning), count(1)) << "after " << all.substr(0, at);
        EXPECT_EQ(count_code_points(told.content), count(2)) << "after " << all.substr(0, at);
        EXPECT_EQ(told.finished_calls(), count(3)) << "after " << all.substr(0, at);
        if (at == all.size()) break;
        const size_t length = utf8_length(static_cast<unsigned char>(all[at]));
        ParsedOutput news;
        parser->feed(std::string_view(all).substr(at, length), news);
        told.add(news);
        EXPECT_TRUE(is_valid_utf8(news.reasoning) && is_valid_utf8(news.content));
        at += length;
    }
}

TEST_P(ToolCallsGolden, WithMarkersThatAreTokens) {
    ParserOptions marked = options();
    marked.spelling = golden::all_markers_as_tokens(dialect());
    const std::string all = golden::with_marks(dialect(), text());
    for (const std::string_view marker : dialect().markers)
        for (size_t length = 2; length < marker.size(); ++length)
            if (text().ends_with(marker.substr(0, length))) GTEST_SKIP() << "a token is not cut";
    expect(golden::parse(dialect(), {all}, marked));
    Random random(8);
    for (size_t round = 0; round < 10; ++round)
        expect(golden::parse(dialect(), golden::cut_at_random(all, random, 1 + round * 4), marked));
}

INSTANTIATE_TEST_SUITE_P(All, ToolCallsGolden, ::testing::ValuesIn(cases()), [](const auto& info) {
    return golden::text_of(info.param.row, "format") + "_" + std::to_string(info.index);
});

}  // namespace
}  // namespace hone::text
