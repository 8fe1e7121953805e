#include "text/tools/json_calls.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "text/tools/json_scanner.h"
#include "text/tools/marker_search.h"

namespace hone::text {

namespace {

// Walks over what stands between the brackets of a container of which the text may end anywhere.
class Walk {
  public:
    Walk(std::string_view text, size_t at) : text_(text), at_(skip_blanks(text, at)) {}

    bool at_end() const { return at_ == text_.size(); }
    bool is_at(char byte) const { return !at_end() && text_[at_] == byte; }
    void step() { at_ = skip_blanks(text_, at_ + 1); }
    // The value there, and whether it is whole; behind it the next byte that is not blank.
    std::string_view value(bool& whole) {
        const size_t begin = at_, end = json_end(text_, at_);
        whole = end != text_.npos;
        at_ = whole ? skip_blanks(text_, end) : text_.size();
        return text_.substr(begin, whole ? end - begin : text_.npos);
    }

  private:
    std::string_view text_;
    size_t at_;
};

std::optional<JsonCall> call_of(const std::optional<std::vector<JsonMember>>& members) {
    if (!members) return std::nullopt;
    const JsonMember* name = find_member(*members, "name");
    const JsonMember* id = find_member(*members, "id");
    const JsonMember* arguments = find_member(*members, "arguments");
    if (!arguments) arguments = find_member(*members, "parameters");
    const auto name_text = name && name->whole ? json_string(name->value) : std::nullopt;
    if (!name_text || name_text->empty()) return std::nullopt;
    return JsonCall{.name = *name_text,
                    .id = id && id->whole ? json_string(id->value).value_or("") : "",
                    .arguments = arguments ? arguments->value : std::string_view()};
}

}  // namespace

std::optional<std::vector<JsonMember>> json_members(std::string_view text) {
    Walk walk(text, 0);
    if (!walk.is_at('{')) return std::nullopt;
    std::vector<JsonMember> members;
    walk.step();
    while (walk.is_at('"')) {
        bool whole = false;
        const auto key = json_string(walk.value(whole));
        if (!whole || !key || !walk.is_at(':')) break;
        walk.step();
        if (walk.at_end()) break;
        const std::string_view value = walk.value(whole);
        members.push_back({.key = *key, .value = value, .whole = whole});
        if (!walk.is_at(',')) break;
        walk.step();
    }
    return members;
}

const JsonMember* find_member(const std::vector<JsonMember>& members, std::string_view key) {
    for (auto member = members.rbegin(); member != members.rend(); ++member)
        if (member->key == key) return &*member;
    return nullptr;
}

std::optional<std::string> json_string(std::string_view json) {
    if (!json.starts_with('"')) return std::nullopt;
    boost::json::error_code failure;
    const boost::json::value value = boost::json::parse(json, failure);
    if (failure || !value.is_string()) return std::nullopt;
    return std::string(value.get_string());
}

std::string quote_json(std::string_view text) {
    return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

std::optional<JsonCall> json_call(std::string_view object) {
    return call_of(json_members(object));
}

std::optional<JsonCall> cut_json_call(std::string_view text) {
    // What follows the value before it is wrong makes it no call.
    JsonScanner scanner;
    scanner.read(text, 0);
    if (scanner.state() == JsonScanner::State::invalid) return std::nullopt;
    return call_of(json_members(text));
}

std::vector<std::string_view> json_elements(std::string_view list) {
    std::vector<std::string_view> elements;
    Walk walk(list, 0);
    walk.step();
    while (!walk.at_end() && !walk.is_at(']')) {
        bool whole = false;
        elements.push_back(walk.value(whole));
        if (walk.is_at(',')) walk.step();
    }
    return elements;
}

}  // namespace hone::text
