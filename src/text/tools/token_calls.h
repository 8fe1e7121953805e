// Calls whose markers are special tokens: kimi_k2, deepseek_v31 and deepseek_v3. The markers leave no doubt that it is a
// call, so its name is told as soon as it is known and the arguments as they come, whatever they are.
#pragma once

#include <memory>
#include <vector>

#include "text/tools/call_reader.h"
#include "text/tools/json_scanner.h"

namespace hone::text {

struct TokenMarkers {
    std::string section, section_end;
    std::string call, separator, call_end;
};

class TokenReader : public CallReader {
  public:
    TokenReader(std::shared_ptr<const TokenMarkers> markers, bool drops_leading_blanks = true);

    Progress read(std::string_view text, bool whole, OutputWriter& out) final;
    std::optional<size_t> broken_end(std::string_view text) final;
    bool tell_cut(std::string_view text, OutputWriter& out) final;

  protected:
    enum class Step { next, more, broken };

    // What stands between the call's marker and the separator: begins the call, or leaves that to read_name.
    virtual Step read_head(std::string_view head, OutputWriter& out) = 0;
    // For dialects with more before the arguments. `text` begins behind the separator; `used` is what was read of it.
    virtual Step read_name(std::string_view text, bool whole, size_t& used, OutputWriter& out);
    // How many bytes at the end of the arguments, which end in that many blanks, may belong to what follows them; at the
    // end of the call (`over`): how many do.
    virtual size_t not_of_arguments(std::string_view text, size_t blanks, bool over) const;
    // The arguments are no JSON: their end is the first marker.
    void expect_no_json() { is_json_ = false; }

    const TokenMarkers& markers() const { return *markers_; }

  private:
    enum class Phase { begin, between, head, name, arguments };

    Progress read_between(std::string_view text, bool whole);
    Step read_to_separator(std::string_view text, OutputWriter& out);
    Step read_to_arguments(std::string_view text, bool whole, OutputWriter& out);
    Progress read_arguments(std::string_view text, OutputWriter& out);
    // Of a text that has grown behind text[known].
    size_t trailing_blanks(std::string_view text, size_t known);

    const std::shared_ptr<const TokenMarkers> markers_;
    const bool drops_leading_blanks_;  // of the arguments
    const std::vector<std::string> ends_of_head_, end_of_call_;
    Phase phase_ = Phase::begin;
    bool has_calls_ = false;
    size_t item_ = 0;  // where the item begins
    size_t at_ = 0;    // what is before it is understood
    JsonScanner scanner_;
    bool is_json_ = true, arguments_begun_ = false;
    size_t blanks_from_ = 0;  // where the blanks at the end of the arguments begin
    MarkerFinder end_finder_;
};

}  // namespace hone::text
