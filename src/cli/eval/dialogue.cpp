#include "cli/eval/dialogue.h"

namespace hone::cli {

namespace json = boost::json;

Dialogue::Dialogue(const Case& test, const Decoding& decoding)
    : case_(test), decoding_(decoding), request_(test.request) {
    request_.emplace("max_tokens", decoding.max_tokens);
    request_["temperature"] = decoding.temperature;
    if (decoding.temperature == 0) request_["repetition_penalty"] = 1;  // greedy is the most likely token
    if (decoding.top_p) request_["top_p"] = *decoding.top_p;
}

json::object Dialogue::body() const {
    json::object body = request_;
    body["seed"] = static_cast<int64_t>(case_draw(decoding_.seed, case_.id, static_cast<uint32_t>(turn_)) >> 1);
    return body;
}

// An empty fault: the case is right.
bool Dialogue::end(std::string fault) {
    verdict_.right = fault.empty();
    verdict_.reason = std::move(fault);
    if (!verdict_.right && answer_.was_cut) verdict_.reason += fmt::format("; cut off after {} tokens", answer_.tokens);
    return false;
}

bool Dialogue::take(Answer answer) {
    answer_ = std::move(answer);
    tokens_ += answer_.tokens;
    if (const auto& expected = case_.check.calls) {
        const size_t left = expected->size() - calls_;
        for (size_t i = 0; i < answer_.calls.size(); i++) {
            const Call& call = answer_.calls[i];
            if (i >= left)
                return end(fmt::format("called {} {}, expected no{} call", call.name, call.arguments,
                                       expected->empty() ? "" : " further"));
            if (auto fault = call_fault((*expected)[calls_ + i], call)) return end(std::move(*fault));
        }
        if (answer_.calls.empty() && left > 0)
            return end(fmt::format("no call, expected one of {}", (*expected)[calls_].name));
        calls_ += answer_.calls.size();
        if (!answer_.calls.empty() && expected->at(calls_ - 1).result) return feed_back();
    }
    return end(text_fault(case_.check, answer_).value_or(""));
}

// The calls of the answer were right: their results come into the conversation.
bool Dialogue::feed_back() {
    json::array& messages = request_["messages"].as_array();
    json::array calls, results;
    for (size_t i = 0; i < answer_.calls.size(); i++) {
        const std::string id = fmt::format("call_{}", calls_ - answer_.calls.size() + i);
        const Call& call = answer_.calls[i];
        calls.push_back(
            {{"id", id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
        const auto& expected = (*case_.check.calls)[calls_ - answer_.calls.size() + i];
        results.push_back({{"role", "tool"}, {"tool_call_id", id}, {"name", call.name}, {"content", *expected.result}});
    }
    json::object said{{"role", "assistant"}, {"content", answer_.content}, {"tool_calls", std::move(calls)}};
    if (!answer_.reasoning.empty()) said["reasoning_content"] = answer_.reasoning;
    messages.push_back(std::move(said));
    for (json::value& result : results) messages.push_back(std::move(result));
    turn_++;
    return true;
}

}  // namespace hone::cli
