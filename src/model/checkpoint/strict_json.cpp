#include "model/checkpoint/strict_json.h"

#include <unordered_set>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/mapped_file.h"
#include "model/printable.h"

namespace hone::model {

namespace json = boost::json;

namespace {

// Events of a JSON text; stops at the first name that its object already has (the DOM would silently keep the last).
class DuplicateFinder {
  public:
    static constexpr size_t max_object_size = SIZE_MAX, max_array_size = SIZE_MAX, max_key_size = SIZE_MAX,
                            max_string_size = SIZE_MAX;

    const std::optional<std::string>& duplicate() const { return duplicate_; }

    bool on_object_begin(json::error_code&) {
        names_.emplace_back();
        return true;
    }
    bool on_object_end(size_t, json::error_code&) {
        names_.pop_back();
        return true;
    }
    bool on_key_part(json::string_view part, size_t, json::error_code&) {
        name_.append(part.data(), part.size());
        return true;
    }
    bool on_key(json::string_view part, size_t, json::error_code& failure) {
        name_.append(part.data(), part.size());
        if (!names_.back().insert(name_).second) {
            duplicate_ = name_;
            failure = json::error::extra_data;
            return false;
        }
        name_.clear();
        return true;
    }
    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_array_begin(json::error_code&) { return true; }
    bool on_array_end(size_t, json::error_code&) { return true; }
    bool on_string_part(json::string_view, size_t, json::error_code&) { return true; }
    bool on_string(json::string_view, size_t, json::error_code&) { return true; }
    bool on_number_part(json::string_view, json::error_code&) { return true; }
    bool on_int64(int64_t, json::string_view, json::error_code&) { return true; }
    bool on_uint64(uint64_t, json::string_view, json::error_code&) { return true; }
    bool on_double(double, json::string_view, json::error_code&) { return true; }
    bool on_bool(bool, json::error_code&) { return true; }
    bool on_null(json::error_code&) { return true; }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }

  private:
    std::vector<std::unordered_set<std::string>> names_;  // of the objects that are open
    std::string name_;                                    // of the field being read
    std::optional<std::string> duplicate_;
};

}  // namespace

Result<json::object> parse_json_object(std::string_view text, const std::string& where) {
    json::basic_parser<DuplicateFinder> scan{json::parse_options{}};
    json::error_code failure;
    const size_t scanned = scan.write_some(false, text.data(), text.size(), failure);
    if (const auto& name = scan.handler().duplicate()) {
        return error("{}: the name {} appears twice in one object", where, in_quotes(*name));
    }
    if (failure) return error("{}: not valid JSON at byte {}: {}", where, scanned, failure.message());
    json::value value = json::parse(json::string_view(text.data(), text.size()), failure);
    if (failure) return error("{}: not valid JSON: {}", where, failure.message());
    if (!value.is_object()) return error("{}: must hold a JSON object", where);
    return std::move(value.as_object());
}

Result<json::object> read_json_object(const std::filesystem::path& path, size_t limit) {
    const auto text = read_text_file(path, limit);
    if (!text) return text.error();
    return parse_json_object(*text, path.string());
}

std::optional<uint64_t> as_whole(const json::value& value) {
    if (value.is_uint64()) return value.get_uint64();
    if (value.is_int64() && value.get_int64() >= 0) return static_cast<uint64_t>(value.get_int64());
    return std::nullopt;
}

}  // namespace hone::model
