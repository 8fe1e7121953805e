// Reading JSON of unknown quality: a view of a value that knows where it is. The first thing that is not as expected is
// kept with its path ("model.merges[3]: expected a string"), and reading goes on with a default; whoever reads asks for
// the error once at the end. One thread; the parsed value outlives the views.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/file_set.h"
#include "base/function_ref.h"
#include "base/result.h"

namespace hone::text {

class JsonView {
  public:
    JsonView(const boost::json::value& root, std::optional<Error>& first_error) : value_(&root), error_(&first_error) {}

    bool exists() const { return value_ && !value_->is_null(); }  // null counts as absent
    bool is_object() const { return value_ && value_->is_object(); }
    bool is_array() const { return value_ && value_->is_array(); }
    bool is_string() const { return value_ && value_->is_string(); }

    JsonView operator[](std::string_view key) const;

    std::string_view text() const;
    int64_t integer() const;
    double number() const;
    bool flag() const;
    std::string_view text_or(std::string_view fallback) const { return exists() ? text() : fallback; }
    int64_t integer_or(int64_t fallback) const { return exists() ? integer() : fallback; }
    bool flag_or(bool fallback) const { return exists() ? flag() : fallback; }

    size_t size() const;  // elements of an array; an absent one is empty

    // visit(element) for an array, visit(key, member) for an object. Something else is an error unless it is absent.
    template <class Visit>
    void for_each(Visit&& visit) const {
        if (!exists()) return;
        if (!is_array()) return fail("expected an array");
        size_t index = 0;
        for (const auto& element : value_->get_array()) {
            if (!ok()) return;
            visit(JsonView(&element, this, {}, static_cast<int64_t>(index++)));
        }
    }
    template <class Visit>
    void for_each_member(Visit&& visit) const {
        if (!exists()) return;
        if (!is_object()) return fail("expected an object");
        for (const auto& member : value_->get_object()) {
            if (!ok()) return;
            const std::string_view key = member.key();
            visit(key, JsonView(&member.value(), this, key, -1));
        }
    }

    bool ok() const { return !*error_; }
    void fail(std::string_view reason) const;
    std::string path() const;

  private:
    // An element of a loop finds its path through its parent, which lives as long as the loop; other views own their
    // path.
    JsonView(const boost::json::value* value, const JsonView* parent, std::string_view key, int64_t index)
        : value_(value), parent_(parent), key_(key), index_(index), error_(parent->error_) {}

    const boost::json::value* value_ = nullptr;
    const JsonView* parent_ = nullptr;
    std::string_view key_;
    int64_t index_ = -1;
    std::string path_;
    std::optional<Error>* error_;
};

// One JSON text, nested at most 64 deep, in valid UTF-8; the last of equal keys counts. The error reads "not valid
// JSON: REASON at byte N".
Result<boost::json::value> parse_json(std::string_view text);

// "a string", "an integer", ... for messages.
std::string_view json_type_name(const boost::json::value& value);

// A tokenizer.json has up to 33 MB, everything else less; tables made from a file take up to thirty times its size.
inline constexpr size_t kLargestJsonFile = size_t{64} << 20;

// Parses the file and hands its root to `read`, for whose time the views live. An Error names the file, and the path of
// what was not as expected.
Status read_json_file(const FileSet& files, const std::string& name, FunctionRef<void(const JsonView& root)> read);

}  // namespace hone::text
