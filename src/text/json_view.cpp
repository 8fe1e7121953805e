#include "text/json_view.h"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

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
