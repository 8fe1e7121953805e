// Calls as XML-like tags around every parameter: qwen3_coder and minimax_m2 differ in the tags. Values are raw text,
// typed by the tool's schema. A call is told when it is whole: until then it may turn out to be none.
#pragma once

#include <memory>
#include <vector>

#include "text/tools/call_reader.h"
#include "text/tools/dialect.h"

namespace hone::text {

struct XmlTags {
    std::string section, section_end;
    std::string function, function_end;    // the beginning of its tag, which ends with the name and '>'
    std::string parameter, parameter_end;  // likewise
    bool quoted_names = false;
};

class XmlReader final : public CallReader {
  public:
    // `tools` may be null, and outlive the reader.
    XmlReader(std::shared_ptr<const XmlTags> tags, const DeclaredTools* tools);

    Progress read(std::string_view text, bool whole, OutputWriter& out) override;
    std::optional<size_t> broken_end(std::string_view text) override;
    bool tell_cut(std::string_view text, OutputWriter& out) override;

  private:
    enum class Phase { begin, function, parameters, value, after };
    // What a step found at its place.
    enum class Step { next, more, broken };
    struct Tag {
        std::string name;
        size_t end = 0;
    };

    void read_begin(std::string_view text);
    Step read_function(std::string_view text);
    Step read_parameter(std::string_view text);
    Step read_value(std::string_view text, bool whole);
    // Whether the value ends at text[at], a '<' (broken: it does not), and where to go on then.
    Step end_of_value(std::string_view text, size_t at, bool whole, size_t& next) const;
    Step forgotten_end(std::string_view text, size_t at, bool whole) const;
    bool is_declared_and_new(const std::string& parameter) const;
    Progress read_after(std::string_view text, bool whole, OutputWriter& out);

    // The tag with that beginning at text[at].
    Step read_tag(std::string_view text, size_t at, std::string_view beginning, Tag& tag) const;
    void keep_value(std::string_view raw);
    void tell(OutputWriter& out) const;

    const std::shared_ptr<const XmlTags> tags_;
    const DeclaredTools* tools_;
    Phase phase_ = Phase::begin;
    bool has_section_tag_ = true;  // else a function's tag opened the section
    size_t item_ = 0;              // where the item begins
    size_t at_ = 0;                // what is before it is understood
    size_t function_tag_end_ = 0, value_begin_ = 0;
    std::string function_, parameter_;
    std::vector<std::pair<std::string, std::string>> arguments_;  // JSON texts
    MarkerFinder end_finder_;
};

// A function of one of the tools with its parameters, in the order of the schema, as the tags have it; `newline` stands
// around values. What the reader would take for tags has no place in strings.
Expression xml_function(CallGrammar& grammar, const XmlTags& tags, std::string_view newline);

}  // namespace hone::text
