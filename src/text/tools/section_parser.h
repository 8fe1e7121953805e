// The parser of the dialects that mark sections of calls in the text, and reasoning by a pair of tags: everything that
// they have in common. The dialect itself is a CallReader.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "text/tools/call_reader.h"
#include "text/tools/dialect.h"

namespace hone::text {

struct SectionFormat {
    std::string think_begin, think_end;  // empty: no reasoning is looked for
    std::vector<std::string> openers;    // what begins a section; none: no calls are looked for
    bool opener_ends_reasoning = false;  // else an opener inside the reasoning is reasoning
    std::function<std::unique_ptr<CallReader>()> make_reader;
};

// A parser with the tags of the dialect and what the options leave of the rest.
std::unique_ptr<OutputParser> make_section_parser(const Dialect& dialect, const ParserOptions& options,
                                                  SectionFormat format);

class SectionParser final : public OutputParser {
  public:
    // `in_reasoning`: the prompt has opened the reasoning.
    SectionParser(SectionFormat format, bool in_reasoning);

    void feed(std::string_view text, ParsedOutput& out) override;
    void finish(ParsedOutput& out) override;

  private:
    enum class Part { start_of_reasoning, reasoning, content, section, broken_section };

    void run();
    // Each reads on in its part; false: it needs more text.
    bool read_repeated_tag();
    bool read_reasoning();
    bool read_content();
    bool read_opening_tag(bool& opened);
    bool read_section();
    bool read_broken_section();
    void end_of_cut_section();

    std::string_view pending() const { return std::string_view(text_).substr(begin_); }
    void drop(size_t bytes) { begin_ += bytes; }
    void show(TextKind kind, size_t bytes);

    const SectionFormat format_;
    const std::vector<std::string> ends_of_reasoning_;
    std::vector<std::string> content_markers_;  // the openers and, while it may come, the tag of the reasoning
    OutputWriter writer_;
    std::unique_ptr<CallReader> reader_;
    Part part_;
    std::string text_;  // the output from `begin_` on is not settled
    size_t begin_ = 0;
    bool whole_ = false;
};

}  // namespace hone::text
