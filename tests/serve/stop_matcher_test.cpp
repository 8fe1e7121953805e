// The stop matcher against a naive search of the whole text, for any text, stop strings and cuts.
#include "serve/openai/stop_matcher.h"

#include <optional>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hone::serve {
namespace {

struct Expected {
    std::string text;
    std::optional<std::string> matched;
};

std::shared_ptr<const StopPatterns> patterns(std::vector<std::string> stops) {
    return std::make_shared<const StopPatterns>(std::move(stops));
}

// The first end at which any stop string is complete; the longest of them.
Expected search(const std::string& text, const std::vector<std::string>& stops, bool include) {
    for (size_t end = 0; end <= text.size(); ++end) {
        std::optional<std::string> best;
        for (const std::string& stop : stops) {
            const bool ends_here = end >= stop.size() && text.compare(end - stop.size(), stop.size(), stop) == 0;
            if (ends_here && (!best || best->size() < stop.size())) best = stop;
        }
        if (best) return {text.substr(0, include ? end : end - best->size()), best};
    }
    return {text, std::nullopt};
}

// Whether a proper prefix of a stop string ends `text`, given out too early.
bool ends_in_prefix(const std::string& given, const std::string& text, const std::vector<std::string>& stops) {
    for (const std::string& stop : stops)
        for (size_t length = 1; length < stop.size() && length <= text.size(); ++length)
            if (text.ends_with(stop.substr(0, length)) && given.size() > text.size() - length) return true;
    return false;
}

RC_GTEST_PROP(StopMatcher, AgreesWithANaiveSearch, ()) {
    const auto letters = rc::gen::elementOf(std::string("aab"));
    const auto text = *rc::gen::scale(3, rc::gen::container<std::string>(letters));
    const auto stops = *rc::gen::container<std::vector<std::string>>(
        *rc::gen::inRange<size_t>(0, 5),
        rc::gen::nonEmpty(rc::gen::scale(0.1, rc::gen::container<std::string>(letters))));
    const bool include = *rc::gen::arbitrary<bool>();
    const Expected expected = search(text, stops, include);

    StopMatcher matcher(patterns(stops), include);
    std::string given, fed;
    while (fed.size() < text.size()) {
        const std::string piece = text.substr(fed.size(), *rc::gen::inRange<size_t>(1, 5));
        RC_ASSERT(matcher.feed("").empty());
        fed += piece;
        given += matcher.feed(piece);
        RC_ASSERT(expected.text.starts_with(given));
        if (!matcher.matched()) RC_ASSERT(!ends_in_prefix(given, fed, stops));
    }
    given += matcher.flush();
    RC_ASSERT(given == expected.text);
    RC_ASSERT((matcher.matched() ? std::optional(*matcher.matched()) : std::nullopt) == expected.matched);
}

TEST(StopMatcher, HoldsBackOnlyWhatMayStillMatch) {
    StopMatcher matcher(patterns({"\n\nUser:"}));
    EXPECT_EQ(matcher.feed("Hello\n"), "Hello");
    EXPECT_EQ(matcher.feed("\n"), "");
    EXPECT_EQ(matcher.feed("\n"), "\n");
    EXPECT_EQ(matcher.feed("User"), "");
    EXPECT_EQ(matcher.feed("s"), "\n\nUsers");
    EXPECT_EQ(matcher.feed("\n\nUs"), "");
    EXPECT_EQ(matcher.flush(), "\n\nUs");
}

TEST(StopMatcher, TextsShareTheirPatternsAndNothingElse) {
    const auto shared = patterns({"stop"});
    StopMatcher first(shared), second(shared);
    EXPECT_EQ(first.feed("st"), "");
    EXPECT_EQ(second.feed("op"), "op");
    EXPECT_EQ(first.feed("op"), "");
    EXPECT_EQ(first.matched(), &shared->text(0)) << "no copy for each text";
    EXPECT_EQ(second.matched(), nullptr);
}

TEST(StopMatcher, KeepsTheStopStringIfAsked) {
    StopMatcher matcher(patterns({"stop"}), true);
    EXPECT_EQ(matcher.feed("a sto"), "a ");
    EXPECT_EQ(matcher.feed("p b"), "stop");
    EXPECT_EQ(matcher.feed("more"), "");
    EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, WithoutStringsEverythingPasses) {
    StopMatcher matcher(patterns({}));
    EXPECT_EQ(matcher.feed("abc"), "abc");
    EXPECT_EQ(matcher.flush(), "");
}

}  // namespace
}  // namespace hone::serve
