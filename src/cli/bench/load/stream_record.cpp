#include "cli/bench/load/stream_record.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace hone::cli {
namespace {

namespace json = boost::json;

constexpr size_t kShownBytes = 300;

const json::object* object_in(const json::object& object, std::string_view field) {
    const json::value* value = object.if_contains(field);
    return value ? value->if_object() : nullptr;
}

const json::array* array_in(const json::object& object, std::string_view field) {
    const json::value* value = object.if_contains(field);
    return value ? value->if_array() : nullptr;
}

bool has_text(const json::object& object, std::string_view field) {
    const json::value* value = object.if_contains(field);
    return value && value->is_string() && !value->get_string().empty();
}

void read_count(const json::object& object, std::string_view field, int64_t& count) {
    const json::value* value = object.if_contains(field);
    if (value && value->is_int64()) count = value->get_int64();
}

void read_usage(const json::object& usage, StreamRecord& record) {
    read_count(usage, "prompt_tokens", record.prompt_tokens);
    read_count(usage, "completion_tokens", record.completion_tokens);
    if (const auto* details = object_in(usage, "prompt_tokens_details"))
        read_count(*details, "cached_tokens", record.cached_tokens);
}

// Whether a chunk brings output. In a completion a token may have no text yet, but then it is not the last chunk; the
// first chunk of a chat only announces the role.
bool has_output(const json::object& choice, size_t ids) {
    if (ids > 0) return true;
    if (const auto* delta = object_in(choice, "delta"))
        return has_text(*delta, "content") || has_text(*delta, "reasoning_content") || has_text(*delta, "reasoning") ||
               array_in(*delta, "tool_calls");
    const json::value* finish = choice.if_contains("finish_reason");
    return has_text(choice, "text") || (choice.contains("text") && (!finish || finish->is_null()));
}

void read_logprobs(const json::object& choice, StreamRecord& record) {
    const auto* logprobs = object_in(choice, "logprobs");
    const auto* values = logprobs ? array_in(*logprobs, "token_logprobs") : nullptr;
    if (!values) return;
    for (const json::value& value : *values)
        if (value.is_number()) record.logprobs.push_back(value.to_number<double>());
}

void read_choice(const json::object& choice, double now, StreamRecord& record) {
    size_t ids = 0;
    if (const auto* list = array_in(choice, "token_ids")) {
        for (const json::value& id : *list)
            if (id.is_int64()) record.token_ids.push_back(static_cast<int32_t>(id.get_int64()));
        ids = list->size();
    }
    read_logprobs(choice, record);
    if (!has_output(choice, ids)) return;
    record.arrivals.push_back(now);
    record.tokens += ids > 0 ? static_cast<int64_t>(ids) : 1;
}

std::string shortened(std::string_view text) {
    std::string shown(text.substr(0, kShownBytes));
    if (text.size() > kShownBytes) shown.append(3, '.');
    return shown;
}

}  // namespace

std::vector<double> StreamRecord::gaps() const {
    std::vector<double> gaps;
    for (size_t i = 1; i < arrivals.size(); i++) gaps.push_back(arrivals[i] - arrivals[i - 1]);
    return gaps;
}

void take_event(StreamRecord& record, std::string_view data, double now) {
    if (data == "[DONE]") {
        record.has_end = true;
        return;
    }
    boost::system::error_code failure;
    const json::value value = json::parse(data, failure);
    const auto* chunk = failure ? nullptr : value.if_object();
    if (!chunk) {
        record.error = "an event of the stream is no JSON object: " + shortened(data);
        return;
    }
    if (const json::value* problem = chunk->if_contains("error"); problem && !problem->is_null()) {
        record.error = "the stream ended with an error: " + error_message(data);
        return;
    }
    if (const auto* usage = object_in(*chunk, "usage")) read_usage(*usage, record);
    const auto* choices = array_in(*chunk, "choices");
    if (!choices || choices->empty()) return;
    if (const auto* choice = (*choices)[0].if_object()) read_choice(*choice, now, record);
}

std::string error_message(std::string_view answer) {
    boost::system::error_code failure;
    const json::value value = json::parse(answer, failure);
    if (const auto* object = failure ? nullptr : value.if_object()) {
        const auto* inner = object_in(*object, "error");
        for (const json::object* level : {inner, object}) {
            for (const char* field : {"message", "detail", "error"}) {
                if (level && has_text(*level, field)) return shortened(level->at(field).get_string());
            }
        }
    }
    return answer.empty() ? "(no message)" : shortened(answer);
}

}  // namespace hone::cli
