// Whether a JSON value satisfies a schema, for the keywords that grammars know: plain recursion over the value, nothing in
// common with the compiler of grammars.
#pragma once

#include <string>

#include <boost/json/value.hpp>

namespace hone::text {

class JsonValidator {
  public:
    explicit JsonValidator(const boost::json::value& root) : root_(root) {}

    bool satisfies(const boost::json::value& value) const { return satisfies(value, root_); }

  private:
    bool satisfies(const boost::json::value& value, const boost::json::value& schema) const;
    bool has_type(const boost::json::value& value, const boost::json::value& types) const;
    bool number_fits(const boost::json::value& value, const boost::json::object& schema) const;
    bool string_fits(const boost::json::value& value, const boost::json::object& schema) const;
    bool array_fits(const boost::json::value& value, const boost::json::object& schema) const;
    bool object_fits(const boost::json::value& value, const boost::json::object& schema) const;
    bool combinations_fit(const boost::json::value& value, const boost::json::object& schema) const;

    const boost::json::value& root_;
};

// Whether the pattern occurs in the text (PCRE2).
bool pattern_occurs(std::string_view pattern, std::string_view text);

}  // namespace hone::text
