// Typed, bounded reading of a request's JSON fields. The first problem is kept with the field's name, so that a
// request's parser is a plain list of fields. A field that is null counts as absent; unknown fields are ignored. One
// thread; the object outlives it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "serve/openai/api_error.h"
#include "text/json_view.h"

namespace hone::serve {

// The most that a count of a request may be.
inline constexpr int32_t kMaxInt = std::numeric_limits<int32_t>::max();

// Parses a request body that must be a JSON object: UTF-8, nested at most 64 deep, the last of equal keys counts.
std::optional<ApiError> parse_json_object(std::string_view body, boost::json::value& out);

using text::json_type_name;

// A whole number, written as 3 or 3.0, that fits 64 signed bits.
std::optional<int64_t> as_integer(const boost::json::value& value);

class FieldReader {
  public:
    // `where` is put before field names: "messages[0]." for a nested object.
    explicit FieldReader(const boost::json::object& object, std::string where = {})
        : object_(object), where_(std::move(where)) {}

    // The field, or null if it is absent or null.
    const boost::json::value* find(std::string_view field) const;

    std::optional<bool> flag(std::string_view field);
    std::optional<int64_t> integer(std::string_view field, int64_t lowest, int64_t highest);
    std::optional<double> number(std::string_view field, double lowest, double highest);
    std::optional<std::string> text(std::string_view field);
    const boost::json::object* object(std::string_view field);
    const boost::json::array* array(std::string_view field);
    // A list of whole numbers in [lowest, highest].
    std::vector<int32_t> integers(std::string_view field, int32_t lowest, int32_t highest);

    void refuse(std::string_view field, std::string message, std::string code = "invalid_value");
    // Keeps the problem of a nested object as it is.
    void adopt(const ApiError& failure) {
        if (!failure_) failure_ = failure;
    }
    void refuse_type(std::string_view field, std::string_view expected, const boost::json::value& got);

    bool ok() const { return !failure_; }
    const std::optional<ApiError>& failure() const { return failure_; }

  private:
    const boost::json::object& object_;
    std::string where_;
    std::optional<ApiError> failure_;
};

}  // namespace hone::serve
