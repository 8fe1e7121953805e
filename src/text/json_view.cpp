#include "text/json_view.h"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/parser.hpp>

namespace hone::text {

JsonView JsonView::operator[](std::string_view key) const {
    JsonView child(nullptr, this, key, -1);
    child.path_ = child.path();
    child.parent_ = nullptr;
    if (!exists()) return child;
    if (!is_object()) {
        fail("expected an object");
    } else {
        child.value_ = value_->get_object().if_contains(key);
    }
    return child;
}

std::string_view JsonView::text() const {
    if (is_string()) return value_->get_string();
    fail("expected a string");
    return {};
}

int64_t JsonView::integer() const {
    if (value_ && value_->is_int64()) return value_->get_int64();
    fail("expected an integer");
    return 0;
}

double JsonView::number() const {
    if (value_ && value_->is_double()) return value_->get_double();
    if (value_ && value_->is_int64()) return static_cast<double>(value_->get_int64());
    if (value_ && value_->is_uint64()) return static_cast<double>(value_->get_uint64());
    fail("expected a number");
    return 0;
}

bool JsonView::flag() const {
    if (value_ && value_->is_bool()) return value_->get_bool();
    fail("expected true or false");
    return false;
}

size_t JsonView::size() const {
    return is_array() ? value_->get_array().size() : 0;
}

void JsonView::fail(std::string_view reason) const {
    if (*error_) return;
    const std::string where = path();
    *error_ = error("{}{}{}{}", where, where.empty() ? "" : ": ", reason, value_ ? "" : ", but it is missing");
}

std::string JsonView::path() const {
    if (!parent_) return path_;
    const std::string outer = parent_->path();
    if (index_ >= 0) return fmt::format("{}[{}]", outer, index_);
    return outer.empty() ? std::string(key_) : fmt::format("{}.{}", outer, key_);
}

Result<boost::json::value> parse_json(std::string_view text) {
    constexpr size_t kMaxDepth = 64;
    boost::json::parse_options options;
    options.max_depth = kMaxDepth;
    boost::json::parser parser({}, options);
    boost::json::error_code failure;
    const size_t read = parser.write_some(text.data(), text.size(), failure);
    if (!failure && text.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
        failure = boost::json::error::extra_data;
    if (failure) return error("not valid JSON: {} at byte {}", failure.message(), read);
    return parser.release();
}

std::string_view json_type_name(const boost::json::value& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            return "null";
        case boost::json::kind::bool_:
            return "a boolean";
        case boost::json::kind::int64:
        case boost::json::kind::uint64:
            return "an integer";
        case boost::json::kind::double_:
            return "a number";
        case boost::json::kind::string:
            return "a string";
        case boost::json::kind::array:
            return "a list";
        case boost::json::kind::object:
            return "an object";
    }
    return "something else";
}

Status read_json_file(const FileSet& files, const std::string& name, FunctionRef<void(const JsonView& root)> read) {
    const auto text = files.read(name, kLargestJsonFile);
    if (!text) return text.error();
    boost::json::monotonic_resource memory;
    boost::system::error_code code;
    const auto json = boost::json::parse(*text, code, &memory);
    if (code) return error("{}: not JSON: {}", files.path_of(name), code.message());
    std::optional<Error> failure;
    const JsonView root(json, failure);
    if (root.is_object()) {
        read(root);
    } else {
        root.fail("expected an object");
    }
    return failure ? Status(failure->within(files.path_of(name))) : ok();
}

}  // namespace hone::text
