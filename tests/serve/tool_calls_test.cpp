// Reasoning and tool calls in the answers of /v1/chat/completions, over a scripted generator.
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

namespace json = boost::json;

constexpr const char* kTools =
    R"("tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}},)"
    R"({"type":"function","function":{"name":"ping"}}])";
constexpr const char* kWeatherCall =
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich\"}}\n</tool_call>";
constexpr const char* kPingCall = "<tool_call>\n{\"name\": \"ping\"}\n</tool_call>";

// A template that opens the reasoning, and writes the names of tools.
constexpr const char* kThinkingTemplate =
    "{% for tool in tools or [] %}[{{ tool.function.name }}]{% endfor %}{% for message in messages %}{{ message.role "
    "}}:"
    "{% if message.reasoning_content %}({{ message.reasoning_content }}){% endif %}{{ message.content }}"
    "{% for call in message.tool_calls or [] %}!{{ call.function.name }}{{ call.function.arguments | tojson }}{% "
    "endfor %}"
    "\n{% endfor %}{% if add_generation_prompt %}assistant:<think>\n{% endif %}";

text::ChatTemplates templates_of(std::string source) {
    return text::ChatTemplates(std::move(text::ChatTemplate::parse(std::move(source), "a test").value()));
}

// The message that the deltas of a stream add up to, as clients put it together, and how the choice ended.
struct Streamed {
    std::string role, content, reasoning, other_reasoning, finish_reason;
    json::array calls;
    size_t pieces = 0;  // of arguments
};

Streamed put_together(const Answer& answer, int64_t choice = 0) {
    Streamed out;
    const auto append = [](const json::object& delta, const char* field, std::string& to) {
        if (const json::value* text = delta.if_contains(field); text && text->is_string()) to += text->get_string();
    };
    for (const std::string& event : answer.events()) {
        if (event == "[DONE]") continue;
        const json::value chunk = json::parse(event);
        for (const json::value& part : at(chunk, {"choices"}).as_array()) {
            if (part.at("index") != json::value(choice)) continue;
            const json::object& delta = part.at("delta").as_object();
            append(delta, "role", out.role);
            append(delta, "content", out.content);
            append(delta, "reasoning_content", out.reasoning);
            append(delta, "reasoning", out.other_reasoning);
            append(part.as_object(), "finish_reason", out.finish_reason);
            if (!delta.contains("tool_calls")) continue;
            for (const json::value& piece : delta.at("tool_calls").as_array()) {
                const auto index = piece.at("index").to_number<size_t>();
                const json::object& function = piece.at("function").as_object();
                if (index == out.calls.size()) {
                    EXPECT_EQ(piece.at("type"), json::value("function"));
                    out.calls.push_back({{"id", piece.at("id")}, {"type", "function"}, {"function", function}});
                } else {
                    EXPECT_EQ(index + 1, out.calls.size());
                    EXPECT_FALSE(piece.as_object().contains("id") || function.contains("name"));
                    std::string arguments(out.calls.back().at("function").at("arguments").as_string());
                    arguments += function.at("arguments").as_string();
                    out.calls.back().at("function").as_object()["arguments"] = arguments;
                }
                out.pieces += !function.at("arguments").as_string().empty();
            }
        }
    }
    return out;
}

class ToolCallsTest : public ServiceTest {
  protected:
    Answer ask(const std::string& fields, bool with_tools = true) {
        std::string body = R"({"messages":[{"role":"user","content":"hi"}])";
        if (with_tools) body.append(",").append(kTools);
        if (!fields.empty()) body.append(",").append(fields);
        return post("/v1/chat/completions", body + "}");
    }
    json::value message_of(const Answer& answer, size_t choice = 0) {
        EXPECT_EQ(answer.status, 200) << answer.body;
        return at(answer.json(), {"choices", choice, "message"});
    }
    void start_as(std::string_view dialect) { start({}, default_chat_templates(), nullptr, nullptr, dialect); }
};

TEST_F(ToolCallsTest, AreTakenOutOfTheText) {
    start_as("qwen3");
    generator_.script(fmt::format("Let me see.\n{}\n{}", kWeatherCall, kPingCall));
    const Answer answer = ask("");
    const json::value message = message_of(answer);
    EXPECT_EQ(message.at("content"), json::value("Let me see."));
    EXPECT_FALSE(message.as_object().contains("reasoning_content"));
    const json::array& calls = message.at("tool_calls").as_array();
    ASSERT_EQ(calls.size(), 2u);
    EXPECT_EQ(calls[0].at("type"), json::value("function"));
    EXPECT_EQ(calls[0].at("function").at("name"), json::value("get_weather"));
    EXPECT_EQ(calls[0].at("function").at("arguments"), json::value("{\"city\": \"Zürich\"}"));
    EXPECT_EQ(calls[1].at("function").at("name"), json::value("ping"));
    EXPECT_EQ(calls[1].at("function").at("arguments"), json::value("{}"));
    EXPECT_TRUE(calls[0].at("id").as_string().starts_with("call_"));
    EXPECT_NE(calls[0].at("id"), calls[1].at("id"));
    EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "finish_reason"}), json::value("tool_calls"));
}

TEST_F(ToolCallsTest, AMessageOfCallsOnlyHasNoContent) {
    start_as("qwen3");
    generator_.script(kPingCall);
    const json::value message = message_of(ask(""));
    EXPECT_TRUE(message.at("content").is_null());
    EXPECT_EQ(message.at("tool_calls").as_array().size(), 1u);
}

TEST_F(ToolCallsTest, StreamsAddUpToTheWholeAnswer) {
    start({}, templates_of(kThinkingTemplate), nullptr, nullptr, "qwen3");
    const std::string output =
        fmt::format("Hm, let me\nsee.\n</think>\n\nOne moment.\n{}\n{}\n", kWeatherCall, kPingCall);
    for (const size_t per_event : {1, 2, 7, 40, 1000}) {
        generator_.script(output, per_event);
        json::value whole = message_of(ask(R"("n":2)"), 1);
        const Answer answer = ask(R"("n":2,"stream":true)");
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.events().back(), "[DONE]");
        Streamed streamed = put_together(answer, 1);
        EXPECT_EQ(streamed.role, "assistant");
        EXPECT_EQ(json::value(streamed.content), whole.at("content"));
        EXPECT_EQ(json::value(streamed.reasoning), whole.at("reasoning_content"));
        EXPECT_EQ(json::value(streamed.other_reasoning), whole.at("reasoning"));
        EXPECT_EQ(streamed.reasoning, "Hm, let me\nsee.");
        EXPECT_EQ(streamed.content, "One moment.");
        EXPECT_EQ(streamed.finish_reason, "tool_calls");
        ASSERT_EQ(streamed.calls.size(), 2u);
        for (size_t i = 0; i < 2; ++i)  // ids are drawn
            EXPECT_EQ(streamed.calls[i].at("function"), whole.at("tool_calls").at(i).at("function"));
    }
}

TEST_F(ToolCallsTest, ArgumentsComeAsTheyAreWrittenWhereTheCallIsCertain) {
    start_as("kimi_k2");
    generator_.script(
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:3<|tool_call_argument_begin|>"
        "{\"city\": \"Paris\"}<|tool_call_end|><|tool_calls_section_end|>");
    const Streamed streamed = put_together(ask(R"("stream":true)"));
    ASSERT_EQ(streamed.calls.size(), 1u);
    EXPECT_EQ(streamed.calls[0].at("id"), json::value("functions.get_weather:3"));
    EXPECT_EQ(streamed.calls[0].at("function").at("arguments"), json::value("{\"city\": \"Paris\"}"));
    EXPECT_GT(streamed.pieces, 10u);
    EXPECT_EQ(streamed.finish_reason, "tool_calls");
}

TEST_F(ToolCallsTest, WithoutThemNothingIsParsed) {
    const auto choice_of = [&](std::string_view dialect, std::string_view output, const std::string& fields) {
        start({}, default_chat_templates(), nullptr, nullptr, dialect);
        generator_.script(std::string(output), 3);
        Answer answer = ask(fields + R"(,"seed":5,"logprobs":true,"return_token_ids":true)", false);
        std::string text;
        if (fields.find("stream") == fields.npos) return json::serialize(at(answer.json(), {"choices"}));
        for (const std::string& event : answer.events())
            if (event != "[DONE]") text += json::serialize(json::parse(event).at("choices"));
        return text;
    };
    for (const char* fields : {R"("n":2)", R"("stream":true,"stop":["moment"])"}) {
        for (const char* output : {"\n\nOne moment.\n", "{\"name\": \"ping\", \"parameters\": {}}"})
            EXPECT_EQ(choice_of("llama3_json", output, fields), choice_of("", output, fields));
        EXPECT_EQ(choice_of("qwen3", "One moment. <tool_call>{\"name\":\"ping\"}</tool_call>\n", fields),
                  choice_of("", "One moment. <tool_call>{\"name\":\"ping\"}</tool_call>\n", fields));
    }
}

TEST_F(ToolCallsTest, NoneLeavesThemInTheTextButShowsTheToolsToTheModel) {
    start({}, templates_of(kThinkingTemplate), nullptr, nullptr, "qwen3");
    generator_.script(fmt::format("Hm</think>{}", kPingCall));
    const json::value message = message_of(ask(R"("tool_choice":"none")"));
    EXPECT_EQ(message.at("content"), json::value(kPingCall));
    EXPECT_EQ(message.at("reasoning"), json::value("Hm"));
    EXPECT_FALSE(message.as_object().contains("tool_calls"));
    EXPECT_TRUE(tokenizer_->decode(generator_.requests()[0].prompt).starts_with("[get_weather][ping]"));
}

TEST_F(ToolCallsTest, OneCallAtATimeEndsTheAnswer) {
    start_as("qwen3");
    for (const size_t per_event : {1, 500}) {
        generator_.script(fmt::format("{}\n{} and on", kPingCall, kWeatherCall), per_event, false);
        const Answer answer = ask(R"("parallel_tool_calls":false)");
        const json::value message = message_of(answer);
        ASSERT_EQ(message.at("tool_calls").as_array().size(), 1u);
        EXPECT_EQ(message.at("tool_calls").at(0).at("function").at("name"), json::value("ping"));
        EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "finish_reason"}), json::value("tool_calls"));
        EXPECT_EQ(at(answer.json(), {"usage", "completion_tokens"}), json::value(std::string_view(kPingCall).size()));
    }
    generator_.script(fmt::format("<tool_call>[{0}, {0}]</tool_call>", R"({"name":"ping"})"));
    EXPECT_EQ(message_of(ask(R"("parallel_tool_calls":false)")).at("tool_calls").as_array().size(), 1u);
    EXPECT_TRUE(eventually([&] { return generator_.cancellations() >= 2; }));
}

TEST_F(ToolCallsTest, WhatIsCutOffIsNoCallToAnswer) {
    start_as("kimi_k2");
    generator_.script(
        "<|tool_call_begin|>functions.ping:0<|tool_call_argument_begin|>{\"a\": 1, \"b\": 2}<|tool_call_end|>");
    const Answer by_length = ask(R"("max_tokens":67)");
    EXPECT_EQ(message_of(by_length).at("tool_calls").at(0).at("function").at("arguments"), json::value("{\"a\""));
    EXPECT_EQ(at(by_length.json(), {"choices", size_t{0}, "finish_reason"}), json::value("length"));
    const Answer by_string = ask(R"("stop":[", \"b\""])");
    EXPECT_EQ(message_of(by_string).at("tool_calls").at(0).at("function").at("arguments"), json::value("{\"a\": 1"));
    EXPECT_EQ(at(by_string.json(), {"choices", size_t{0}, "finish_reason"}), json::value("stop"));
    EXPECT_EQ(at(by_string.json(), {"choices", size_t{0}, "stop_reason"}), json::value(", \"b\""));
}

TEST_F(ToolCallsTest, MalformedCallsAreContent) {
    start_as("qwen3");
    generator_.script("<tool_call>\nping()\n</tool_call>");
    const Answer answer = ask("");
    EXPECT_EQ(message_of(answer).at("content"), json::value("<tool_call>\nping()\n</tool_call>"));
    EXPECT_FALSE(message_of(answer).as_object().contains("tool_calls"));
    EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "finish_reason"}), json::value("stop"));
}

TEST_F(ToolCallsTest, LogprobsTellEveryToken) {
    start_as("qwen3");
    generator_.script(kPingCall, 5);
    const Answer whole = ask(R"("logprobs":true,"return_token_ids":true)");
    const size_t tokens = std::string_view(kPingCall).size() + 1;
    EXPECT_EQ(at(whole.json(), {"choices", size_t{0}, "logprobs", "content"}).as_array().size(), tokens);
    EXPECT_EQ(at(whole.json(), {"choices", size_t{0}, "token_ids"}).as_array().size(), tokens);
    const Answer streamed = ask(R"("logprobs":true,"stream":true)");
    size_t count = 0;
    for (const std::string& event : streamed.events())
        if (event != "[DONE]")
            count += at(json::parse(event), {"choices", size_t{0}, "logprobs", "content"}).as_array().size();
    EXPECT_EQ(count, tokens);
}

TEST_F(ToolCallsTest, ValuesAreTypedByTheSchema) {
    start_as("qwen3_coder");
    generator_.script(
        "<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
        "</function>\n</tool_call>");
    const json::value message = message_of(ask(""));
    EXPECT_EQ(json::parse(message.at("tool_calls").at(0).at("function").at("arguments").as_string()),
              json::parse(R"({"city": "12", "days": 3})"));
}

TEST_F(ToolCallsTest, IdsHaveTheLengthThatTemplatesWant) {
    start_as("mistral");
    generator_.script("[TOOL_CALLS]ping{}[TOOL_CALLS]ping[CALL_ID]abc[ARGS]{}");
    const json::value message = message_of(ask(""));
    EXPECT_EQ(message.at("tool_calls").at(0).at("id").as_string().size(), 9u);
    EXPECT_EQ(message.at("tool_calls").at(1).at("id"), json::value("abc"));
}

TEST_F(ToolCallsTest, ReasoningBeginsWhereThePromptOpensIt) {
    start({}, templates_of(kThinkingTemplate), nullptr, nullptr, "think");
    generator_.script("So it is.");
    const Answer thought = ask("", false);
    EXPECT_EQ(message_of(thought).at("reasoning_content"), json::value("So it is."));
    EXPECT_TRUE(message_of(thought).at("content").is_null());
    // Continued answers: one that is still reasoning, one that is not.
    const auto continue_from = [&](const char* begun) {
        return message_of(post("/v1/chat/completions",
                               fmt::format(R"({{"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant",)"
                                           R"("content":"{}"}}],"continue_final_message":true}})",
                                           begun)));
    };
    EXPECT_EQ(continue_from("<think>I think").at("reasoning"), json::value("So it is."));
    EXPECT_EQ(continue_from("<think>I think</think>Yes.").at("content"), json::value("So it is."));
}

TEST_F(ToolCallsTest, ReasoningCanBeLeftOut) {
    start({}, templates_of(kThinkingTemplate), nullptr, nullptr, "think");
    generator_.script("Hm</think>Yes");
    const json::value message = message_of(ask(R"("include_reasoning":false)", false));
    EXPECT_EQ(message.at("content"), json::value("Yes"));
    EXPECT_FALSE(message.as_object().contains("reasoning"));
    const Streamed streamed = put_together(ask(R"("include_reasoning":false,"stream":true)", false));
    EXPECT_EQ(streamed.content, "Yes");
    EXPECT_EQ(streamed.reasoning, "");
}

TEST_F(ToolCallsTest, ComeBackInTheNextTurn) {
    start({}, templates_of(kThinkingTemplate), nullptr, nullptr, "qwen3");
    generator_.script("Hm</think>Rain.");
    for (const char* field : {"reasoning", "reasoning_content"}) {
        const Answer answer = post(
            "/v1/chat/completions",
            fmt::format(
                R"({{"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":null,"{}":"why",)"
                R"("tool_calls":[{{"id":"call_1","type":"function","function":{{"name":"ping","arguments":"{{\"x\": 1}}"}}}}]}},)"
                R"({{"role":"tool","tool_call_id":"call_1","content":"pong"}}]}})",
                field));
        EXPECT_EQ(message_of(answer).at("content"), json::value("Rain."));
        EXPECT_EQ(tokenizer_->decode(generator_.requests().back().prompt),
                  "user:hiassistant:(why)!ping{\"x\": 1}tool:pongassistant:<think>\n");
    }
}

// The bytes that the constraint of the last request lets a text begin with.
std::string begins(const ScriptedGenerator& generator) {
    const auto constraint = generator.requests().back().constraint;
    if (!constraint) return "anything";
    const auto text = constraint->begin();
    const auto words = *text->allowed();
    std::string bytes;
    for (size_t token = 3; token < 3 + 256; ++token)
        if (words[token / 64] >> token % 64 & 1) bytes += static_cast<char>(token - 3);
    return bytes;
}

TEST_F(ToolCallsTest, CallsThatAreRequiredComeUnderAGrammar) {
    start_as("qwen3");
    generator_.script(fmt::format("<think>So</think>\n{}\n{}", kPingCall, kWeatherCall));
    const Answer answer = ask(R"("tool_choice":"required")");
    EXPECT_EQ(message_of(answer).at("tool_calls").as_array().size(), 2u);
    EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "finish_reason"}), json::value("tool_calls"));
    EXPECT_EQ(begins(generator_), "<");
    EXPECT_EQ(
        message_of(ask(R"("tool_choice":"required","parallel_tool_calls":false)")).at("tool_calls").as_array().size(),
        1u);
    message_of(ask(R"("tool_choice":"auto")"));
    EXPECT_EQ(begins(generator_), "anything");
}

TEST_F(ToolCallsTest, ReasoningThatThePromptOpensComesBeforeRequiredCalls) {
    start({}, templates_of(kThinkingTemplate), nullptr, nullptr, "qwen3");
    generator_.script(fmt::format("So</think>\n{}", kPingCall));
    const json::value message = message_of(ask(R"("tool_choice":"required")"));
    EXPECT_EQ(message.at("reasoning"), json::value("So"));
    EXPECT_EQ(message.at("tool_calls").as_array().size(), 1u);
    EXPECT_GT(begins(generator_).size(), 100u);
}

TEST_F(ToolCallsTest, AFunctionThatIsNamedIsCalledAndTheEndIsAStop) {
    start_as("qwen3");
    constexpr const char* kNamed = R"("tool_choice":{"type":"function","function":{"name":"ping"}})";
    generator_.script(kPingCall);
    const Answer answer = ask(kNamed);
    EXPECT_EQ(message_of(answer).at("tool_calls").as_array().size(), 1u);
    EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "finish_reason"}), json::value("stop"));
    EXPECT_EQ(put_together(ask(std::string(kNamed) + R"(,"stream":true)")).finish_reason, "stop");
    EXPECT_EQ(begins(generator_), "<");
}

// harmony's end of a call is a token that ends the output; any other token that does is as good under a grammar.
TEST_F(ToolCallsTest, CallsAreWholeWhereTheGrammarLetsTheOutputEnd) {
    start_as("harmony");
    generator_.script("<|channel|>commentary to=functions.ping <|constrain|>json<|message|>{}");
    for (const auto& [choice, reason] : {std::pair("required", "tool_calls"), std::pair("auto", "stop")}) {
        const Answer answer = ask(fmt::format(R"("tool_choice":"{}")", choice));
        EXPECT_EQ(message_of(answer).at("tool_calls").as_array().size(), 1u);
        EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "finish_reason"}), json::value(reason)) << choice;
    }
    EXPECT_EQ(at(ask(R"("tool_choice":"required","max_tokens":70)").json(), {"choices", size_t{0}, "finish_reason"}),
              json::value("length"));
}

TEST_F(ToolCallsTest, WhatCannotBeForcedIsRefused) {
    const auto param = [&](const std::string& fields, bool with_tools = true) {
        const Answer answer = ask(fields, with_tools);
        EXPECT_EQ(answer.status, 400) << answer.body;
        return std::string(at(answer.json(), {"error", "param"}).as_string());
    };
    for (const char* dialect : {"", "think"}) {
        start_as(dialect);
        EXPECT_EQ(param(R"("tool_choice":"required")"), "tool_choice");
        EXPECT_EQ(param(R"("tool_choice":{"type":"function","function":{"name":"ping"}})"), "tool_choice");
    }
    start_as("qwen3");
    EXPECT_EQ(param(R"("tool_choice":"required")", false), "tool_choice");
    EXPECT_EQ(param(R"("tool_choice":{"type":"function","function":{"name":"pong"}})"), "tool_choice.function.name");
    EXPECT_EQ(param(R"("tool_choice":"required","guided_json":{})"), "guided_json");
    const Answer odd = post("/v1/chat/completions",
                            R"({"messages":[{"role":"user","content":"hi"}],"tool_choice":"required","tools":[)"
                            R"({"function":{"name":"odd","parameters":{"not":{}}}}]})");
    EXPECT_EQ(odd.status, 400);
    EXPECT_EQ(at(odd.json(), {"error", "param"}), json::value("tools"));
    EXPECT_NE(odd.body.find("'odd'"), std::string::npos) << odd.body;
    generator_.script(kPingCall);
    message_of(ask(R"("tool_choice":"required","response_format":{"type":"json_object"})"));  // is about content
}

}  // namespace
}  // namespace hone::serve
