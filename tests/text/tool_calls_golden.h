// Golden cases of model output: reading them, and running a parser over one, cut in any way.
#pragma once

#include "base/rng.h"
#include "tests/text/template_golden.h"
#include "text/tools/dialect.h"

namespace hone::text::golden {

inline std::filesystem::path tool_calls_folder() {
    return golden_folder() / "text/tool_calls";
}

inline const DeclaredTools& declared_tools() {
    static const DeclaredTools tools = [] {
        DeclaredTools out;
        const boost::json::value tools = boost::json::parse(read_text(tool_calls_folder() / "tools.json"));
        for (const auto& tool : tools.as_array()) {
            const auto& function = tool.at("function").as_object();
            out.push_back({.name = text_of(function, "name"), .parameters = function.at("parameters").as_object()});
        }
        return out;
    }();
    return tools;
}

struct ToldCall {
    std::string name, id, arguments;
    bool complete = false;
    bool operator==(const ToldCall&) const = default;
};

// Everything that a parser told.
struct Told {
    std::string reasoning, content;
    std::vector<ToldCall> calls;
    bool operator==(const Told&) const = default;

    // The pieces of a call must follow each other, the name in the first, nothing after the last.
    void add(const ParsedOutput& news) {
        reasoning += news.reasoning;
        content += news.content;
        for (const CallPiece& piece : news.calls) {
            if (piece.begins) calls.emplace_back();
            ASSERT_EQ(piece.index, static_cast<int32_t>(calls.size()) - 1);
            ToldCall& call = calls.back();
            ASSERT_FALSE(call.complete);
            ASSERT_EQ(piece.begins, !piece.name.empty());
            call.name += piece.name;
            call.id += piece.id;
            call.arguments += piece.arguments;
            call.complete = piece.complete;
        }
    }
    friend void PrintTo(const Told& told, std::ostream* out) {
        *out << boost::json::serialize(boost::json::array{told.reasoning, told.content});
        for (const ToldCall& call : told.calls)
            *out << boost::json::serialize(boost::json::array{call.name, call.id, call.arguments, call.complete});
    }
    size_t finished_calls() const {
        return static_cast<size_t>(std::ranges::count_if(calls, [](const ToldCall& call) { return call.complete; }));
    }
};

inline std::unique_ptr<OutputParser> make_parser(const Dialect& dialect, ParserOptions options = {}) {
    if (!options.tools) options.tools = &declared_tools();
    return dialect.make_parser(dialect, options);
}

inline Told parse(const Dialect& dialect, const std::vector<std::string>& pieces, ParserOptions options = {}) {
    const auto parser = make_parser(dialect, std::move(options));
    Told told;
    for (const std::string& piece : pieces) {
        ParsedOutput news;
        parser->feed(piece, news);
        told.add(news);
    }
    ParsedOutput news;
    parser->finish(news);
    told.add(news);
    return told;
}

// The text in pieces of 1 to `longest` bytes.
inline std::vector<std::string> cut_at_random(std::string_view text, Random& random, size_t longest) {
    std::vector<std::string> pieces;
    while (!text.empty()) {
        const size_t size = std::min<size_t>(1 + random.below(longest), text.size());
        pieces.emplace_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return pieces;
}

// The text with a kTokenMark before every marker of the dialect.
inline std::string with_marks(const Dialect& dialect, std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size(); ++at) {
        for (const std::string_view marker : dialect.markers)
            if (text.substr(at).starts_with(marker)) {
                out += kTokenMark;
                break;
            }
        out += text[at];
    }
    return out;
}

inline MarkerSpelling all_markers_as_tokens(const Dialect& dialect) {
    return MarkerSpelling({dialect.markers.begin(), dialect.markers.end()});
}

}  // namespace hone::text::golden
